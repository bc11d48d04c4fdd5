r"""A layer at a point: its value and every derivative of it, derived once from the functions that it declares.

With W = W(theta) the raw coefficients and z a jet of the inputs (a value is a jet with no directions)

    u = sum over blocks of functions of  sum_pi W[q, p, i] phi_{p,i}(z_p),        y = sigma(u),

a cotangent dy goes back and tangents go forward by the chain rule:

    du = sigma'(u)^T dy,    dW[q, p, i] = sum_s du[s, q] phi_{p,i},    dtheta = (dW/dtheta)^T dW,
    dz_p = sum_q du_q sum_i W[q, p, i] phi'_{p,i}(z_p).
"""

import math

import numpy as np

from refkan.base import Array, FloatArray, as_array, as_shape, as_vector, check_target
from refkan.kernels.recycled_memory import dtype_of, recycled
from refkan.networks.layers.functions import Declared, Features, Functions, LocalForm, Motion, ParameterBlocks
from refkan.splines.sums.channels import VALUES, Channels
from refkan.splines.sums.input_jet import InputJet
from refkan.splines.sums.pointwise import PointwiseJet
from refkan.splines.sums.sums import FunctionSums


class Linearization:
    """A layer at (theta, z): its value and its derivative as a linear map, forward, backward and explicitly.

    With `channels`, the value and all tangents and cotangents have an axis of channels like the jet of the inputs.

    Attributes
    ----------
    value : array (N, Q) or (N, channels, Q)

    Raises
    ------
    ValueError, TypeError
        From methods, for tangents and cotangents of wrong shapes or that are not numbers. They need not be finite.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> layer = rk.SplineLayer((rk.SplineSpace.uniform(order=2, intervals=2),), n_outputs=1)
    >>> at = layer.linearize(np.array([0.0, 1.0, 4.0]), np.array([[0.25]]))
    >>> at.value, at.pullback(np.array([[1.0]]))
    (array([[0.5]]), (array([0.5, 0.5, 0. ]), array([[2.]])))
    """

    def __init__(
        self,
        declared: Declared,
        parameters: ParameterBlocks,
        at: InputJet,
        channels: Channels | None,
        back: bool = True,
    ) -> None:
        self.declared, self.parameters, self.z = declared, parameters, at.z
        self._lead = at.z.shape[:2]
        if channels is None:
            channels, self._lead = VALUES, at.z.shape[:1]
        self.channels = channels
        Q, begin = declared.n_outputs, 0
        self.parts: list[_Part] = []
        for functions in declared.functions:
            slots, dim = functions.slots, functions.dim
            C = declared.raw[begin : begin + Q * slots * dim].reshape(Q, slots, dim)
            where = at
            if functions.moving:
                where = InputJet(at.z)  # without a cache
            sums = functions.sums(C, where, channels, back)
            self.parts.append(_Part(functions, C, sums, begin))
            begin = self.parts[-1].end
        u = self.parts[0].sums.value
        for part in self.parts[1:]:
            more = part.sums.value
            u = np.add(u, more, out=recycled(u.shape, dtype_of(u, more)))
        self._activation: PointwiseJet | None = None
        if declared.activation is not None:
            derivatives = declared.activation.derivatives
            self._activation = PointwiseJet(derivatives, u, channels, back)
            u = self._activation.value
        self.value: Array = u
        if len(self._lead) == 1:
            self.value = u.reshape(*self._lead, Q)

    # Kernels do not check where an array ends, so these checks precede all of them.

    def _cotangent(self, dy: FloatArray) -> FloatArray:
        dy = as_shape("dy", dy, self.value.shape, finite=False)
        return dy.reshape(self.z.shape[0], self.channels.count, dy.shape[-1])

    def _cotangents(self, G: FloatArray) -> FloatArray:
        N, *channels, Q = self.value.shape
        G = as_array("G", G, ndim=self.value.ndim + 1, finite=False)
        if (G.shape[0], *G.shape[2:]) != self.value.shape:
            raise ValueError(f"G must have shape ({', '.join(map(str, (N, 'O', *channels, Q)))}); got {G.shape}")
        return G.reshape(N, G.shape[1], self.channels.count, Q)

    def _tangents(self, dtheta: FloatArray, dz: FloatArray | None) -> tuple[FloatArray, FloatArray | None]:
        dtheta = as_vector("dtheta", dtheta, self.parameters.size, finite=False)
        if dz is None:
            return dtheta, None
        name = ("dx", "dz")[len(self._lead) - 1]
        shape = *self._lead, self.z.shape[2]
        dz = as_shape(name, dz, shape, finite=False)
        return dtheta, dz.reshape(self.z.shape)

    def _before_activation(self, G: FloatArray) -> FloatArray:
        """Cotangents (N, O, channels, Q) of u."""
        if self._activation is None:
            return G
        return self._activation.pull_back(G)

    def _raw_tangent(self, dtheta: FloatArray) -> FloatArray:
        """Tangent of the raw coefficients."""
        chart = self.declared.chart
        if chart is None:
            return dtheta
        return chart.push_forward(dtheta)

    # ------------------------------------------------------------------ sweeps

    def pullback(self, dy: FloatArray, inputs: bool = True) -> tuple[FloatArray, FloatArray | None]:
        """Cotangents (dtheta, dz) of a cotangent dy of the value; dz is None when `inputs` is false."""
        dtheta, dz = self.pull_back(self._cotangent(dy), inputs)
        if dz is not None:
            dz = dz.reshape(*self._lead, dz.shape[2])
        return dtheta, dz

    def pull_back(self, dy: FloatArray, inputs: bool) -> tuple[FloatArray, FloatArray | None]:
        """Do the same with a float64 cotangent (N, channels, Q), which is not checked."""
        if self._activation is not None:
            dy = self._activation.pull_back(dy[:, None])[:, 0]
        dW, dz = self._pull_back(dy, inputs)
        chart = self.declared.chart
        if chart is not None:
            dW = chart.pull_back(dW)
        return dW, dz

    def _pull_back(self, du: FloatArray, inputs: bool) -> tuple[FloatArray, FloatArray | None]:
        """Cotangents of the raw coefficients and of the jet of the inputs, from du (N, channels, Q)."""
        raw, dz = [], None
        for part in self.parts:
            if part.motion is None:
                dC, moved = part.sums.pull_back(du, inputs)
                raw.append(dC.reshape(-1))
            else:
                dC, ds, moved = part.motion.pull_back(part.sums, du, inputs)
                raw += [dC.reshape(-1), ds.reshape(-1)]
            if dz is None:
                dz = moved
            elif moved is not None:
                dz = dz + moved
        if len(raw) == 1:
            return raw[0], dz
        return np.concatenate(raw), dz

    def pushforward(self, dtheta: FloatArray, dz: FloatArray | None) -> FloatArray:
        """Tangent of the value along tangents dtheta and dz of parameters and inputs; dz is None for fixed inputs."""
        dtheta, dz = self._tangents(dtheta, dz)
        du = self._push_forward(self._raw_tangent(dtheta), dz)
        if self._activation is not None:
            du = self._activation.push_forward(du)
        return du.reshape(self.value.shape)

    def _push_forward(self, dW: FloatArray, dz: FloatArray | None) -> FloatArray:
        """Tangent (N, channels, Q) of u."""
        du, *others = (part.push_forward(dW, dz) for part in self.parts)
        for moved in others:
            du = du + moved
        return du

    def pullback_inputs(self, G: FloatArray) -> FloatArray:
        """Pull several cotangents G (N, O, [channels,] Q) back to the inputs at once: (N, O, [channels,] P)."""
        G = self._before_activation(self._cotangents(G))
        dz = self._pull_back_inputs(G)
        return dz.reshape(dz.shape[0], dz.shape[1], *self._lead[1:], dz.shape[3])

    def _pull_back_inputs(self, G: FloatArray) -> FloatArray:
        """Cotangents (N, O, channels, P) of the inputs from those of u."""
        dz, *others = (part.sums.pull_back_inputs(G) for part in self.parts if not part.constant)
        for moved in others:
            dz = dz + moved
        return dz

    def fill_jacobian(self, G: FloatArray, out: FloatArray) -> None:
        """Write sum_q G[s, o, q] dy[s, q]/dtheta, over channels too, into out (N, O, n_params), zero on entry.

        Raises
        ------
        ValueError, TypeError
            Before anything is written, unless out is a writable float64 array of that shape.
        """
        G = self._cotangents(G)
        shape = (*G.shape[:2], self.parameters.size)
        check_target("out", out, shape, np.iscomplexobj(self.value) or np.iscomplexobj(G))
        G = self._before_activation(G)
        Q = self.declared.n_outputs
        for part in self.parts:
            functions = part.functions
            columns = out[:, :, part.begin : part.behind]
            columns = columns.reshape(*shape[:2], Q, functions.slots, functions.dim)
            part.sums.fill_jacobian(G, columns)
            if part.motion is not None:
                own = out[:, :, part.behind : part.end].reshape(*shape[:2], *functions.moving)
                part.motion.fill_jacobian(part.sums, G, own)
        if self.declared.chart is not None:
            self.declared.chart.fill_columns(out)

    # ------------------------------------------------------ second derivatives

    def hessian_product(self, dtheta: FloatArray, dx: FloatArray, dy: FloatArray) -> tuple[FloatArray, FloatArray]:
        r"""Hessian of sum dy . y in (theta, x), times the tangent (dtheta, dx): the derivative of `pullback`.

        u is linear in W and a sum of functions of single inputs, so that the Hessian of <g, u>, g = sigma'(u) dy, is
        the sum over blocks of `FunctionSums.hessian_product`. With an activation, dy sigma''(u) u' is pulled back as
        well, u' the tangent of u; with a chart W(theta), its second derivative is added. Knots are fixed. At a kink of
        a ReLU power first and second derivative are those of the piece to the right.
        """
        (dtheta, tangent), g = self._tangents(dtheta, dx), self._cotangent(dy)
        assert tangent is not None
        dx = tangent
        if any(part.motion is not None for part in self.parts):
            raise ValueError("second derivatives need fixed knots; got a layer with free_knots=True")
        chart, activation = self.declared.chart, self._activation
        dW = self._raw_tangent(dtheta)
        raw_part = np.zeros(self.declared.raw.size)
        x_part = np.zeros((self.z.shape[0], self.z.shape[2]))
        if activation is not None:
            bent = g * activation.curvature[:, None] * self._push_forward(dW, dx)
            raw_part, dz = self._pull_back(bent, inputs=True)
            assert dz is not None
            x_part = dz[:, 0]
            g = g * activation.slope[:, None]
        pieces = []
        for part in self.parts:
            dC, moved = part.sums.hessian_product(part.coefficients(dW), dx[:, 0], g[:, 0])
            pieces.append(dC.reshape(-1))
            x_part = x_part + moved
        raw_part = raw_part + np.concatenate(pieces)
        if chart is None:
            return raw_part, x_part
        curved = chart.hessian(self._pull_back(g, inputs=False)[0]) @ dtheta
        return chart.pull_back(raw_part) + curved, x_part

    def local_form(self, curved: bool = False) -> LocalForm:
        """Return the layer as fixed functions of single inputs times coefficients, for `curved` with slopes.

        Free knots are fixed at their values.
        """
        blocks = tuple(part.features(curved) for part in self.parts)
        Q, activation, chart = self.declared.n_outputs, None, self.declared.chart
        if self._activation is not None:
            activation = self._activation.slope, self._activation.curvature
        if not curved:
            return LocalForm(blocks, Q, activation, chart=chart)
        N = self.z.shape[0]
        slopes = self._pull_back_inputs(np.broadcast_to(np.eye(Q)[:, None], (N, Q, 1, Q)))[:, :, 0]

        def curvatures(du: FloatArray) -> FloatArray:
            total = np.zeros((N, self.z.shape[2]))
            for part in self.parts:
                if not part.constant:
                    total += part.sums.project(du[:, None], 2)[:, 0]
            return total

        return LocalForm(blocks, Q, activation, slopes, curvatures, chart)


class _Part:
    """A block of functions with coefficients C (Q, P, dim), their sums, and their positions in the raw vector."""

    def __init__(self, functions: Functions, C: Array, sums: FunctionSums, begin: int) -> None:
        self.functions, self.C, self.sums, self.begin = functions, C, sums, begin
        self.behind = self.end = begin + C.size
        self.motion: Motion | None = None
        """How the functions move with parameters of their own; None for fixed functions."""
        if functions.moving:
            self.motion, self.end = functions.motion(C), self.behind + math.prod(functions.moving)

    @property
    def constant(self) -> bool:
        """Whether the functions do not depend on the inputs."""
        return self.functions.constant

    def coefficients(self, raw: Array) -> Array:
        """The part of a raw vector that belongs to C."""
        return raw[self.begin : self.behind].reshape(self.C.shape)

    def push_forward(self, dW: FloatArray, dz: FloatArray | None) -> FloatArray:
        """Tangent of the sums along tangents of the raw coefficients and of the jet of the inputs."""
        dC = self.coefficients(dW)
        if self.motion is None:
            return self.sums.push_forward(dC, dz)
        ds = dW[self.behind : self.end].reshape(self.functions.moving)
        return self.motion.push_forward(self.sums, dC, ds, dz)

    def features(self, curved: bool) -> Features:
        """The functions at the samples, for `curved` with slopes."""
        start, values, slopes = self.sums.features(curved)
        return Features(start, values, slopes, self.functions.dim)

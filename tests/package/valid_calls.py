"""A valid call of every public callable: values by the names of parameters, and what a callable wants otherwise."""

# ruff: noqa: C408, E501  parameters are named as in calls

import inspect

import numpy as np
from matplotlib.figure import Figure

import refkan as rk
from refkan import claims, conditioning, conformance, interop
from refkan.analysis.exact.enclosures.rational_intervals import Enclosure
from refkan.analysis.exact.spectra.certified_spectra import CertifiedSpectrum
from refkan.conformance.adapters.backends import Refkan
from refkan.interop.kan_edges import Edges, assemble
from refkan.training import adaptivity, multilevel, optimizers
from refkan.training.losses import CrossEntropy
from refkan.training.problems import manufactured
from tests.shared.plain_layers import PLAIN_LAYERS

X = np.random.default_rng(0).uniform(size=(8, 2))
Y = np.sin(X.sum(axis=1, keepdims=True))
SPACE = rk.SplineSpace.uniform(3, 4)
FINE = SPACE.refine()
NET, THETA = rk.kan([2, 2, 1], 3, 2).initialize(np.random.default_rng(1), X)
LAYER = NET.layers[0]
LAYER_THETA = THETA[NET.slices[0]]
PROBLEM = rk.LeastSquares(NET, X, Y)
SIDE = rk.Side(X, np.eye(2), orders=1)
NORMAL = rk.Side(X, [[1.0, 0.0]], orders=1)
TERM = rk.Term("a", SIDE, lambda x, u, ux, uy: u, lambda x, u, ux, uy: [1, 0, 0], attention=rk.Attention(8))
COLLOCATION = rk.Collocation(NET, [TERM])
LINE = rk.LeastSquares(rk.kan([1, 1], 2, 2), X[:, :1], X[:, :1] ** 2)
SMOOTH = rk.LeastSquares(rk.kan([1, 1], 3, 2), X[:, :1], X[:, :1] ** 2)
SMOOTH_THETA = np.zeros(4)
STUDY = conditioning.study(conditioning.grid(["spline"], [[1, 1]], [2], [2], samples=20))
SPECTRUM = rk.spectrum(PROBLEM, THETA)
EDGES = Edges(np.arange(-3.0, 9.0)[None], np.ones((1, 1, 8)), np.ones((1, 1)), np.ones((1, 1)), np.ones(1), np.zeros(1))
ONE, ONE_THETA = assemble([EDGES])
SAVED = {"layers.0.grid": np.linspace(-2.2, 2.2, 12)[None], "layers.0.spline_weight": np.ones((1, 1, 8))}
CASES = conformance.catalogue(["float64"], select=["float64/basis/degree-1/uniform/ends/values"])
FACTOR = claims.Factor("start", ("linear", "normal"))
READING = claims.Reading({"start": "linear"}, True, "1")
ESTIMATE = claims.exactly("a", 1.0, at_least=0.5)
BESIDE = claims.Beside("b", "mm", {seed: 1.0 + seed**2 / 9 for seed in range(6)}, 2.0, 0.9)
AT_STEP = optimizers.State(0, THETA, 1.0, 1.0, 1.0, 1, 0.0)
PROFILE = manufactured.PEAK
RNG = np.random.default_rng(0)
CHEBYSHEV = rk.ChebyshevLayer(((0.0, 1.0),) * 2, 2, 3)
CASE = CASES[0]
JET = NET.jet(THETA, X, np.eye(2))

VALUES = dict(
    net=NET, theta=THETA, x=X, y=Y, space=SPACE, coarse=SPACE, fine=FINE, problem=PROBLEM, rng=RNG,
    coefficients=np.ones(SPACE.dim), u=np.ones(SPACE.dim), w=np.ones(SPACE.dim), v=np.ones(NET.n_params), order=3,
    dtheta=THETA, first=np.eye(2), spectrum=SPECTRUM, network=NET, schedule=[1, 1], box=[[0.0, 1.0]] * 2,
    name="a", weight=1.0, points=X, intervals=2, breakpoints=[0.0, 0.5, 1.0], knots=SPACE.knots, domain=(0.0, 1.0),
    widths=[2, 3, 1], basis="spline", layers=NET.layers, node_maps=NET.node_maps, study=STUDY,
    spaces=LAYER.spaces, n_outputs=2, new_knots=[0.3], factor=2, seed=0, steps=1,
    derivative=1, layer=0, fraction=0.5,
)  # fmt: skip
"""By the name of a parameter, where its callable says nothing else in `CALLS`."""

OBJECTS = {
    "ChangeOfBasis": rk.ChangeOfBasis(SPACE), "SplineSpace": SPACE, "Network": NET, "LeastSquares": PROBLEM, "CrossEntropy": CrossEntropy(NET, X, np.arange(8) % 2),
    "Collocation": COLLOCATION, "Attention": rk.Attention(8), "Side": SIDE, "Term": TERM,
    "Spectrum": SPECTRUM,
    "Estimate": ESTIMATE, "Reading": READING, "Beside": BESIDE,
    "Factor": FACTOR, "Jet": JET,
    "Grid": claims.Grid("toy", (FACTOR,), (), lambda cell: {"loss": 1.0}), "Judge": conformance.Judge(Refkan()),
    "Readings": claims.Readings([READING, claims.Reading({"start": "normal"}, False, "2", cells=(BESIDE,), calibration=(BESIDE,)), claims.Reading({"start": "cubic"}, None, "3", corrected=True, size="9 points", reduced=True)], left=[{"start": "x"}]),
    "Experiment": claims.Experiment((FACTOR,), lambda choice, seed: {}),
    "SameFunction": NET, "Inspectable": NET, "Composition": NET,
    "ChebyshevLayer": CHEBYSHEV, "DenseLayer": rk.DenseLayer(2, 2), "SiluLayer": rk.SiluLayer(LAYER),
    "Layer": CHEBYSHEV,
    "KnotLayer": LAYER, "SplineEdges": LAYER, "SplineLayer": LAYER, "ReluLayer": LAYER.in_basis("relu"),
    "Evaluation": rk.truth.of(LINE.net, [0, 1, 0], [[0.25]]), "LayerSpec": CASE.setting.spec, "Case": CASE,
    "Cut": adaptivity.Cut(), "Fixed": adaptivity.Fixed(),
    "Capabilities": conformance.Capabilities(),
    "CertifiedSpectrum": CertifiedSpectrum((Enclosure(1, 2),), 2, "spline", "exact", 64),
}  # fmt: skip
"""Whose methods are called."""

CHECKED = dict(value=lambda t: (t * t).sum(), gradient=lambda t: 2 * t, theta=np.ones(3))

CALLS = {
    # spaces, bases, transfer
    "splines.bsplines.evaluate": dict(x=[0.5]),
    "splines.bsplines.design_matrix": dict(x=[0.5]),
    "splines.relu_powers.evaluate": dict(x=[0.5]),
    "splines.relu_powers.design_matrix": dict(x=[0.5]),
    "splines.change_of_basis.ChangeOfBasis.apply": dict(v=np.ones(6)),
    "splines.change_of_basis.ChangeOfBasis.solve": dict(v=np.ones(6)),
    "splines.change_of_basis.ChangeOfBasis.uniform": dict(dim=6),
    "splines.transfer.least_squares_transfer": dict(x=np.linspace(0.0, 1.0, 30)),
    # layers and networks
    "networks.layers.chebyshev.ChebyshevLayer": dict(ends=((0.0, 1.0),), degree=3),
    "networks.layers.dense.DenseLayer": dict(n_inputs=2),
    "networks.layers.knot_layers.silu.SiluLayer": dict(spline=LAYER),
    "networks.chebyshev_kan": dict(degree=3),
    "networks.network.Network": dict(node_maps=NET.node_maps, layers=NET.layers, statistics=X),
    "networks.network.Network.jvp": dict(dx=X),
    "networks.edge_functions.Inspectable.edge_function": dict(layer=0, output=0, input=0),
    "networks.network.Network.jet": dict(second=0 * np.eye(2)),
    "networks.composition.Composition.initialize": dict(statistics=X),
    "networks.same_function.SameFunction.convert": dict(other=NET.to_basis("relu")),
    "networks.same_function.SameFunction.prolongation": dict(other=NET.refine()),
    "networks.same_function.SameFunction.insert": dict(new_knots=[[0.3], [0.3]]),
    "networks.composition.Composition.require_derivatives": dict(order=1),
    "networks.load": dict(path="network.npz"),
    "networks.save": dict(path="network.npz"),
    "networks.node_maps.kinds.AffineMap": dict(scale=[1.0], shift=[0.0]),
    # losses, hessians
    "training.losses.least_squares.LeastSquares": dict(weights=np.ones(8)),
    "training.losses.attention.Attention": dict(n_points=8),
    "training.losses.attention.Attention.restart": dict(n_points=8),
    "training.losses.attention.Attention.update": dict(residuals=np.ones(8)),
    "training.losses.cross_entropy.CrossEntropy": dict(labels=np.arange(8) % 2, weights=np.ones(8)),
    "training.losses.collocation.Collocation": dict(terms=[TERM]),
    "training.losses.collocation.Collocation.redrawn": dict(points={"a": X}),
    "training.losses.sides.Side": dict(first=np.eye(2), second=0 * np.eye(2), orders=(2, 2)),
    "training.losses.terms.Term": dict(sides=SIDE, residual=lambda x, u, ux, uy, data: u, partials=lambda x, u, ux, uy,
        data: [1, 0, 0],
                              data=np.ones((8, 1))),
    "training.losses.flux_jump": dict(left=NORMAL, right=NORMAL, coefficients=(1.0, 2.0)),
    "training.losses.periodicity": dict(left=X, right=X, direction=[1.0, 0.0]),
    "training.losses.terms.Term.at": dict(data=np.ones((8, 1))),
    "training.losses.prescribed": dict(target=np.ones(8)),
    # optimizers, hierarchy, adaptivity
    "training.optimizers.minimize": dict(method="lbfgs"),
    "training.multilevel.stages.Stage": dict(survivors=1),
    "training.multilevel.stages.Stage.refined": dict(schedule=[1, 1], survivors=[2, 1], samples=[4, None]),
    "training.multilevel.multistart": dict(stages=[multilevel.Stage(1, 1)]),
    "training.adaptivity.minimize_adaptive": dict(max_params=26),
    "training.adaptivity.sampled": dict(target=lambda x: x[:, :1]),
    "training.adaptivity.strategies.Refinement": dict(),
    # checks
    "checks.dot_check": dict(forward=np.cumsum, adjoint=lambda w: np.cumsum(w[::-1])[::-1], n_in=3, n_out=3),
    "checks.gradient_check": CHECKED,
    "checks.jacobian_check": dict(value=np.sin, jacobian=lambda t: np.diag(np.cos(t)), theta=np.ones(3)),
    "checks.taylor_check": dict(CHECKED, direction=np.ones(3), hessian_vector=lambda t, v: 2 * v),
    "checks.invariance_check": dict(f=np.sin, g=np.sin, scale=1.0),
    # conditioning
    "analysis.conditioning.grid": dict(kinds=["spline"], widths=[[1, 1]], orders=[2], intervals=[2]),
    "analysis.conditioning.spectra.Spectrum.amplitudes": dict(steps=THETA),
    "analysis.conditioning.spectrum": dict(problem_or_matrix=PROBLEM, theta=THETA),
    "analysis.conditioning.study": dict(configurations=[STUDY.rows[0].configuration]),
    # exact
    "analysis.exact.bounding_box": {},
    "analysis.exact.certified_condition_number": dict(space=SPACE),
    "analysis.exact.certified_gauss_newton_condition": dict(problem=LINE, theta=np.ones(3)),
    "analysis.exact.certified_error": dict(net=SMOOTH.net, theta=SMOOTH_THETA, source=lambda x: 0 * x,
        boundary=lambda x: 0 * x, box=[[0.0, 1.0]], integration_intervals=10),
    "analysis.exact.certified_rank": dict(problem=LINE, theta=np.ones(3)),
    "analysis.exact.spectra.certified_spectra.CertifiedSpectrum.count_above": dict(threshold=0.5),
    "analysis.exact.spectra.certified_spectra.CertifiedSpectrum.effective_dimension": dict(mu=0.5),
    "analysis.exact.certified_spectrum": dict(problem=LINE, theta=np.ones(3)),
    "analysis.exact.sup_difference": dict(other=NET, other_theta=THETA, budget=50),
    "analysis.exact.extrema": dict(tolerance=0.5), "analysis.exact.lipschitz_constant": dict(tolerance=0.9), "analysis.exact.enclose": {},
    "analysis.exact.pruned": dict(net=LINE.net, theta=np.ones(3), box=[[0.0, 1.0]], tolerance=0.5, budget=10),
    # interop
    "interop.refined": dict(net=ONE, theta=ONE_THETA),
    "interop.from_state": dict(state=SAVED),
    "interop.to_state": dict(net=interop.from_state(SAVED)[0], theta=interop.from_state(SAVED)[1], state=SAVED),
    "interop.read_model": dict(path="model.npz"),
    "interop.export_c": dict(net=LINE.net, theta=np.ones(3), box=[[0.0, 1.0]], path="model.c", leaves=1),
    # problems, training
    "training.problems.allen_cahn.reference": dict(modes=256, tolerance=1.0),
    # plots
    "plots.conditions": {}, "plots.refinement": dict(fine=NET.refine()), "plots.to_png": dict(figure=Figure((1, 1))),
    "plots.convergence": dict(curves={"a": ([1.0, 2.0], [1.0, 0.5])}),
    "plots.history": dict(result=rk.minimize(PROBLEM, THETA, steps=1)),
    # claims, conformance
    "claims.cells.Grid": dict(task="toy", open=(FACTOR,), place=(), measure=lambda cell: {}),
    "claims.cells.Grid.run": dict(cells=[]),
    "claims.readings.Beside": dict(cell="a", unit="1", values={0: 1.0}),
    "claims.experiments.Experiment": dict(factors=(FACTOR,), run=lambda choice, seed: {}),
    "claims.experiments.Factor": dict(values=("linear", "normal")),
    "claims.experiments.Factor.check": dict(value="linear"),
    "claims.readings.Reading": dict(choice={"start": "linear"}, holds=True, measured="1"),
    "claims.readings.Readings": dict(results=[READING]),
    "claims.readings.Readings.verdict": dict(id="A1"),
    "claims.decide": dict(estimates=[ESTIMATE]), "claims.twin": dict(estimates=[ESTIMATE]),
    "claims.invented_runs.Population.rows": dict(rng=np.random.default_rng(0), samples=1, size=5),
    "claims.exactly": dict(name="a", value=1.0),
    "claims.rows.Row": dict(id="A1", source="a", claim="b", measured="c", criterion="d"),
    "claims.verdicts.Figure": dict(caption="a", png=b"\x89PNG"),
    "claims.verdicts.Figure.from_matplotlib": dict(figure=Figure((1, 1)), caption="a"),
    "claims.verdicts.Table": dict(caption="a", columns=("a",), rows=(("1",),)),
    "claims.verdicts.Verdict": dict(id="A1", status="holds", measured="1", mutations={"a": "refuted"}),
    "claims.judge": dict(as_printed=True),
    "claims.estimate": dict(name="a", values={0: 1.0}), "claims.shown_by_tables": dict(name="a", values=dict.fromkeys(range(5), 1.0)),
    "claims.estimates.Estimate": dict(name="a", value=1.0, low=1.0, high=1.0),
    "conformance.adapters.adapter.Capabilities.missing": dict(needs={}),
    "conformance.cases.cases.Case": dict(setting=CASE.setting, quantity="values"),
    "conformance.judging.judge.Judge": dict(adapter=Refkan()), "conformance.judging.judge.Judge.__call__": dict(case=CASE),
    "conformance.judging.judge.Judge.run": dict(cases=[]),
    "conformance.cases.specs.LayerSpec": dict(knots=[[-1, 0, 1, 2]], coefficients=[[[3, 4]]], order=2),
    "conformance.cases.specs.LayerSpec.part": dict(name="base"),
    "conformance.catalogue": dict(dtypes=["float64"], select=["degree-3/uniform/interior"]),
    "conformance.identify": dict(adapter=Refkan()),
    "conformance.parametrize_with_cases": dict(adapter=Refkan(), dtypes=["float64"], select=["degree-3/uniform/interior"]),
    "conformance.pytest_suite": dict(adapter=Refkan(), dtypes=["float64"], select=["degree-3/uniform/interior"]),
    "kernels.engine_choice.use_engine": dict(name="plain"), "conformance.cases.cases.Case.allowed": dict(form="local"),
    "networks.layers.knot_layers.knot_layer.KnotLayer.inserted": dict(new_knots=[[0.3], [0.3]]),
    **{f"networks.layers.{key}": dict(domains=[[0.0, 1.0]] * 2) for key in (
        "chebyshev.ChebyshevLayer.on_domains", "layer.Layer.on_domains", "knot_layers.knot_layer.KnotLayer.on_domains")},
    **{f"networks.layers.{key}": dict(theta=LAYER_THETA, vector=LAYER_THETA, gradient=LAYER_THETA, target=LAYER.in_basis("relu"))
       for key in ("knot_layers.edge_conversion.SplineEdges.convert",)},
    "networks.layers.knot_layers.edge_conversion.SplineEdges.prolongation": dict(target=LAYER.refined(2)),
    "networks.layers.chebyshev.ChebyshevLayer.prolongation": dict(target=CHEBYSHEV.refined(2)),
    "networks.layers.knot_layers.silu.SiluLayer.prolongation": dict(target=rk.SiluLayer(LAYER).refined(2)),
    "networks.layers.knot_layers.silu.SiluLayer.convert": dict(theta=np.ones(rk.SiluLayer(LAYER).n_params), target=rk.SiluLayer(LAYER)),
    **{f"networks.layers.{key}": dict(theta=np.ones(16), target=CHEBYSHEV)
       for key in ("layer.Layer.convert", "chebyshev.ChebyshevLayer.convert",
       "layer.Layer.prolongation", "layer.Layer.unpack", "layer.Layer.with_fixed_knots")},
    "networks.layers.knot_layers.knot_layer.KnotLayer.with_fixed_knots": dict(theta=LAYER_THETA),
}  # fmt: skip
"""By callable, what it wants otherwise than `VALUES`."""


def calls_of_layer(layer):
    """Valid arguments of the class of a layer and of its methods."""
    kind = type(layer)
    key = f"{kind.__module__}.{kind.__name__}".removeprefix("refkan.")
    valid = {
        "theta": np.ones(layer.n_params), "x": np.full((4, layer.n_inputs), 0.5), "z": np.full((4, layer.n_inputs), 0.5),
        "domains": layer.domains, "target": layer.refined(2),
    }  # fmt: skip
    calls = {key: {name: getattr(layer, name) for name in inspect.signature(kind).parameters}}
    for name, method in vars(kind).items():
        if inspect.isfunction(method):
            calls[f"{key}.{name}"] = {p: valid[p] for p in inspect.signature(method).parameters if p in valid}
    return calls


for plain in PLAIN_LAYERS:  # a new public layer needs no line here
    if type(plain).__name__ not in OBJECTS:
        OBJECTS[type(plain).__name__] = plain
        CALLS.update(calls_of_layer(plain))

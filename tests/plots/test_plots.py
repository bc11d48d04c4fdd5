"""Pictures hold the numbers that they claim to hold, go where they are told, and leave global state alone."""

import sys

import numpy as np
import pytest
from matplotlib.figure import Figure

import refkan as rk
from refkan import conditioning
from refkan.plots.network_edges import shares
from refkan.training.multilevel import Stage
from refkan.training.problems import regression_target
from tests.shared.refusals import refused


@pytest.fixture(scope="module")
def fit():
    x = np.random.default_rng(0).uniform(size=(80, 2))
    net, theta = rk.kan([2, 3, 1], order=3, intervals=4).initialize(np.random.default_rng(1), x)
    return rk.LeastSquares(net, x, regression_target(x)), theta


NETWORKS = {
    "affine": lambda: rk.kan([2, 3, 1], 3, 4),
    "mean-std": lambda: rk.kan([2, 3, 2], 3, 2, node_map="mean-std"),
    "relu": lambda: rk.kan([2, 3, 1], 3, 4, basis="relu"),
    "silu": lambda: rk.kan([2, 3, 1], 3, 4, edge="silu"),
    "free": lambda: rk.kan([2, 3, 1], 3, 4, free_knots=True),
    "chebyshev": lambda: rk.chebyshev_kan([2, 3, 1], 4),
    "dense": lambda: rk.mlp([2, 4, 1], "tanh"),
}


def lines(axes, gid):
    return [line for line in axes.lines if line.get_gid() == gid]


@pytest.mark.parametrize("kind", NETWORKS)
def test_edges_sum_to_the_outputs_of_their_layers(kind):
    """Before activations and without biases, which no edge has: differences between samples are those of u."""
    x = np.random.default_rng(0).uniform(size=(20, 2))
    net, theta = NETWORKS[kind]().initialize(np.random.default_rng(1), x)
    seen = net.activations(theta, x)
    for layer, edges, outputs in zip(net.layers, seen.edges, seen.outputs, strict=True):
        if layer.linear:
            np.testing.assert_allclose(edges.sum(axis=2), outputs, rtol=0, atol=1e-13)
        np.testing.assert_allclose(shares(edges).sum(axis=1), 1.0, rtol=0, atol=1e-14)
    np.testing.assert_allclose(outputs, net(theta, x), rtol=0, atol=1e-13)


@pytest.mark.parametrize("kind", NETWORKS)
def test_a_network_has_a_function_on_each_edge(kind):
    x = np.random.default_rng(0).uniform(size=(20, 2))
    net, theta = NETWORKS[kind]().initialize(np.random.default_rng(1), x)
    (axes,) = rk.plots.network(net, theta, x).axes
    count = sum(layer.n_inputs * layer.n_outputs for layer in net.layers)
    assert len(lines(axes, "function")) == count
    assert len(lines(axes, "edge")) == 2 * count
    assert len(lines(axes, "knots")) == (count if kind not in ("chebyshev", "dense") else 0)
    assert [line.get_xdata().size for line in lines(axes, "nodes")] == list(net.widths)


def test_nodes_have_the_names_that_are_given(fit):
    problem, theta = fit
    net, x = problem.net, problem.x

    def names(**given):
        return [text.get_text() for text in rk.plots.network(net, theta, x, **given).axes[0].texts]

    assert names() == ["x0", "x1", "y0"]
    priced = ["$ a $", "b"]
    assert names(inputs=priced, outputs=["force"]) == ["$ a $", "b", "force"]
    figure = rk.plots.network(net, theta, x, inputs=priced)
    assert not any(text.get_parse_math() for text in figure.axes[0].texts)
    for wrong in ({"inputs": ["a"]}, {"inputs": "ab"}, {"outputs": ["a", "b"]}):
        with pytest.raises(ValueError, match=r"puts must hold a name for each of [12]; got"):
            names(**wrong)


def test_lines_are_as_thick_as_shares(fit):
    problem, theta = fit
    net, x = problem.net, problem.x
    (axes,) = rk.plots.network(net, theta, x).axes
    share = shares(net.activations(theta, x).edges[0])
    widths = [line.get_linewidth() for line in lines(axes, "edge")[: 2 * share.size : 2]]
    np.testing.assert_allclose(np.diff(widths), 3.0 * np.diff(share.T.ravel()), rtol=0, atol=1e-12)


def test_levels_are_marked(fit):
    problem, theta = fit
    result = rk.minimize_multilevel(problem, theta, [4, 3], method="levenberg-marquardt")
    (axes,) = rk.plots.history(result).axes
    (mark,) = lines(axes, "level")
    curves = [line for line in axes.lines if line.get_gid() != "level"]
    assert mark.get_xdata()[0] == curves[0].get_xdata()[-1] == curves[1].get_xdata()[0] == 4
    assert np.array_equal(np.concatenate([c.get_ydata() for c in curves]), result.history.value)
    (twice,) = rk.plots.history(result, factor=2.0).axes
    assert (axes.get_yscale(), twice.get_ylabel()) == ("log", "loss")
    assert np.array_equal(twice.lines[0].get_ydata(), 2 * curves[0].get_ydata())
    labels = [f"{level.theta.size} parameters" for level in result.levels]
    assert [t.get_text() for t in axes.get_legend().get_texts()] == labels


def test_runs_of_any_kind_are_drawn_over_each_other(fit):
    problem, theta = fit
    method = "levenberg-marquardt"
    runs = {
        "one level": rk.minimize(problem, theta, method, steps=4),
        "two levels": rk.minimize_multilevel(problem, theta, [4, 3], method=method),
        "rounds": rk.minimize_adaptive(problem, theta, "residual", method, steps=2, max_rounds=2),
        "starts": rk.multistart(problem, np.random.default_rng(0), Stage.refined([2, 2], [2, 1])),
    }
    for several, more in ((runs, {}), (list(runs.values()), {"labels": list(runs)})):
        (axes,) = rk.plots.history(several, **more).axes
        assert [t.get_text() for t in axes.get_legend().get_texts()] == list(runs)
        assert not lines(axes, "level")
        colors = [line.get_color() for line in axes.lines]
        assert len(set(colors)) == len(runs)
        of_two = [line for line in axes.lines if line.get_color() == colors[1]]
        assert [line.get_xdata()[0] for line in of_two] == [0, 4]
        assert [line.get_marker() for line in of_two] == ["", "o"]
        assert np.array_equal(np.concatenate([c.get_ydata() for c in of_two]), runs["two levels"].history.value)
    refused(lambda: rk.plots.history(runs, labels=["a"]), "labels must be one for each of 4 runs; got 1")


def test_what_is_no_history_is_refused(fit):
    for wrong in (None, [], [1.0], {}):
        with pytest.raises(TypeError, match="result must be what minimize, "):
            rk.plots.history(wrong)
    with pytest.raises(ValueError, match="labels must be one for each of 1 levels; got 2"):
        rk.plots.history(rk.minimize(*fit, method="lbfgs", steps=1), labels=["a", "b"])


def test_edges_and_outputs_that_do_not_exist_are_refused_by_name(fit):
    problem, theta = fit
    net = problem.net
    refused(lambda: rk.plots.residuals(problem, theta, output=5), "output must be at most 0; got 5")
    refused(lambda: rk.plots.refinement(net, theta, net.refine(), layer=9), "layer must be at most 1; got 9")
    refused(lambda: rk.plots.refinement(net, theta, net.refine(), input=9), "input must be at most 1; got 9")
    refused(lambda: rk.plots.convergence({}), "curves must hold at least one curve; got none")


def test_a_spectrum_shows_range_null_space_and_flags(fit):
    problem, theta = fit
    spectrum = rk.spectrum(problem, theta)
    (axes,) = rk.plots.spectrum(spectrum).axes
    inside = axes.lines[0]
    assert np.array_equal(inside.get_ydata(), spectrum.values[: spectrum.n_range])
    (mark,) = lines(axes, "null space")
    assert mark.get_xdata()[0] == spectrum.size - spectrum.analytic_nullity + 0.5
    assert f"{spectrum.condition:.2e}" in axes.get_title()
    assert all(flag in axes.get_title() for flag in spectrum.flags)
    hollow = [line for line in axes.lines if line.get_markerfacecolor() == "none"]
    assert sum(line.get_xdata().size for line in hollow) == np.sum(spectrum.values[spectrum.n_range :] != 0)


def test_a_doubted_eigenvalue_has_a_ring():
    spectrum = rk.spectrum(np.diag([1.0, 1e-3, 3e-13]))
    assert "resolution" in spectrum.flags
    (axes,) = rk.plots.spectrum(spectrum).axes
    (ring,) = lines(axes, "flagged")
    assert ring.get_ydata() == [spectrum.smallest]
    (axes,) = rk.plots.spectrum(rk.spectrum(np.diag([1.0, 1e-3]))).axes
    assert not lines(axes, "flagged")


def test_knots_are_where_they_are():
    x = np.linspace(0, 2, 30)[:, None]
    net, theta = rk.kan([1, 1], 3, 4, domain=(0.0, 2.0), free_knots=True).initialize(np.random.default_rng(0), x)
    theta = theta + np.random.default_rng(1).standard_normal(theta.size)
    (axes,) = rk.plots.knots(net, theta).axes
    places = axes.collections[0].get_positions()
    np.testing.assert_allclose(places, net.layers[0].spaces_at(theta)[0].breakpoints / 2, rtol=0, atol=1e-15)
    with pytest.raises(ValueError, match="net must have layers with knots"):
        rk.plots.knots(rk.mlp([1, 1], "tanh"), np.zeros(rk.mlp([1, 1], "tanh").n_params))


def test_refinement_is_the_same_function_with_new_knots(fit):
    problem, theta = fit
    net = problem.net
    fine = net.refine()
    (axes,) = rk.plots.refinement(net, theta, fine, layer=0, output=2, input=1).axes
    before, after, old, new = axes.lines
    np.testing.assert_allclose(before.get_ydata(), after.get_ydata(), rtol=0, atol=1e-14)
    assert (old.get_xdata().size, new.get_xdata().size) == (5, 4)


@pytest.mark.parametrize("columns", [1, 2, 3])
def test_residuals_are_those_of_the_samples(columns):
    x = np.random.default_rng(0).uniform(size=(25, columns))
    net, theta = rk.kan([columns, 1], 3, 4).initialize(np.random.default_rng(1), x)
    problem = rk.LeastSquares(net, x, x.sum(axis=1, keepdims=True))
    axes = rk.plots.residuals(problem, theta).axes[0]
    shown = axes.collections[0].get_array() if columns == 2 else axes.lines[-1].get_ydata()
    assert np.array_equal(shown, problem.misfit(theta)[:, 0])


def test_convergence_has_curves_and_exponents():
    n = np.array([4.0, 8.0, 16.0])
    (axes,) = rk.plots.convergence({"a": (n, 3 * n**-2.0), "b": ([4.0], [1.0])}).axes
    assert [t.get_text() for t in axes.get_legend().get_texts()] == ["a, exponent -2.0", "b"]
    refused(lambda: rk.plots.convergence({"c": ([1.0, 2.0], [1.0, 0.0])}), r"curves\['c'\] must hold positive costs")
    for curve in (3, None, "ab", [1.0], ([1.0], [1.0], [1.0])):
        answer = r"TypeError: curves\['a'\] must be a pair of arrays, costs and errors; got"
        refused(lambda curve=curve: rk.plots.convergence({"a": curve}), answer)
    refused(lambda: rk.plots.convergence({"a": ("x", "y")}), r"TypeError: curves\['a'\] must hold numbers")
    refused(lambda: rk.plots.convergence([([1.0], [1.0])]), "TypeError: curves must be a Mapping; got list")


def every_plot(fit, axes):
    problem, theta = fit
    net, x = problem.net, problem.x
    yield lambda: rk.plots.network(net, theta, x, axes=axes)
    yield lambda: rk.plots.history(rk.minimize(problem, theta, method="lbfgs", steps=1), axes=axes)
    yield lambda: rk.plots.spectrum(rk.spectrum(problem, theta), axes=axes)
    yield lambda: rk.plots.knots(net, theta, axes=axes)
    yield lambda: rk.plots.refinement(net, theta, net.refine(), axes=axes)
    yield lambda: rk.plots.residuals(problem, theta, axes=axes)
    yield lambda: rk.plots.convergence({"a": ([1.0, 2.0], [1.0, 0.5])}, axes=axes)


@pytest.mark.parametrize("number", range(7))
def test_pictures_go_into_axes_that_are_given(fit, number):
    figure = Figure()
    left, right = figure.subplots(1, 2)
    assert list(every_plot(fit, left))[number]() is figure
    assert [bool(a.lines or a.collections) for a in (left, right)] == [True, False]
    refused(lambda: list(every_plot(fit, "here"))[number](), "TypeError: axes must be matplotlib axes; got a str")


def test_no_picture_touches_pyplot(fit):
    before = "matplotlib.pyplot" in sys.modules
    for plot in every_plot(fit, None):
        assert rk.plots.to_png(plot()).startswith(b"\x89PNG")
    assert ("matplotlib.pyplot" in sys.modules) == before


def legend_of(axes):
    """All words of a legend."""
    return " ".join(text.get_text() for text in axes.get_legend().get_texts())


def test_the_legend_of_a_study_says_what_bars_mean():
    points = conditioning.grid(["spline"], [[2, 1]], [2], [2, 4], [0, 1, 2], samples=30)
    (axes,) = rk.plots.conditions(conditioning.study(points)).axes
    told = legend_of(axes)
    assert "markers: median over the seeds" in told
    assert "bars: smallest to largest" in told


def test_studies_have_a_colour_for_each_basis_and_a_marker_for_each_order():
    points = conditioning.grid(["spline", "relu"], [[1, 1]], [2, 3, 4], [2, 4], samples=30)
    figure = rk.plots.conditions(conditioning.study(points))
    (axes,) = figure.axes
    drawn = {bars.get_label(): bars[0] for bars in axes.containers}
    assert len(drawn) == 6
    looks = {label: (line.get_color(), line.get_marker()) for label, line in drawn.items()}
    assert len(set(looks.values())) == 6
    for part, count in ((0, 2), (1, 3)):
        assert len({look[part] for look in looks.values()}) == count
    assert "bars" not in legend_of(axes)  # one seed
    rk.plots.to_png(figure)
    assert axes.get_legend().get_window_extent().x0 >= axes.get_window_extent().x1  # it covers no point

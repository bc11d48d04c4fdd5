"""The ledger: every statement of the two papers and some of others, one row each, the criterion fixed before the run.

`SOURCES` explains the sources that rows name.

Row ids are stable. A criterion that turns out badly chosen is changed here, in the open, with the reason
beside it.
"""

from __future__ import annotations

from refkan.claims.rows import Row

PAPERS = {
    "[S26]": 'Southworth, Actor, Harper, Cyr, "Multilevel Training for Kolmogorov Arnold Networks", arXiv 2603.04827',
    "[A25]": 'Actor, Harper, Southworth, Cyr, "Leveraging KANs for Expedient Training of Multichannel MLPs via '
    'Preconditioning and Geometric Refinement", arXiv 2505.18131',
    "[RP26]": 'Rigas, Papaioannou, Trakadas, Alexandridis, "A Dynamic Framework for Grid Adaptation in '
    'Kolmogorov-Arnold Networks", arXiv 2601.18672',
    "[MZ23]": 'Müller, Zeinhofer, "Achieving High Accuracy with PINNs via Energy Natural Gradient Descent", arXiv '
    "2302.13163",
    "[JV25]": 'Jnini, Vella, "Dual Natural Gradient Descent for Scalable Training of Physics-Informed Neural '
    'Networks", arXiv 2505.21404',
    "[KS25]": 'Kiyani, Shukla, Urbán, Darbon, Karniadakis, "Optimizing the Optimizer for Physics-Informed Neural '
    'Networks and Kolmogorov-Arnold Networks", arXiv 2501.16371',
    "[JK26]": 'Jnini, Kiyani, Shukla, Urbán, Ahmadi Daryakenari, Müller, Zeinhofer, Karniadakis, "Curvature-Aware '
    'Optimization for High-Accuracy Physics-Informed Neural Networks", arXiv 2604.05230',
    "[KO26]": 'Khodakarami, Oommen, Ahmadi Daryakenari, Beekenkamp, Karniadakis, "Spectral bias in '
    'physics-informed and operator learning: Analysis and mitigation guidelines", arXiv 2602.19265',
    "[MP25]": 'Morrow, Penwarden, Chen, Javeed, Narayan, Jakeman, "SUPN: Shallow Universal Polynomial Networks", '
    "arXiv 2511.21414",
    "[L24]": 'Liu, Wang, Vaidya, Ruehle, Halverson, Soljačić, Hou, Tegmark, "KAN: Kolmogorov-Arnold Networks", '
    "arXiv 2404.19756",
    "[F24]": 'Farea, Celebi, "Learnable Activation Functions in Physics-Informed Neural Networks for Solving Partial '
    'Differential Equations", arXiv 2411.15111',
    "[M26]": 'Mysore, "FlashKAN: B-Spline KANs via Truncated Power Form", arXiv 2609.01956',
    "[N26]": 'Noorizadegan, Wang, "Scale-Parameter Selection in Gaussian Kolmogorov-Arnold Networks", arXiv 2604.21174',
    "[R25]": 'Rigas, Verma, Alexandridis, Wang, "Initialization Schemes for Kolmogorov-Arnold Networks: An Empirical '
    'Study", arXiv 2509.03417',
    "[W24]": 'Wang, Siegel, Liu, Hou, "On the expressiveness and spectral bias of KANs", arXiv 2410.01803',
    "[Z26]": 'Zeng, Wang, Wang, "Autocorrelation Reintroduces Spectral Bias in KANs for Time Series Forecasting", '
    "arXiv 2604.23518",
}
"""What sources are short for; a lemma, equation, table or section without one is that of [S26]."""

SOURCES = """\
Lemmas, equations, tables and sections are those of [S26]. Rows marked "summary" and "next checks" are statements that
are made about [S26] and [A25], rows marked "ours" are our own, and rows whose ids begin with O are statements of other
papers.

""" + "\n".join(f"* {short} {paper}." for short, paper in PAPERS.items())
"""What the sources of rows are, for readers of every table of rows."""

# fmt: off
LEDGER: tuple[Row, ...] = (
    Row("L1", "Lemma 1", "both bases span S_r(T)", "exact rank and identity, random knots, r = 1..6",
        "identity exact over rationals in every case"),
    Row("L2", "Lemma 2", "recursion for A", "against divided differences and factorisation", "equal exactly"),
    Row("C1", "Corollary 1", "uniform A is Toeplitz, a power of A[1]", "exact", "equal exactly"),
    Row("L3", "Lemma 3", "KAN layer = multichannel MLP layer", "network outputs both ways, r, depth, widths",
        "within the componentwise bound C r eps |A^-T| |A^T| |u|"),
    Row("L4", "Lemma 4", "A is an r-th difference, A^T A a 2r-th",
        "stencils, scaling derived, boundary rows shown",
        "interior rows equal exactly with the derived scaling"),
    Row("S1", "2.2", "extreme eigenvalue ratio of A^T A grows like n^(2r)", "exponents, constants",
        "exponent 2r +- 0.02 in dim + r/2"),
    Row("S2", "2.2, fig. 2", "k-th eigenvector has k-1 sign changes; reverse order for (A A^T)^-1",
        "certified, random knots", "no exception at dim 100, zeros not counted"),
    Row("S4", "2.2, figure 1", "the eigenvalues of A^T A roughly take the form l^(2r) for l = 1, ..., n",
        "exponents from l = 6 to 12 and from 25 to 50, dim = 50, enclosed",
        "both within 0.3 of 2r; as corrected, the second within 0.3 of r"),
    Row("S5", "ours", "the ratio of extreme eigenvalues of A^T A is 4^r |V^r|^2 (dim + r/2)^(2r) (1 + O(dim^-2)), V"
        " integration on [0, 1]",
        "constants from exact power sums, certified extremes; proof in docs/theorems/spectral-constants.md",
        "halving h divides the departure by 4, within 15 %; shifts of dim by 1/8 are noticed"),
    Row("S3", "2.2", "n = 10 knots: ratio over 100 at r = 1, over 1e6 at r = 3", "numbers", "both exceeded"),
    Row("F1", "2.3, fig. 3", "ReLU form faster than Cox-de Boor by about the degree",
        "operations and time against dense recursive and local de Boor",
        "time ratio against the recursive form >= 0.7 (r-1); against the local form reported"),
    Row("F3", "2.3", "a layer takes O(P Q (n r + r^2)) operations by (2), O(P Q (n + r)) by (3): faster by the degree",
        "operations counted while both formulas run",
        "ratio within 25 % of r - 1, 64 x 64 edges, r = 3..6; as corrected: counts as derived, ratio below 1.5"),
    Row("F2", "ours", "ReLU form loses accuracy like eps n^(r-1)", "error table",
        "fitted exponent r-1 +- 0.3"),
    Row("L5", "Lemma 5", "gradient in the M inner product is M^-1 grad", "both geometries",
        "exact over rationals"),
    Row("T1", "Table 1", "eight update rules in four equivalent pairs", "mapped trajectories",
        "equal exactly over rationals for 5 steps"),
    Row("T2", "ours", "rows 2 and 4 are not descent", "eigenvalues with negative real part",
        "found for r >= 2, P >= 2, none for P = 1"),
    Row("T3", "ours", "with one input rows 2 and 4 converge for small steps: A^-T P H has positive eigenvalues",
        "characteristic polynomials and Sturm's chains over the rationals; proof in docs/theorems/one-input.md",
        "no exception with one input and a diagonal P, nor with two equal inputs"),
    Row("E19", "eq. (19)", "gradient updates u_c + eta P^T grad L(P u_c)", "random convex quadratic losses, rationals",
        "the loss falls; as corrected with a minus"),
    Row("E20", "eq. (20)", "u_c + eta P^T L P u_c is Richardson's iteration", "random L and P, rationals",
        "the energy falls; as corrected with a minus"),
    Row("E30", "eq. (30)", "layers of an MLP regrouped: x^(l+1/2) = W^(l) sigma(x^(l-1/2) - t^(l-1))",
        "random networks, rationals", "equal exactly"),
    Row("E31", "Proposition 2", "(x - a) ReLU(x - b)^r = ReLU(x - b)^(r+1) + (b - a) ReLU(x - b)^r", "rationals",
        "equal exactly"),
    Row("L7", "Appendix B", "in the proof of Lemma 2 the coefficients of ReLU(x - t_j)^(r-2) cancel", "random knots",
        "zero exactly"),
    Row("E40", "eq. (40), (41)", "F_r(x) = r sum_l (-1)^l/(l! (r-l)!) e^(-ilx) = n^(r-1) (1 - e^(ix))^r/(r-1)!, and"
        " 2^r/(r-1)! <= 4", "coefficients in e^(ix)", "equal exactly; as corrected (1 - e^(-ix))^r/(r-1)!"),
    Row("D2", "4.3", "(A A^T)^-1 ~ (d_x)^(-r)", "degrees of polynomials that interior rows annihilate",
        "order r; as corrected 2r"),
    Row("N4", "Theorem 2, eq. (3)", "rho(NTK_S) <= 4 rho(NTK_R) for the powers ReLU(x - t_i)^(r-1) of (3)",
        "one layer, one sample at a, rationals", "no exception; as corrected for powers of (x - t_i)/h"),
    Row("N1", "Remark 1, Theorem 2", "rho(NTK_S) <= 4 rho(NTK_R)",
        "three statements: (i) for arbitrary Jacobians, (ii) for node maps that act sample by sample, (iii)"
        " for node maps that couple samples",
        "(i) refuted for r = 2, 3, 4; (ii) no ratio above L in the search; (iii) counterexample above 4"),
    Row("N2", "Remark 1", "comparable learning rates work in both bases", "largest stable steps",
        "ratio within [1/4, 4] on 90 % of networks"),
    Row("N3", "ours", "the nullity of two layers of splines at generic parameters has a closed form, for all orders,"
        " tails and intervals; deeper networks have at least the sum over their hidden layers",
        "exact ranks of random networks, r = 1 to 5; proof in docs/theorems/nullity.md",
        "never below the bound, and equal to it in every network that meets the hypotheses of equality (the list of"
        " null vectors of an earlier criterion missed relations among powers of nodes, tails, r = 1 and one interval)"),
    Row("D1", "Definition 1", "refined KANs are properly nested",
        "every policy, node map, on and off samples", "1e-14 relative"),
    Row("P1", "Proposition 1", "coarse optimisation = fine optimisation on a subspace",
        "gradients, Galerkin Gauss-Newton", "1e-12 relative"),
    Row("E24", "before eq. (24)", "T in T' implies S_r(T') in S_r(T)", "rank test",
        "as printed refuted, reversed holds"),
    Row("E25", "eq. (25)", "dyadic prolongation coefficients", "as printed, as corrected",
        "exact over rationals"),
    Row("P2", "4.2", "P^T = A I A'^-1 for nested knots", "exact, float64 error, extension-knot trap",
        "exact over rationals"),
    Row("G1", "4.2", "geometric transfer is far cheaper than least squares", "time, function change",
        "time ratio >= 100 at 20,000 samples, function change 1e-14"),
    Row("L6", "Lemma 6", "any nested basis gives a properly nested hierarchy", "Chebyshev layer",
        "1e-14 relative"),
    Row("M1", "4.3", "descent in the spline basis is complementary after refinement, in the ReLU basis not",
        "share of the first updates in newly added modes",
        "share >= 0.5 in the spline, <= 0.1 in the ReLU basis, medians of 20 seeds"),
    Row("M2", "ours", "in the ReLU basis an additive multilevel preconditioner is a diagonal scaling, and gains"
        " nothing",
        "sums over levels of injections; condition numbers of the scaled Gram matrix",
        "sums exactly diagonal; exponent 2r +- 0.3 in dim over the last doubling, r = 1..4"),
    Row("M3", "ours", "a sum over levels makes the spline Gram matrix worse: it is a mass matrix, Jacobi is optimal",
        "condition numbers, n = 4 to 256; control: the H1 inner product",
        "Jacobi: n = 256 at most 1.1 times n = 16; sum: larger from two levels on, growing at each; control as"
        " expected"),
    Row("H5", "ours", "hats scaled by the diagonal of their Gram matrix have condition number 3 on every knot vector",
        "exact extremes, random knots; proof in docs/theorems/levels.md", "1/2 and 3/2, exactly"),
    Row("M4", "ours", "the sum over J levels of diagonal scalings has J times the condition number of one: J for r = 1,"
        " 3 J for r = 2, J (2r-1)!/T_r for periodic uniform splines, T_r tangent numbers",
        "exact extremes; proof in docs/theorems/levels.md", "equal exactly"),
    Row("R1", "5.1, Table 2", "training in the spline basis leads to 1 to 3 orders of magnitude improvement in accuracy"
        " compared with the ReLU basis, in coarse, fine and multilevel training",
        "medians of paired ratios with intervals, under the reading that R6 and R7 single out; others beside",
        "95 % interval above sqrt(10) in every fidelity; as corrected in fine and multilevel training"),
    Row("R2", "5.1, Table 2", "multilevel training in the spline basis obtains orders of magnitude better accuracy than"
        " just training on a coarse or fine model, and an order better than a larger MLP",
        "same, epochs as printed",
        "95 % intervals above 10 against coarse and fine, above sqrt(10) against the best MLP; as corrected against"
        " coarse and MLP"),
    Row("R3", "5.1, Table 2", "multilevel training in the ReLU basis provides effectively no improvement over just the"
        " coarse model", "same", "95 % interval of the ratio coarse over multilevel below 2 (published means: 1.04)"),
    Row("R4", "5.1, fig. 4", "the loss of multilevel training in the spline basis drops abruptly where it is refined",
        "histories", "drop by 2 within a quarter of the level's epochs: 95 % interval of the share above 90 %"),
    Row("R6", "ours", "the printed means and deviations of Table 2 say that fine and multilevel training in the spline"
        " basis were one bad run and four good ones, and that the good ones differ by less than an order",
        "all five nonnegative numbers with the printed mean and deviation, rounding included",
        "over the rationals: the largest run exceeds the sum of the others in both cells; ratio of means below 10"),
    Row("R7", "ours", "the printed numbers of parameters of Tables 2 and 3 are those of networks whose first layer is"
        " linear, with splines on 5 intervals after it",
        "all whole numbers of intervals, orders 1 to 8, biases, splines throughout or after a linear layer",
        "exact: Table 3 has no other network, and Table 2 has one of the kind"),
    Row("R5", "ours", "multilevel training from many starts beats the published error of Table 2",
        "test errors, medians of 20 seeds",
        "230 parameters: rotated <= 3.67e-5 at (8, 24), <= 2e-5 at (4, 32), unrotated <= 3e-6; 830 parameters, rotated"
        " <= 1e-6; factor of the last refinements >= 6, without kinks 2^(2r) +- 20 % with two hidden nodes (an earlier"
        " criterion asked it of five, which gain more on coarse levels); quick: ten times the errors, from 12 starts"),
    Row("Q0", "5.2.3", "Allen-Cahn as printed", "growth of Fourier modes", "ill-posed as printed"),
    Row("Q1", "5.2.1, fig. 6", "Poisson staircases", "loss and error, three models",
        "spline error falls at each refinement; ReLU stays above 0.3; medians of 5"),
    Row("Q2", "Table 3", "Burgers: multilevel 2 to 3 orders better", "all cells, true errors",
        "median loss ratio >= 100 against coarse and fine"),
    Row("Q3", "fig. 7", "Allen-Cahn: spline multilevel succeeds, ReLU and MLP fail", "loss and error",
        "relative error < 0.1 against > 0.3"),
    Row("Q4", "fig. 8, 9", "refinement widens the band of removed Fourier modes", "residual spectra",
        "half-energy bandwidth grows at each level in the spline basis, by < 1.2 in the ReLU basis"),
    Row("Q5", "ours", "Levenberg-Marquardt, level by level, solves the three equations",
        "losses and true errors, all seeds",
        "median relative errors: Burgers on redrawn points <= 3e-4 (a fixed grid beside it); Poisson <= 7e-3 with 380"
        " parameters on the published points, <= 3e-3 with 700 on 97 x 97; Allen-Cahn <= 2e-2"),
    Row("Q6", "ours", "Burgers: Adam at the published schedule reaches a loss of the published size",
        "loss and true error of multilevel training", "median loss <= 1e-4"),
    Row("K1", "[A25]", "free knots improve accuracy further", "equal parameters, equal work",
        "median ratio >= 2, p < 0.01"),
    Row("K2", "[A25]", "free knots remove the dependence on the grid", "spread over initial grids",
        "spread (q90/q10) at most half that of fixed knots"),
    Row("K3", "summary", "free knots keep the preconditioning benefit", "spectra with moved knots",
        "one layer, r = 2..4, trained knots, Jacobi-scaled Gram: within 10 times that of uniform knots,"
        " ReLU >= 100 times worse (r = 5, 6 shown: r = 6 passes 10)"),
    Row("K4", "summary", "poor initialisation leads to poor knots", "spread over starts",
        "worst decile >= 3 times the median"),
    Row("H1", "[A25]", "B-splines improve Hessian conditioning", "Gauss-Newton and Hessian, all bases, n, r",
        "lower in the spline basis at every (n, r), in every run, ratio growing with n; as corrected after training in"
        " the spline basis: in the median over seeds; stated per reading: model, parameters, matrix, other basis"),
    Row("H2", "summary", "better conditioning means faster gradient descent", "predicted and measured rates",
        "one layer: per-mode rates within 5 %; network near a minimum: within 20 %; both bases"),
    Row("H3", "summary", "poor conditioning shows as slow, oscillating training", "trajectories per mode",
        "one layer, r = 1..4, largest stable step: modes slower than 1e-3 a step in the ReLU basis, none in the"
        " spline basis (r = 5, 6 shown: two slow boundary modes in the spline basis)"),
    Row("H4", "ours", "lower condition numbers of B-splines are proven, beyond those that float64 resolves too",
        "Gauss-Newton matrices of small networks, every eigenvalue enclosed, beside float64",
        "lower in the spline basis at every start, some condition numbers beyond 1e20; float64 within 1e-6 of the"
        " enclosures wherever it finds the proven rank"),
    Row("A1", "summary", "error-driven refinement beats uniform", "varying complexity, equal parameters",
        "median ratio >= 2 on at least 4 of 5 targets"),
    Row("A2", "summary", "geometric refinement beats interpolation-based", "accuracy and cost",
        "lower error and lower time, paired, p < 0.01"),
    Row("A3", "summary", "too coarse a grid leaves errors where curvature is high", "error maps",
        "rank correlation of error and abs(f'') >= 0.5"),
    Row("X1", "summary", "B-splines approximate more efficiently than ReLU", "equal parameters, trained",
        "median ratio >= 10"),
    Row("X2", "summary", "KAN against ReLU MLP and traditional KAN: convergence", "first experiment",
        "order of medians at equal work: spline KAN first, p < 0.01"),
    Row("W1", "next checks", "preconditioning in high dimension", "d = 2, 4 (quick), 6, 10 (full)",
        "in each dimension, paired over targets and seeds: median ratio >= 10, sign test p < 0.01"),
    Row("W2", "next checks", "free knots against other adaptive grids", "accuracy and time",
        "reported as a Pareto table; no pass or fail"),
    Row("W3", "next checks", "discontinuities and sharp gradients", "step, kink, tanh, front",
        "as A2 on each target"),
    Row("B1", "ours", "the suite finds and names the known defects of published backends",
        "pinned versions, where installed",
        "every trap found and named, no alarm on a correct layer; pending where a backend is missing"),
    Row("B2", "ours", "the suite names what is wrong with a broken layer", "a bank of layers with one defect each",
        "all of at least 25 detected, 90 % named by the leading hint"),
    Row("G0", "ours", "every hand-derived gradient equals the complex step",
        "gradients of layers, node maps, networks and knots in coefficients, inputs and knots, against "
        "complex steps",
        "relative difference <= 1e-14 C, relative to the sum of absolute contributions, C the number of "
        "layers"),
    Row("O1", "[W24], as reported", "one KAN layer: Hessian condition <= C(k) d off a null space, whatever the grid;"
        " two-layer ReLU like n^4; grid extension improves high frequencies",
        "exact nullity, certified spectra; ReLU ramps; extension against its finest grid from the start",
        "nullity d - 1 an output, exactly; condition <= C d in every case, C the certified condition of one input's"
        " Gram matrix, which the last doubling of the grid changes by at most 5 %; ReLU exponent 4 +- 0.1; with"
        " extension at most half as much is missing at high frequencies, median, sign test p < 0.01; as corrected"
        " without the last"),
    Row("O2", "[R25], and its code", "power-law starts beat sigma = 0.1 in most fits (0.25, 1: 87.5 to 97.9 %); the"
        " baseline's tangent kernel collapses in training, theirs does not",
        "losses, errors and effective ranks of the kernel, starts paired in functions and networks; published beside",
        "for each pair of exponents: median loss and median error lower in at least 80 % of the cells; the baseline's"
        " effective rank falls in training, and ends below theirs, each in at least 80 % of the runs; as corrected"
        " without kernels"),
    Row("O3", "[N26] abstract", "Gaussian KANs: widths eps in [1/(G - 1), 2/(G - 1)] are a stable and effective range",
        "certified condition number of the Gaussian features against eps, beside B-splines; errors against eps",
        "for s = eps (G - 1) = 1, 1.5, 2 and every G: condition number of the features below 2^23, and an error at most"
        " 10 times the best of s = 0.25 to 6, medians over targets and seeds; how coefficients are found is a reading"),
    Row("O4", "[Z26] abstract", "autocorrelated inputs bring spectral bias back, the more the higher the correlation; a"
        " DCT of the inputs removes it",
        "condition number of one layer's Gauss-Newton matrix off its null space against the correlation of AR(1) lags,"
        " with and without DCT",
        "medians over seeds: rising with rho = 0, 0.5, 0.9, 0.99, to at least 10 times that of rho = 0; with a DCT at"
        " most 4 times that of rho = 0 at every rho; as corrected the first half"),
    Row("O5", "[M26] 2.5, eq. (8)", "clamping u to [0, k + 1] eliminates the cancellation of truncated powers",
        "errors inside the support, near its right end and beyond, against exact rationals; published sums beside ours",
        "degree 3, on every grid: nothing beyond the support, and absolute errors at most 2 (k + 2) S_k = 373 units of"
        " rounding, or relative ones at most 100: which is meant is a reading"),
    Row("O6", "[RP26] abstract",
        "knots placed by curvature lower errors by 25.3 % (synthetic) and 9.4 % (Feynman) on average",
        "relative L2 errors against knots at quantiles, 17 functions; residual-driven and free knots beside",
        "average reduction at least half of the published one, Wilcoxon p < 0.05, one-sided; as corrected, above 0"),
    Row("O7", "[MZ23], [JV25], [KS25], [JK26], abstracts",
        "natural gradients and self-scaled Broyden methods beat Adam and L-BFGS by orders on differential equations",
        "relative L2 errors on four manufactured problems, KAN and MLP, rivals with no less processor time",
        "median ratio of errors >= 10 against both, sign test p < 0.05; as corrected, ratio above 1"),
    Row("O8", "[KO26]",
        "a mode's rate scales with its tangent-kernel eigenvalue under first-order methods alone",
        "slope of log rate over log eigenvalue: gradient descent, Adam, Levenberg-Marquardt",
        "within 0.25 of 1 for gradient descent and Adam, at most 0.25 in size for Levenberg-Marquardt; as corrected,"
        " without Adam"),
    Row("O9", "[F24] abstract", "low spectral bias does not imply good performance",
        "breadth of the tangent kernel's spectrum at the start against the final error, over ten architectures",
        "on at least two of three problems rank correlation of breadth and accuracy below 0.8, and on at least one a"
        " pair of architectures, one with at least twice the breadth and at least twice the error, for every seed"),
    Row("O10", "[MP25] abstract",
        "sums of activated polynomials often beat KANs and MLPs by an order of magnitude, in error and in spread",
        "equal budgets of parameters, same method and steps, spread over starts",
        "in at least half of the pairs (target, budget) both rivals have 10 times the error, and in half 10 times the"
        " spread; as corrected, a larger one"),
    Row("O11", "[L24] Theorem 2.1, section 2.4",
        "the error falls like G^-(k+1) under grid extension, and is least with as many parameters as samples",
        "exp(sin(pi x) + y^2), [2, 1, 1], exact refinement and refits, Levenberg-Marquardt and L-BFGS",
        "exponents within 0.3 of k + 1, k = 1, 2, 3; least test error between N/2 and 2N parameters, the finest grid"
        " worse by a factor of 2; as corrected, no grid beyond 2N parameters better than the best below by 2"),
)
# fmt: on


def row(id: str) -> Row:
    """Return the row with this id.

    Raises
    ------
    ValueError
        If the ledger has no such row.

    Examples
    --------
    >>> row("L1").source
    'Lemma 1'
    """
    for candidate in LEDGER:
        if candidate.id == id:
            return candidate
    raise ValueError(f"id must name a row of the ledger; got {id!r}, the rows are {[r.id for r in LEDGER]}")

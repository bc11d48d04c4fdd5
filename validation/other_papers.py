"""Rows of the ledger on statements of other papers, which `validation.ledger` ends with."""

from refkan.claims import Row

# fmt: off
OTHER_PAPERS: tuple[Row, ...] = (
    Row("O1", "[W24], as reported", "one KAN layer: Hessian condition <= C(k) d off a null space, whatever the grid;"
        " two-layer ReLU like n^4; grid extension improves high frequencies",
        "exact nullity, certified spectra; ReLU ramps; extension against its finest grid from the start",
        "nullity d - 1 an output, exactly; condition <= C d in every case, C the certified condition of one input's"
        " Gram matrix, which the last doubling of the grid changes by at most 5 %; ReLU exponent 4 +- 0.1; with"
        " extension at most half as much is missing at high frequencies, median, sign test p < 0.01; as corrected"
        " without the last"),
    Row("O2", "[R25], and its code",
        "Power-law starts, deviations (n_in (G + k + 1))^-alpha of the SiLU weights and ^-beta of the"
        " coefficients, (alpha, beta) = (0.25, 1), beat the baseline sigma = 0.1 in most fits; the baseline's"
        " tangent kernel collapses in training, theirs does not",
        "losses, errors and effective ranks of the kernel, starts paired in functions and networks; published"
        " beside",
        "shares by seed, medians above 1/2: of cells with lower loss and error; of runs in which the baseline's"
        " effective rank falls, and ends below theirs; as corrected without kernels. Closed: no reading meets the"
        " published baseline, so that more seeds decide nothing"),
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
        "Knots placed by curvature outperform knots at quantiles of the inputs: errors lower by 25.3 %"
        " (synthetic) and 9.4 % (Feynman) on average",
        "relative L2 errors, 17 functions; residual-driven and free knots beside",
        "ratio of the errors, by seed the geometric mean over functions, median below 1; the same number"
        " from the published medians beside it"),
    Row("O7", "[MZ23], [JV25], [KS25], [JK26], abstracts",
        "Natural gradients and self-scaled Broyden methods beat Adam and L-BFGS by \"orders of magnitude\" on"
        " differential equations",
        "relative L2 errors on four manufactured problems, KAN and MLP, rivals with no less processor time",
        "error of either rival over that of the method, by seed the median over problems, median at least"
        " 10; as corrected at least 1"),
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
        "For a given number of parameters sums of activated polynomials f = sum_n c_n tanh(sum_m a_nm T_m(x))"
        " have errors \"often lower than DNNs and KANs by an order of magnitude\"",
        "equal budgets of parameters, same method and steps; spread over starts beside",
        "error of either rival over theirs, by start the median over pairs (target, budget), median at"
        " least 10; as corrected at least 1"),
    Row("O11", "[L24] Theorem 2.1, section 2.4",
        "the error falls like G^-(k+1) under grid extension, and is least with as many parameters as samples",
        "exp(sin(pi x) + y^2), [2, 1, 1], exact refinement and refits, Levenberg-Marquardt and L-BFGS",
        "exponents within 0.3 of k + 1, k = 1, 2, 3; least test error between N/2 and 2N parameters, the finest grid"
        " worse by a factor of 2; as corrected, no grid beyond 2N parameters better than the best below by 2"),
    Row("O12", "[B26] abstract",
        "TruKAN \"replaces the B-spline basis in KAN with a family of truncated power functions ... This change"
        " maintains the KAN's expressiveness while enhancing accuracy and training time\"",
        "both bases of one space, Adam, best of two rates each, 25 seeds; operations for a basis counted",
        "the same functions; error of B-splines over that of truncated powers, median, above 1, and operations"
        " of the recursion over those of truncated powers above 1; as corrected the former below 1"),
    Row("O13", "[K26] abstract",
        "edges compiled to tables, linear interpolation of int8 numbers, reduce \"steady-state CPU inference latency by"
        " ... 10x under Numba backends (honest baseline)\"",
        "processor time of a layer of cubic edges over that of its tables, 8 x 8 and 64 x 64, and the error of the"
        " tables; what is compared with is a reading",
        "median over rounds at least 10 for both sizes"),
    Row("O14", "[MM26] abstract",
        "Linear-Time B-splines have \"linear complexity. Unlike previous methods that rely on the Boor-Mansfield-Cox"
        " spline algorithm\"",
        "operations for all functions at a point, counted, from Bernstein coefficients of the pieces, by the recursion"
        " over all knots and by the local one",
        "at most twice as many on twice the intervals, and at most 2.2 times for twice the order, where the recursion"
        " takes more; as corrected the first, for the recursion too"),
    Row("O15", "[I26] abstract",
        "KANs of splines \"are universal approximators in the classical sense, even when the spline degree and knot"
        " sequence are fixed in advance\"; how fast, is ours: for x^2 exactly 4^-(L+1) with L layers of width 2 and"
        " order 2, at least 9^(1-L)/32; without error for order 3",
        "networks on the knots 0, 1/2, 1 over the rationals; proof in docs/theorems/fixed-knots.md",
        "errors of x^2 and x y exactly as derived, none below the bound"),
)
# fmt: on

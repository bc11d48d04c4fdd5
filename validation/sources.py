"""Sources that rows of the ledger name: papers, and what the short names are."""

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
    "[B26]": 'Bayeh, Sadaoui, Mouhoub, "TruKAN: Towards More Efficient Kolmogorov-Arnold Networks Using Truncated '
    'Power Functions", arXiv 2602.03879',
    "[K26]": 'Kuznetsov, "LUT-KAN: Segment-wise LUT Quantization for Fast KAN Inference", arXiv 2601.03332',
    "[MM26]": 'Merin-Martinez, Mendez-Vazquez, Rodriguez-Tello, "LTBs-KAN: Linear-Time B-splines Kolmogorov-Arnold '
    'Networks", arXiv 2604.22034',
    "[I26]": 'Ismailov, "Necessary and sufficient conditions for universality of Kolmogorov-Arnold networks", arXiv '
    "2604.23765",
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

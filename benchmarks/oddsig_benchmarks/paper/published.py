"""The validation accuracies (%) that the ICLR 2025 paper reports for plain tanh networks.

Means of ten runs (five with few samples) of the best mean accuracy over the epochs. "xavier" is
Glorot's initializer, "theirs" the identity pattern with noise of .085. Reference: Lee, Choi, Kim,
2025 (arXiv 2410.02242, version 2).
"""

from __future__ import annotations

SOURCE = "Lee, Choi, Kim, ICLR 2025 ([arXiv 2410.02242](https://arxiv.org/abs/2410.02242))"
WIDTHS = (2, 8, 32, 128, 512)  # of 20 hidden layers
DEPTHS = (3, 10, 50, 100)  # of 64 units
SAMPLES = (10, 20, 30, 50, 100)  # 64 units; 10 hidden layers by the caption, 50 by the text
SAMPLES_DEPTHS = (10, 50)

# By table and data: a row for each method, a column for each of the sizes above.
ACCURACIES: dict[tuple[str, str], dict[str, tuple[float, ...]]] = {
    ("width", "mnist"): {
        "xavier": (49.78, 68.00, 91.67, 95.45, 97.35),
        "theirs": (62.82, 77.95, 92.51, 96.12, 97.96),
    },
    ("width", "cifar10"): {
        "xavier": (32.82, 43.51, 48.62, 47.58, 51.71),
        "theirs": (38.16, 47.04, 48.80, 48.51, 52.21),
    },
    ("depth", "mnist"): {
        "xavier": (95.98, 96.55, 96.57, 94.08),
        "theirs": (96.32, 97.04, 96.72, 96.06),
    },
    ("depth", "cifar10"): {
        "xavier": (42.91, 48.39, 47.87, 46.71),
        "theirs": (45.05, 48.41, 48.71, 48.96),
    },
    ("samples", "mnist"): {
        "xavier": (31.13, 35.03, 45.05, 58.45, 64.02),
        "xavier + BN": (22.46, 33.73, 37.13, 39.78, 57.51),
        "xavier + LN": (28.52, 41.54, 41.94, 54.97, 65.11),
        "theirs": (37.32, 46.79, 48.60, 61.54, 68.44),
    },
}

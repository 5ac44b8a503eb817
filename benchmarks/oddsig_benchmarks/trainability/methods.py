"""The competitors: initializations as a user would configure them.

Each is one entry of `METHODS`: the initializers of the first and of the hidden kernels, by
what they may know (activation, depth), and the structure of the hidden layers. The output
layer is Keras's default, and all biases are zero, where an entry does not say otherwise.
`ACTIVATIONS` are what they are tried with. Nothing here builds a network or knows a task, but
for the names of those that a method does not apply to.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
from keras import ops
from scipy import integrate, optimize

import keras_oddsig as ko

from ..fixed_noise import FixedNoise

KI = keras.initializers


@dataclass(frozen=True)
class Setting:
    """What an initializer may know of the network, and its seeds."""

    activation: ko.OddSigmoid
    depth: int
    seed: keras.random.SeedGenerator
    recurrent: bool = False  # the hidden kernel is the same at each step
    patches: bool = False  # the first kernel is a dense one on patches of an image
    input_std: float = 1.0  # root mean square of the inputs
    bottleneck: int | None = None  # the narrowest width, where there are several


Maker = Callable[[Setting], Any]


@dataclass(frozen=True)
class Method:
    """One competitor.

    Attributes:
        tags: What the report groups by: "standard" (Keras's own, unscaled), "gaussian",
            "structure" (changes the network), "ours", "default" (ours, as the guide recommends
            it by hand), "ablation", "noise" (for the distribution of the papers' kernel's noise).
        first, hidden: The initializers of the first kernel and of the others.
        bias: The standard deviation of Gaussian biases, if any.
        structure: "plain", "layernorm", "batchnorm", "residual", "dks" or "tat", which transform
            the activation and take each sample to unit norm, or "unit norm", which is that alone.
        lsuv: Whether to scale each layer to unit variance on a batch, in turn.
        tailored: Whether to call `ko.tailor` on the network and its training data, in the end.
        without: Tasks that the method does not apply to.
        smooth: Whether it needs an activation with a second derivative everywhere.
        chains: Whether it differs from another only in networks of several widths.
    """

    tags: tuple[str, ...]
    first: Maker
    hidden: Maker
    bias: Callable[[Setting], float] | None = None
    structure: str = "plain"
    lsuv: bool = False
    tailored: bool = False
    without: tuple[str, ...] = ()
    smooth: bool = False
    chains: bool = False


# ----------------------------------------------------------------------------------
# The competitors' own theory
# ----------------------------------------------------------------------------------


@functools.lru_cache
def _edge(reference: Callable[[Any], Any], omega: float, depth: int) -> tuple[float, float]:
    """`edge_of_chaos` of the function `f(omega x)`, whose slope at 0 is 1."""

    def mean(function: Callable[[Any], Any]) -> float:  # E function(z), an even one
        return (
            2
            * integrate.quad(
                lambda z: function(z) * math.exp(-z * z / 2) / math.sqrt(2 * math.pi),
                0,
                10,
                limit=200,
            )[0]
        )

    def f(x: float) -> float:
        return float(reference(omega * x))

    def point(log_q: float) -> tuple[float, float, float]:
        root = math.exp(log_q / 2)
        h = 1e-3 * root
        squared_slope = mean(lambda z: ((f(root * z + h) - f(root * z - h)) / (2 * h)) ** 2)
        bend = mean(lambda z: ((f(root * z + h) - 2 * f(root * z) + f(root * z - h)) / h**2) ** 2)
        w2 = 1 / squared_slope
        b2 = root**2 - w2 * mean(lambda z: f(root * z) ** 2)
        # 1 - c -> (1 - c) - c'' (1 - c)**2 / 2, from 1/2, `depth` times.
        difference = 1 / (2 + w2 * root**2 * bend * depth / 2)
        return w2, max(0.0, b2), 2 * root**2 / w2 * difference

    best = optimize.minimize_scalar(
        lambda log_q: -point(log_q)[2], bounds=(-9, 4), method="bounded", options={"xatol": 0.05}
    )
    w2, b2, _ = point(best.x)
    return math.sqrt(w2), math.sqrt(b2)


def edge_of_chaos(activation: ko.OddSigmoid, depth: int) -> tuple[float, float]:
    """`(sigma_w, sigma_b)` on the edge of chaos at which inputs stay furthest apart.

    With weights N(0, sigma_w**2 / fan-in) and biases N(0, sigma_b**2), mean-field theory has

        q = sigma_w**2 E f(sqrt(q) z)**2 + sigma_b**2,    chi = sigma_w**2 E f'(sqrt(q) z)**2,

    for the variance q of the pre-activations and the growth chi of small perturbations.
    chi = 1 is a line with q as its parameter: `sigma_w**2 = 1 / E f'**2`, and sigma_b from
    the first equation. On it two inputs of correlation c approach each other like
    `1 - c -> (1 - c) - c'' (1 - c)**2 / 2`, `c'' = sigma_w**2 q E f''(sqrt(q) z)**2`. The best
    point for a depth is that where their activations, of correlation 1/2 at first, are
    furthest apart after it: where `2 (q / sigma_w**2) / (2 + c'' depth / 2)` is largest.

    Reference: Poole et al., 2016 (arXiv 1606.05340), for the equations; Schoenholz et al.,
    2017 (arXiv 1611.01232), for the line. The choice on it is this benchmark's.
    """
    # For A f(k x): in the critical unit u = x / omega every member has slope 1 at 0.
    omega = activation.profile.critical_gain
    w, b = _edge(activation.reference, omega, depth)
    return omega * w, omega * b


class SparseNoise(KI.Initializer):
    """`OddSigmoidInit` with noise in a share of the entries, of the same deviation over all.

    An entry's noise is N(0, sigma**2 / share) with the probability `share`, and 0 otherwise.
    """

    def __init__(
        self,
        activation: ko.OddSigmoid,
        noise_scale: float,
        share: float,
        seed: keras.random.SeedGenerator,
    ) -> None:
        scales = {"noisy": noise_scale / math.sqrt(share), "pattern": 0.0}
        self.kernels = {
            name: ko.OddSigmoidInit(activation, noise_scale=scale, seed=seed)
            for name, scale in scales.items()
        }
        self.share, self.seed = share, seed

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        noisy, pattern = (self.kernels[name](shape, dtype) for name in ("noisy", "pattern"))
        kept = keras.random.uniform(shape, seed=self.seed) < self.share
        return ops.where(kept, noisy, pattern)


# ----------------------------------------------------------------------------------
# The table
# ----------------------------------------------------------------------------------


def _everywhere(tags: str, make: Maker, **options: Any) -> Method:
    return Method(tuple(tags.split()), make, make, **options)


def _gaussian(std: Callable[[Setting], float]) -> Maker:
    return lambda s: KI.VarianceScaling(std(s) ** 2, "fan_in", "untruncated_normal", seed=s.seed)


def _omega(s: Setting) -> float:
    return s.activation.profile.critical_gain


def _glorot(s: Setting) -> Any:
    return KI.GlorotNormal(seed=s.seed)


def _noise_scale(s: Setting, rate: float) -> float:
    return (ko.recurrent_noise_scale if s.recurrent else ko.noise_scale)(s.depth, rate)


def _diagonal(rate: float, noise: Any = "normal") -> Maker:
    return lambda s: ko.OddSigmoidInit(
        s.activation, s.depth, noise=noise, noise_scale=_noise_scale(s, rate), seed=s.seed
    )


def _sparse(share: float) -> Maker:
    return lambda s: SparseNoise(s.activation, _noise_scale(s, 0.3), share, s.seed)


def _surrogate(s: Setting) -> Any:
    scale = ko.surrogate_noise_scale(s.depth, 0.3)
    return ko.OddSigmoidInit(s.activation, s.depth, noise_scale=scale, seed=s.seed)


def _rotation(kind: str, bottleneck: bool = False) -> Maker:
    """`bottleneck`: told of the narrowest width, if there are several."""
    return lambda s: ko.OddSigmoidOrthogonal(
        s.activation,
        s.depth,
        rotation=kind,
        bottleneck=s.bottleneck if bottleneck else None,
        seed=s.seed,
    )


def _first(kind: str, scaled: bool) -> Maker:
    """A rotation for the first kernel; `scaled`: for the spread that the inputs have."""

    def make(s: Setting) -> Any:
        if s.recurrent:
            # What a state takes in adds up over the steps: the input's norm, not a variance
            # for each unit, and so Keras's rotation, which does not scale up.
            return KI.Orthogonal(gain=_omega(s), seed=s.seed)
        options: dict[str, Any] = {"input_std": s.input_std} if scaled else {}
        if s.patches:
            # All pixels of a patch are inputs; a rotation on its centre would see one.
            options |= {"input_axes": [0, 1, 2], "output_axes": [3]}
        return ko.OddSigmoidOrthogonal(s.activation, s.depth, rotation=kind, seed=s.seed, **options)

    return make


def _default(s: Setting) -> Any:
    """Keras's own of a layer's kernel; `tailor` gets a model as it was built."""
    return KI.GlorotUniform(seed=s.seed)


def _default_hidden(s: Setting) -> Any:
    return KI.Orthogonal(seed=s.seed) if s.recurrent else _default(s)


# A recurrent network has no layers to put them between.
_NO_LAYERS = ("rnn",)
_OURS: dict[str, Maker] = {
    "diagonal .1": _diagonal(0.1),
    "diagonal .3": _diagonal(0.3),
    "diagonal .4": _diagonal(0.4),
    "surrogate": _surrogate,
    "hartley": _rotation("hartley"),
    "haar": _rotation("haar"),
}

METHODS: dict[str, Method] = {
    "glorot normal": _everywhere("standard gaussian", _glorot),
    "glorot uniform": _everywhere("standard", lambda s: KI.GlorotUniform(seed=s.seed)),
    "he normal": _everywhere("standard gaussian", lambda s: KI.HeNormal(seed=s.seed)),
    "lecun normal": _everywhere("standard gaussian", lambda s: KI.LecunNormal(seed=s.seed)),
    "orthogonal": _everywhere("standard", lambda s: KI.Orthogonal(seed=s.seed)),
    "orthogonal, critical": _everywhere(
        "tuned", lambda s: KI.Orthogonal(gain=_omega(s), seed=s.seed)
    ),
    "gaussian, critical": _everywhere("tuned gaussian", _gaussian(_omega)),
    "gaussian, edge of chaos": _everywhere(
        "tuned gaussian",
        _gaussian(lambda s: edge_of_chaos(s.activation, s.depth)[0]),
        bias=lambda s: edge_of_chaos(s.activation, s.depth)[1],
    ),
    "identity": _everywhere("tuned", lambda s: KI.Identity(), without=("cnn", "cifar10_cnn")),
    "fixed .085": _everywhere("tuned", lambda s: FixedNoise(s.seed)),
    "lsuv": _everywhere(
        "tuned", lambda s: KI.Orthogonal(seed=s.seed), lsuv=True, without=_NO_LAYERS
    ),
    "glorot + layernorm": _everywhere(
        "structure", _glorot, structure="layernorm", without=_NO_LAYERS
    ),
    "glorot + batchnorm": _everywhere(
        "structure", _glorot, structure="batchnorm", without=_NO_LAYERS
    ),
    "glorot + residual": _everywhere(
        "structure", _glorot, structure="residual", without=_NO_LAYERS
    ),
}
for _name, _hidden in _OURS.items():
    # A rotation in the first layer and without: the identity pattern, whichever follows.
    _rotates = _name in ("hartley", "haar")
    _kind = _name if _rotates else "hartley"
    METHODS[_name if _rotates else f"{_name}, rotated first"] = Method(
        ("ours",), _first(_kind, scaled=False), _hidden
    )
    METHODS[f"{_name}, identity first" if _rotates else _name] = Method(
        ("ours",), _diagonal(0.3) if _rotates else _hidden, _hidden
    )
# As the guide recommends them.
for _label, _hidden in {
    "diagonal .3, scaled input": _OURS["diagonal .3"],
    "hartley, scaled input": _rotation("hartley", bottleneck=True),
}.items():
    METHODS[_label] = Method(("ours", "default"), _first("hartley", scaled=True), _hidden)
METHODS["hartley, scaled input, no bottleneck"] = Method(
    ("ours",), _first("hartley", scaled=True), _OURS["hartley"], chains=True
)
# What of it is the first layer: the same one, and behind it Keras's rotations, at the critical
# gain and as they come.
METHODS["critical, scaled input"] = Method(
    ("ablation",),
    _first("hartley", scaled=True),
    lambda s: KI.Orthogonal(gain=_omega(s), seed=s.seed),
)
METHODS["orthogonal, scaled input"] = Method(
    ("ablation",), _first("hartley", scaled=True), lambda s: KI.Orthogonal(seed=s.seed)
)
# They want rotations of the variance of each unit, as their authors do ("SUO").
for _structure in ("dks", "tat"):
    METHODS[_structure] = _everywhere(
        "tuned",
        lambda s: ko.OddSigmoidOrthogonal(
            s.activation, s.depth, gain=1 / _omega(s), rotation="haar", seed=s.seed
        ),
        structure=_structure,
        smooth=_structure == "tat",
        without=("rnn", "cnn", "cifar10_cnn"),
    )
# What of DKS and TAT is their data: ours on the same.
METHODS["hartley, unit norm"] = Method(
    ("ablation",),
    _first("hartley", scaled=True),
    _rotation("hartley", bottleneck=True),
    structure="unit norm",
    without=("rnn", "cnn", "cifar10_cnn"),
)
# One call for the whole network, which is told nothing but the data.
METHODS["tailored"] = Method(("ours",), _default, _default_hidden, tailored=True)
METHODS["tailored + residual"] = Method(
    ("ours",), _default, _default_hidden, structure="residual", tailored=True, without=_NO_LAYERS
)
# *diagonal .3* once more: does the distribution of its noise matter?
for _noise in ("normal", "truncated_normal", "uniform", "rademacher"):
    _label = f"{_noise.replace('_', ' ')} noise"
    METHODS[_label] = _everywhere("ablation noise", _diagonal(0.3, _noise))
METHODS["sparse noise, .5"] = _everywhere("ablation noise", _sparse(0.5))
METHODS["sparse noise, .1"] = _everywhere("ablation noise", _sparse(0.1))


def applies(method: str, task: str, activation: str, widths: int) -> bool:
    """Whether a method is for networks of that many widths with that activation, on that task."""
    made = METHODS[method]
    return (
        task not in made.without
        and (widths > 1 or not made.chains)
        # Of order r the second derivative is like |x|^(r - 2) at 0.
        and (not made.smooth or activation_named(activation).profile.order > 2)
    )


ACTIVATIONS: dict[str, Callable[[], ko.OddSigmoid]] = {
    "tanh": ko.Tanh,
    "erf": ko.Erf,
    "arctan": ko.Arctan,
    "softsign": ko.Softsign,
    "bipolar_sigmoid": ko.BipolarSigmoid,
    "algebraic3": lambda: ko.Algebraic(3),
    "2tanh(x/2)": lambda: ko.Tanh(amplitude=2, rate=0.5),
    "tanh(2x)": lambda: ko.Tanh(rate=2),
}


@functools.lru_cache
def activation_named(name: str) -> ko.OddSigmoid:
    """One instance of each, so that what is solved for it is solved once."""
    return ACTIVATIONS[name]()

"""What a kernel is to get, and how a user would write it.

Here belongs what is known once the rules have spoken. The rules are `plan`'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import keras

from keras_oddsig import initializers
from keras_oddsig.activations import OddSigmoid
from keras_oddsig.tailoring.inputs import Inputs
from keras_oddsig.tailoring.kernels import Kernel
from keras_oddsig.tailoring.places import Place


@dataclass(eq=False)
class Fitting:
    """What a kernel is to get.

    Attributes:
        kernel: The kernel.
        place: Of its first call.
        initializer: Or None.
        written: The initializer as a user would write it.
        reason: Why there is none; or what was assumed; or "".
        depth: The depth for which it is made, or None.
        predicted: The spread that the solver expects behind the activation, or None.
        goal: The root mean square to which the kernel's own output is held, or None.
        inputs: What the data are like that it reads, if it reads data alone, and they are known.
        arguments: Of the initializer.
    """

    kernel: Kernel
    place: Place | None
    initializer: Any = None
    written: str | None = None
    reason: str = ""
    depth: int | None = None
    predicted: float | None = None
    goal: float | None = None
    inputs: Inputs | None = None
    arguments: dict[str, Any] = field(default_factory=dict)

    def say(self, remark: str) -> None:
        """Adds to what the report says."""
        self.reason = f"{self.reason}; {remark}" if self.reason else remark


def give(fitting: Fitting, cls: type, arguments: dict[str, Any]) -> None:
    """Sets a kernel's initializer."""
    fitting.initializer = cls(**arguments)
    fitting.arguments = arguments
    fitting.written = _written(cls, arguments)


def rescaled(fitting: Fitting, factor: float) -> float:
    """Changes an initializer so that its kernels are as many times larger; and says how many.

    That is 1, and nothing changed, where the class has no gain.
    """
    made = fitting.initializer
    if not isinstance(made, initializers.OddSigmoidOrthogonal):
        return 1.0
    std = fitting.arguments.get("input_std")
    if isinstance(std, list):
        arguments = {**fitting.arguments, "input_std": [rounded(each / factor) for each in std]}
    elif std is not None:
        arguments = {**fitting.arguments, "input_std": rounded(std / factor)}
        factor = std / arguments["input_std"]
    else:
        arguments = {**fitting.arguments, "gain": rounded(made.effective_gain * factor)}
        factor = arguments["gain"] / made.effective_gain
    give(fitting, type(made), arguments)
    return factor


def rounded(value: float) -> float:
    """As a user would write it: to four digits."""
    return float(f"{value:.4g}")


def random_seed() -> int:
    """One that `keras.utils.set_random_seed` makes reproducible."""
    return int(keras.ops.convert_to_numpy(keras.random.randint((), 0, 2**31 - 1)))


def _written(cls: type, arguments: Mapping[str, Any]) -> str:
    """The call by which a user would make an initializer."""
    shown = [
        _shown(value) if key == "activation" else f"{key}={_short(value)}"
        for key, value in arguments.items()
    ]
    return f"{cls.__name__}({', '.join(shown)})"


_SHOWN: Final = 4  # numbers of a list


def _short(value: Any) -> str:
    if isinstance(value, list) and len(value) > _SHOWN:
        return f"[{value[0]}, {value[1]}, ..., {value[-1]}]"
    return repr(value)


def _shown(activation: Any) -> str:
    if isinstance(activation, str):
        return repr(activation).replace("'", '"')
    if isinstance(activation, OddSigmoid):
        config = {"amplitude": activation.amplitude, "rate": activation.rate}
        if hasattr(activation, "order"):
            config["order"] = activation.order
        scaling = ", ".join(f"{k}={v:g}" for k, v in config.items() if v != 1)
        return f"{type(activation).__name__}({scaling})"
    return str(getattr(activation, "__name__", type(activation).__name__))

"""What the signal does in a model: statistics by layer, and a verdict in words."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["LayerSignal", "SignalReport", "signal_report"]


@dataclass(frozen=True)
class LayerSignal:
    """The signal at the output of one layer, at one of its calls.

    Attributes:
        name: The layer's name, unique in the report.
        activation: The name of its activation, such as `"tanh"`; `None` without one.
        statistics: The numbers by name, `NaN` where one is undefined.
        predicted_spread: What the solver expects of `std`; `None` where it cannot know.
        predicted_negative_rate: What it expects of `negative_rate`.
        verdict: `"healthy"`, or what is wrong at this layer.
    """

    name: str
    activation: str | None
    statistics: dict[str, float]
    predicted_spread: float | None
    predicted_negative_rate: float | None
    verdict: str


@dataclass(frozen=True)
class SignalReport:
    """The signal layer by layer, in the order of the calls, and what to make of it.

    Attributes:
        layers: A `LayerSignal` for each.
        verdict: `"healthy"`, or what is wrong.
        start: The name of the layer where it starts; `None` where all is well.
        advice: One line.
    """

    layers: tuple[LayerSignal, ...]
    verdict: str
    start: str | None
    advice: str

    @property
    def healthy(self) -> bool:
        return self.verdict == "healthy"

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON knows it: `None` for what is undefined or infinite."""
        return {
            "verdict": self.verdict,
            "start": self.start,
            "advice": self.advice,
            "layers": [
                {
                    "name": layer.name,
                    "activation": layer.activation,
                    "verdict": layer.verdict,
                    "predicted_spread": _finite(layer.predicted_spread),
                    "predicted_negative_rate": _finite(layer.predicted_negative_rate),
                    "statistics": {k: _finite(v) for k, v in layer.statistics.items()},
                }
                for layer in self.layers
            ],
        }

    def to_json(self, path: str | Path) -> None:
        """Writes `to_dict()` to a file."""
        Path(path).write_text(json.dumps(self.to_dict(), indent=2) + "\n")

    def print(self, console: Any = None) -> None:
        raise NotImplementedError

    def plot(self, ax: Any = None) -> Any:
        """`keras_oddsig.plot_spread` of this report."""
        from keras_oddsig import plotting

        return plotting.plot_spread(self, ax)


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def signal_report(model: Any, x: Any, y: Any = None, loss: Any = None) -> SignalReport:
    raise NotImplementedError

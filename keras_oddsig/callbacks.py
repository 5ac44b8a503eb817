"""Watching the signal while a model trains."""

from __future__ import annotations

import csv
import math
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import keras
import numpy as np
from numpy.typing import NDArray

from keras_oddsig import _arguments
from keras_oddsig import signal as diagnostics
from keras_oddsig.signal import Measured

__all__ = ["ActivationSpread"]

_COLUMNS: Final = ("epoch", "step", "layer", "statistic", "value")


@dataclass
class SpreadHistory:
    """What an `ActivationSpread` has seen, one row per step, layer and statistic.

    Attributes:
        rows: Dictionaries with the keys `epoch`, `step`, `layer`, `statistic` and `value`.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.rows)

    def to_pandas(self) -> Any:
        """The rows as a `pandas.DataFrame`.

        Raises:
            ImportError: If pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise ImportError(
                "`to_pandas` needs pandas: pip install pandas. `rows` needs nothing."
            ) from error
        return pd.DataFrame(self.rows, columns=list(_COLUMNS))


class ActivationSpread(keras.callbacks.Callback):
    """Records the signal in each layer of a model while it trains.

    Runs the model on the same data each time, with `training=False`, and computes the
    statistics of `keras_oddsig.diagnostics` on the device: a few numbers a layer come back.
    It works with any model, subclassed ones too, and changes nothing in it.

    The logs of each epoch gain `spread_min` and `spread_max`, the least and the greatest
    spread of the watched layers, and `saturated_max`. Callbacks that come later in the list
    see them, as does the history that `fit` returns.

    Example:

    >>> import keras
    >>> import keras_oddsig as ko
    >>> init = ko.OddSigmoidOrthogonal("tanh", depth=4)
    >>> hidden = [keras.layers.Dense(8, "tanh", kernel_initializer=init) for _ in range(4)]
    >>> model = keras.Sequential([keras.Input((8,)), *hidden, keras.layers.Dense(1)])
    >>> model.compile("adam", "mse")
    >>> x, y = keras.random.normal((64, 8)), keras.random.normal((64, 1))
    >>> watch = ko.ActivationSpread(x)
    >>> history = model.fit(x, y, epochs=2, verbose=0, callbacks=[watch])
    >>> sorted(history.history)
    ['loss', 'saturated_max', 'spread_max', 'spread_min']
    >>> len({row["layer"] for row in watch.history.rows})
    4

    Args:
        data: What to run the model on: an array, a list or dict of arrays for a model of
            several inputs, a tuple `(x, y)` of which `y` is not used, a `tf.data.Dataset`,
            a PyTorch `DataLoader` or a `keras.utils.PyDataset`. It is read once, when
            training begins. Arrays are cut into batches of 256.
        layers: Which layers to watch: a name, a layer, a type of layers, a function from
            a layer to a boolean, or a sequence of these. By default every layer with an
            odd-sigmoid activation, and every `keras.layers.Activation`.
        frequency: `"epoch"`, at the end of each; `"train_begin"`, once; or an integer `n`,
            before the first step and after every `n`-th (with `steps_per_execution`, at the
            end of the execution that it falls into).
        csv_path: A file that gets the rows of `history` as they come. If it exists they are
            appended, as in a training that is resumed.
        log_dir: A directory for TensorBoard: scalars `statistic/layer`, and a histogram of
            each layer on the first batch. Needs the extra `tensorboard`, and TensorFlow on
            no other backend.
        batches: How many batches of `data` to use.

    Attributes:
        history: A `SpreadHistory` with `rows` and `to_pandas()`. `step` counts the training
            steps (from the optimizer's count at the beginning of `fit`), `epoch` is the
            one under way, or just ended, from 0, and -1 before training.

    Raises:
        ImportError: If `log_dir` is given and tensorboardX is not installed.
        TypeError: If an argument has the wrong type.
        ValueError: If `frequency` or `batches` is outside its range, `csv_path` holds
            another table, or (when training begins) `layers` selects none.
    """

    # Nothing that happens at the end of a batch needs the batch's logs or the model, so Keras
    # may go on with the next one meanwhile.
    async_safe = True

    def __init__(
        self,
        data: Any,
        layers: Any = None,
        frequency: Literal["epoch", "train_begin"] | int = "epoch",
        csv_path: str | Path | None = None,
        log_dir: str | Path | None = None,
        batches: int = 1,
    ) -> None:
        super().__init__()
        diagnostics.check_data("data", data)
        diagnostics.check_selection(layers)
        if frequency not in ("epoch", "train_begin"):
            if isinstance(frequency, str):
                raise ValueError(
                    '`frequency` must be "epoch", "train_begin" or a number of steps. '
                    f"Received: frequency={frequency!r}"
                )
            _arguments.integer("frequency", frequency, at_least=1)
        _arguments.integer("batches", batches, at_least=1)
        self.data = data
        self.layers = layers
        self.frequency = frequency
        self.csv_path = _path("csv_path", csv_path)
        self.log_dir = _path("log_dir", log_dir)
        self.batches = int(batches)
        self.history = SpreadHistory()
        if self.csv_path is not None:
            _prepare(self.csv_path)
        if self.log_dir is not None:
            _summary_writer()
        self._taken: list[Any] | None = None
        self._writer: Any = None
        self._summary = dict.fromkeys(("spread_min", "spread_max", "saturated_max"), math.nan)
        self._epoch = -1
        self._steps = 0  # before the epoch under way
        self._batch = 0  # within it
        self._measured_at = -1
        self._lock = threading.Lock()

    def on_train_begin(self, logs: Any = None) -> None:
        if self._taken is None:
            batches = diagnostics.batches(self.data, self.batches)
            self._taken = [diagnostics.to_device(x) for x, _ in batches]
        if not self.model.built:
            # TensorFlow's `fit` would build it in its first step.
            self.model(self._taken[0], training=False)
        self._measure_model = diagnostics.measurement(
            self.model, self.layers, histograms=self.log_dir is not None
        )
        if self.log_dir is not None:
            self._writer = _summary_writer()(str(self.log_dir))
        optimizer = getattr(self.model, "optimizer", None)
        self._steps, self._batch = 0 if optimizer is None else int(optimizer.iterations), 0
        # A training that is resumed has been looked at where it left off.
        self._measured_at = self._steps or -1
        self._epoch = -1
        if self.frequency == "train_begin":
            self._measure(self._steps)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._epoch = epoch

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        # Keras dispatches the ends of batches to another thread, where it can, and waits for
        # the logs of each where it cannot; at the next beginning the model is the same.
        self._measure_if_due(self._steps + batch)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        with self._lock:
            self._batch = max(self._batch, batch + 1)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._steps, self._batch = self._steps + self._batch, 0
        if self.frequency == "epoch":
            self._measure(self._steps)
        else:
            self._measure_if_due(self._steps)
        if logs is not None:
            logs.update(self._summary)

    def on_train_end(self, logs: Any = None) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _measure_if_due(self, step: int) -> None:
        every = self.frequency
        # Executions of several steps may pass over a multiple of `frequency`.
        if not isinstance(every, str) and step // every > self._measured_at // every:
            self._measure(step)

    def _measure(self, step: int) -> None:
        self._measured_at = step
        # On JAX, `fit` keeps the state to itself between steps.
        sync = getattr(self.model, "jax_state_sync", None)
        if sync is not None:
            sync()
        assert self._taken is not None
        measured = [self._measure_model(x) for x in self._taken]
        whole = diagnostics.pooled(measured)
        epoch = -1 if self.frequency == "train_begin" else self._epoch
        rows = list(_rows(epoch, step, whole))
        self.history.rows.extend(rows)
        if self.csv_path is not None:
            with self.csv_path.open("a", newline="") as file:
                csv.DictWriter(file, _COLUMNS, lineterminator="\n").writerows(rows)
        if self._writer is not None:
            _write_summaries(self._writer, step, rows, measured[0])
        self._summary = {
            "spread_min": float(np.min(whole.table["std"])),
            "spread_max": float(np.max(whole.table["std"])),
            "saturated_max": _greatest(whole.table["saturated"]),
        }


def _rows(epoch: int, step: int, measured: Measured) -> Iterator[dict[str, Any]]:
    for row, call in enumerate(measured.calls):
        for statistic, values in measured.table.items():
            entries = (epoch, step, call.name, statistic, float(values[row]))
            yield dict(zip(_COLUMNS, entries, strict=True))


def _greatest(values: NDArray[Any]) -> float:
    known = values[~np.isnan(values)]
    return float(known.max()) if len(known) else math.nan


def _path(name: str, path: Any) -> Path | None:
    if path is None:
        return None
    if not isinstance(path, str | Path):
        raise TypeError(f"`{name}` must be a path. Received: {name}={path!r}")
    return Path(path)


def _prepare(path: Path) -> None:
    """Writes the header of a new file, and makes ready an old one for more rows."""
    header = ",".join(_COLUMNS) + "\n"
    if not path.exists() or path.stat().st_size == 0:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(header)
        return
    with path.open("rb+") as file:
        found = file.readline().decode(errors="replace")
        if found.strip() != header.strip():
            raise ValueError(
                f"`csv_path` must be a new file, or one of the columns {', '.join(_COLUMNS)}. "
                f"Received: csv_path={str(path)!r}, which begins with {found.strip()[:80]!r}"
            )
        # A run that was killed may have left half a row.
        text = file.read()
        file.seek(len(found) + text.rfind(b"\n") + 1)
        file.truncate()


def _summary_writer() -> Any:
    try:
        from tensorboardX import SummaryWriter
    except ImportError as error:
        raise ImportError(
            "`log_dir` needs tensorboardX: pip install 'keras-oddsig[tensorboard]'"
        ) from error
    return SummaryWriter


def _write_summaries(
    writer: Any, step: int, rows: list[dict[str, Any]], measured: Measured
) -> None:
    for row in rows:
        # NaN is what is undefined here; it would only make a warning there.
        if math.isfinite(row["value"]):
            writer.add_scalar(f"{row['statistic']}/{row['layer']}", row["value"], step)
    assert measured.histograms is not None
    for i, call in enumerate(measured.calls):
        low, high, mean, rms = (measured.table[k][i] for k in ("min", "max", "mean", "rms"))
        if math.isfinite(low) and math.isfinite(high):
            number = float(measured.values[i])
            limits = np.linspace(low, high, diagnostics.BINS + 1)[1:]
            writer.add_histogram_raw(
                call.name,
                min=low,
                max=high,
                num=number,
                sum=number * mean,
                sum_squares=number * rms**2,
                bucket_limits=limits.tolist(),
                bucket_counts=measured.histograms[i].tolist(),
                global_step=step,
            )
    writer.flush()

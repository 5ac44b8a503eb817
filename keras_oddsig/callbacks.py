"""Watching the signal while a model trains: when to look, and where to write what was seen.

What is measured, and how, is `signal`'s; which step it is, `_batch_count`'s; how files are
written, `_records`'s.
"""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import keras
import numpy as np
from numpy.typing import NDArray

from keras_oddsig import _arguments, _records, plotting
from keras_oddsig._batch_count import BatchCount
from keras_oddsig.signal import data as fit_data
from keras_oddsig.signal import selection
from keras_oddsig.signal.measurement import Measured, measurement, pooled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["ActivationSpread"]

_SUMMARY: Final = ("spread_min", "spread_max", "saturated_max")


@dataclass(repr=False)
class SpreadHistory:
    """What an `ActivationSpread` has seen, one row per step, layer and statistic.

    Attributes:
        rows: Dictionaries with the keys `epoch`, `step`, `layer`, `statistic` and `value`.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)

    def __repr__(self) -> str:
        return f"<SpreadHistory of {len(self)} rows>"

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
            raise ImportError("`to_pandas` needs pandas: pip install pandas") from error
        return pd.DataFrame(self.rows, columns=list(plotting.COLUMNS))

    def plot(self, ax: Axes | None = None) -> Axes:
        """`keras_oddsig.plot_spread` of this history."""
        return plotting.plot_spread(self, ax)


class ActivationSpread(keras.callbacks.Callback):
    """Records the signal in each layer of a model while it trains.

    Runs the model on the same data each time, with `training=False`, and computes the
    statistics of `keras_oddsig.signal` on the device: a few numbers a layer come back.
    It works with any model, subclassed ones too, and changes nothing in it. Of `DynamicTanh` and
    its kind it records `preactivation_rms`, too: the root mean square of what enters their
    functions, the rate included.

    The logs of each epoch gain `spread_min` and `spread_max`, the least and the greatest
    spread of the watched layers, and `saturated_max`. Callbacks that come later in the list
    see them, as does the history that `fit` returns.

    A copy, or a pickle, has the same arguments and an empty history, as those need that try
    many models: KerasTuner with `Objective("spread_min", "max")`, scikit-learn through SciKeras.

    Training does not stop where a file cannot be written: its disk is full, or its directory gone.
    There is one warning, `history` keeps what was seen, and the CSV file gets it once it can be
    written. A process that is killed leaves every row that was written.

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
            training begins. Arrays are cut into batches of 256, or of the one size of the model.
        layers: Which layers to watch: a name, a layer, a type of layers, a function from
            a layer to a boolean, or a sequence of these. By default every layer with an
            odd-sigmoid activation, and every `keras.layers.Activation`.
        frequency: `"epoch"`, at the end of each; `"train_begin"`, once; or an integer `n`,
            before the first step and after every `n`-th (with `steps_per_execution`, at the
            end of the execution that it falls into).
        csv_path: A file that gets the rows of `history` as they come. If it exists they are
            appended, as in a training that is resumed. Copies append to the same file. One that
            is gone is made anew, with all of `history`.
        log_dir: A directory for TensorBoard: scalars `statistic/layer`, and a histogram of
            each layer on the first batch. Needs the extra `tensorboard`, and TensorFlow on
            no other backend.
        batches: How many batches of `data` to use.
        model: The model to run on `data` and to look into. By default the one that is
            trained; a GAN or an autoencoder that has no `call`, only a `train_step`, needs
            one of the models inside it, as in `model=vae.encoder`.

    Attributes:
        history: A `SpreadHistory` with `rows`, `to_pandas()` and `plot()`. `step` counts the
            batches that the model was trained on, those of an earlier `fit` or of a training
            that is resumed, which its optimizer knows of, among them. `epoch` is the one
            under way, or just ended, from 0, and -1 before training.

    Raises:
        ImportError: If `log_dir` is given and tensorboardX is not installed.
        TypeError: If an argument has the wrong type.
        ValueError: If `frequency` or `batches` is outside its range, `csv_path` holds
            another table, or (when training begins) `layers` selects none, or the model
            cannot be called.
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
        *,
        model: keras.Model | None = None,
    ) -> None:
        super().__init__()
        fit_data.check_data("data", data)
        selection.check_selection(layers)
        if frequency not in ("epoch", "train_begin"):
            if isinstance(frequency, str):
                raise ValueError(
                    '`frequency` must be "epoch", "train_begin" or a number of steps. '
                    f"Received: frequency={frequency!r}"
                )
            _arguments.integer("frequency", frequency, at_least=1)
        _arguments.integer("batches", batches, at_least=1)
        if model is not None and not isinstance(model, keras.Model):
            raise TypeError(f"`model` must be a `keras.Model`. Received: model={model!r}")
        self.data = data
        self.layers = layers
        self.frequency = frequency
        self.csv_path: Path | None = _path("csv_path", csv_path)
        self.log_dir: Path | None = _path("log_dir", log_dir)
        self.batches: int = int(batches)
        self._watched = model  # `model` is Keras's name for the one that is trained
        if self.log_dir is not None:
            _records.require_tensorboardx()
        self._start_afresh()
        if self.csv_path is not None:
            self._prepare_table(self.csv_path)

    def _start_afresh(self) -> None:
        """Sets all that training changes."""
        self.history: SpreadHistory = SpreadHistory()
        self._taken: list[Any] | None = None
        self._measurement: Any = None
        self._table: _records.Table | None = None
        self._board: _records.Board | None = None
        self._warned: set[str] = set()
        self._summary = dict.fromkeys(_SUMMARY, math.nan)
        self._count = BatchCount()
        self._begun = False
        self._epoch = -1
        self._measured_at = -1

    def __getstate__(self) -> dict[str, Any]:
        # What is bound to a training, and a copy gets anew.
        bound = {"_model", "params", "history", "_taken", "_measurement", "_count"}
        bound |= {"_table", "_board", "_warned"}
        return {name: value for name, value in vars(self).items() if name not in bound}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__init__()
        self.__dict__.update(state)
        self._start_afresh()

    def __deepcopy__(self, memo: dict[int, Any]) -> ActivationSpread:
        # What is only read is shared: a layer's copy is in no model, a stream has no copy.
        for shared in (self.data, self.layers, self._watched):
            memo.setdefault(id(shared), shared)
        copied = type(self).__new__(type(self))
        memo[id(self)] = copied
        copied.__setstate__(copy.deepcopy(self.__getstate__(), memo))
        copied._taken = self._taken
        return copied

    def plot(self, ax: Axes | None = None) -> Axes:
        """`keras_oddsig.plot_spread` of the history."""
        return plotting.plot_spread(self.history, ax)

    def set_model(self, model: Any) -> None:
        if model is not self._model:
            self._count = BatchCount()
            self._summary = dict.fromkeys(_SUMMARY, math.nan)
        super().set_model(model)

    def on_train_begin(self, logs: Any = None) -> None:
        model = self.model if self._watched is None else self._watched
        selection.check_call(model, self._watched)
        if self._taken is None:
            batches = fit_data.batches(self.data, self.batches, fit_data.fixed_batch(model))
            self._taken = [fit_data.to_device(x, "data") for x, _ in batches]
            for x in self._taken:
                fit_data.check_batch(model, x, "data")
        if not model.built:
            # TensorFlow's `fit` would build it in its first step.
            model(self._taken[0], training=False)
        self._measurement = measurement(model, self.layers, histograms=self.log_dir is not None)
        # What cannot be measured shows here, and not after an epoch of training.
        self._measurement(self._taken[0])
        if self.csv_path is not None:
            self._prepare_table(self.csv_path)
        self._close()  # of a training that was interrupted
        if self.log_dir is not None:
            self._open_board(self.log_dir)
        self._epoch = -1
        self._begun = False

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if not self._begun:
            # Not when training begins: `BackupAndRestore` may come later in the list.
            self._begun = True
            step = self._count.begin(self.model)
            # A training that is resumed has been looked at where it left off.
            self._measured_at = step or -1
            if self.frequency == "train_begin":
                self._measure(step)
        self._epoch = epoch

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        # Keras dispatches the ends of batches to another thread, where it can, and waits for
        # the logs of each where it cannot; at the next beginning the model is the same.
        self._measure_if_due(self._count.batch_begun(batch))

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._count.batch_ended(batch)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        step = self._count.epoch_ended(self.model)
        if self.frequency == "epoch":
            self._measure(step)
        else:
            self._measure_if_due(step)
        if logs is not None:
            logs.update(self._summary)

    def on_train_end(self, logs: Any = None) -> None:
        self._append([])  # what could not be written before
        self._close()

    def _prepare_table(self, path: Path) -> None:
        if self._table is None or self._table.path != path:
            self._table = _records.Table(path)
        try:
            self._table.prepare(self.history.rows)
        except OSError as error:
            self._warn("csv_path", _reason(error))

    def _append(self, rows: list[dict[str, Any]]) -> None:
        if self._table is not None:
            try:
                if self._table.append(rows, self.history.rows):
                    self._warn("csv_path", "it is gone, and made anew")
            except (OSError, ValueError) as error:
                self._warn("csv_path", _reason(error))

    def _open_board(self, folder: Path) -> None:
        try:
            self._board = _records.Board(folder)
        except OSError as error:
            self._warn("log_dir", _reason(error))

    def _append_to_board(
        self, step: int, rows: list[dict[str, Any]], measured: Measured, folder: Path
    ) -> None:
        if self._board is not None and not self._board.exists():
            self._warn("log_dir", "it is gone, and made anew")
            self._close()
        if self._board is None:  # as of a disk that was full
            self._open_board(folder)
        if self._board is not None:
            try:
                self._board.append(step, rows, measured)
            except OSError as error:
                self._warn("log_dir", _reason(error))
                self._close()

    def _close(self) -> None:
        if self._board is not None:
            self._board.close()
            self._board = None

    def _warn(self, argument: str, reason: str) -> None:
        """Says once that a file was not as it should be."""
        if argument not in self._warned:
            self._warned.add(argument)
            warnings.warn(
                f"`{argument}` could not be written: {reason}. Training goes on, `history` keeps "
                "what is seen, and the next measurement tries again. "
                f"Received: {argument}={str(getattr(self, argument))!r}",
                stacklevel=4,
            )

    def _measure_if_due(self, step: int) -> None:
        every = self.frequency
        # Executions of several steps may pass over a multiple of `frequency`.
        if not isinstance(every, str) and step // every > self._measured_at // every:
            self._measure(step)

    def _measure(self, step: int) -> None:
        self._measured_at = step
        # On JAX, `fit` keeps the state to itself between steps; to ask for the model brings it.
        _ = self.model
        assert self._taken is not None
        measured = [self._measurement(x) for x in self._taken]
        whole = pooled(measured)
        epoch = -1 if self.frequency == "train_begin" else self._epoch
        rows = list(_rows(epoch, step, whole))
        self.history.rows.extend(rows)
        self._append(rows)
        if self.log_dir is not None:
            self._append_to_board(step, rows, measured[0], self.log_dir)
        self._summary = {
            "spread_min": float(np.min(whole.table["std"])),
            "spread_max": float(np.max(whole.table["std"])),
            "saturated_max": _greatest(whole.table["saturated"]),
        }


def _rows(epoch: int, step: int, measured: Measured) -> Iterator[dict[str, Any]]:
    for row, call in enumerate(measured.calls):
        for statistic, values in measured.table.items():
            entries = (epoch, step, call.name, statistic, float(values[row]))
            yield dict(zip(plotting.COLUMNS, entries, strict=True))


def _greatest(values: NDArray[Any]) -> float:
    known = values[~np.isnan(values)]
    return float(known.max()) if len(known) else math.nan


def _reason(error: Exception) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error)


def _path(name: str, path: Any) -> Path | None:
    if path is None:
        return None
    if not isinstance(path, str | Path):
        raise TypeError(f"`{name}` must be a path. Received: {name}={path!r}")
    return Path(path)

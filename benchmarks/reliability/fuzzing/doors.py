"""The doors through which users let files in.

A door takes the content of a file and puts it through everything that reads such files. It
returns in a few words how that went. What may not be, it raises (`BrokenError`), or `watch`
sees it.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import random
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import keras
import numpy as np

import keras_oddsig as ko
from keras_oddsig import cli
from reliability.fuzzing import archives, mutations, watch
from reliability.fuzzing.originals import WIDTH, classes, configs, models, network


class BrokenError(Exception):
    """Something happened that no file may bring about."""


class Door:
    """What the doors share.

    Args:
        sandbox: Where they may write.
    """

    suffixes: ClassVar[tuple[str, ...]]

    def __init__(self, sandbox: watch.Sandbox) -> None:
        self._folder = sandbox.target
        self._paths = str(sandbox.mark), str(sandbox.outside)
        self._tree = mutations.Tree(str(sandbox.mark), configs())
        self._x = self._folder / "x.npy"
        self._model = self._folder / "model.keras"
        if not self._x.exists():
            x = np.random.default_rng(0).standard_normal((64, WIDTH)).astype("float32")
            np.save(self._x, x)
            network().save(self._model)
        self._kept = set(self._folder.iterdir())

    def seeds(self) -> list[bytes]:
        """Honest files, among them some that are long known to be refused."""
        raise NotImplementedError

    def mutated(self, content: bytes, rng: random.Random) -> bytes:
        """Another file."""
        raise NotImplementedError

    def _through(self, content: bytes) -> Iterator[str]:
        """Opens each door in turn, and says how it went."""
        raise NotImplementedError

    def __call__(self, content: bytes) -> list[str]:
        """How it went, door by door."""
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            try:
                return list(self._through(content))
            finally:
                for path in set(self._folder.iterdir()) - self._kept:
                    if path.stem not in ("input", "output", "input.weights"):
                        raise BrokenError(f"left {path.name} behind")
                    path.unlink()

    def _tried(self, name: str, attempt: Callable[[], Any]) -> tuple[str, Any]:
        """Runs what may be refused, not what may break."""
        try:
            result = attempt()
        except BrokenError:
            raise
        except Exception as error:
            if watch.unexpected(error):
                raise BrokenError(f"{name}: {watch.place(error)}") from error
            return f"{name}: {watch.place(error)}", None
        return f"{name}: taken", result

    def _command(self, *arguments: Any) -> str:
        """Runs the command; it must end with 0, 1 or 2, and one line of errors that is plain."""
        errors = io.StringIO()
        with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(io.StringIO()):
            try:
                status: Any = cli.main([str(argument) for argument in arguments])
            except SystemExit as stopped:
                status = stopped.code
            except Exception as error:
                raise BrokenError(f"{arguments[0]}: {watch.place(error)}") from error
        last = (errors.getvalue().splitlines() or [""])[-1]
        if status == 0 and not last and (arguments[0] == "solve" or "--dry-run" in arguments):
            return f"{arguments[0]} 0"
        if status not in (0, 1, 2) or not last.startswith("keras-oddsig"):
            raise BrokenError(f"{arguments[0]} ended with {status} and {last[:80]!r}")
        if not last.isprintable():
            raise BrokenError(f"{arguments[0]} printed {last[:80]!r}")
        about = last.rpartition(": ")[2] if status == 2 else last
        return f"{arguments[0]} {status}: {''.join(c for c in about if c.isalpha())[:24]}"


class ModelDoor(Door):
    """`.keras` files: `load_model`, `signal_report`, `tailor`, and both commands."""

    suffixes = (".keras",)

    def __init__(self, sandbox: watch.Sandbox) -> None:
        super().__init__(sandbox)
        self._archive = archives.Archive(self._tree, self._paths[1])

    def seeds(self) -> list[bytes]:
        return [_saved(model, self._folder / "seed.keras") for model in models()]

    def mutated(self, content: bytes, rng: random.Random) -> bytes:
        return self._archive(content, rng)

    def _through(self, content: bytes) -> Iterator[str]:
        path, output = self._folder / "input.keras", self._folder / "output.keras"
        path.write_bytes(content)
        word, model = self._tried("load_model", lambda: keras.saving.load_model(path))
        yield word
        yield self._command("inspect", path, "--data", self._x, "--json")
        if isinstance(model, keras.Model):
            x = np.load(self._x)
            yield self._tried("signal_report", lambda: ko.signal_report(model, x))[0]
            yield self._tried("tailor", lambda: ko.tailor(model, x))[0]
            yield self._command("tailor", path, "--data", self._x, "-o", output)


class LegacyDoor(Door):
    """`.h5` files, of a whole model and of weights."""

    suffixes = (".h5",)

    def __init__(self, sandbox: watch.Sandbox) -> None:
        super().__init__(sandbox)
        self._hdf5 = archives.Hdf5(self._tree, self._paths[1])
        self._models = models()

    def seeds(self) -> list[bytes]:
        whole = [_saved(model, self._folder / "seed.h5") for model in self._models]
        paths = [self._folder / f"seed_{i}.weights.h5" for i in range(len(self._models))]
        for model, path in zip(self._models, paths, strict=True):
            model.save_weights(path)
        weights = [path.read_bytes() for path in paths]
        for path in paths:
            path.unlink()
        return [*whole, *weights]

    def mutated(self, content: bytes, rng: random.Random) -> bytes:
        return self._hdf5(content, rng)

    def _through(self, content: bytes) -> Iterator[str]:
        path, weights = self._folder / "input.h5", self._folder / "input.weights.h5"
        path.write_bytes(content)
        weights.write_bytes(content)
        word, model = self._tried("load_model", lambda: keras.saving.load_model(path))
        yield word
        if isinstance(model, keras.Model):
            x = np.load(self._x)
            yield self._tried("signal_report", lambda: ko.signal_report(model, x))[0]
        for i, each in enumerate(self._models):
            name = f"load_weights {i}"
            yield self._tried(name, lambda each=each: each.load_weights(weights))[0]  # type: ignore[misc]
        yield self._command("inspect", path, "--data", self._x)


class ConfigDoor(Door):
    """JSON configs of every class: `deserialize_keras_object`, `from_config`, `get`."""

    suffixes = (".json",)

    def seeds(self) -> list[bytes]:
        return [json.dumps(config).encode() for config in configs()]

    def mutated(self, content: bytes, rng: random.Random) -> bytes:
        return self._tree.text(content, rng)

    def _through(self, content: bytes) -> Iterator[str]:
        try:
            config = json.loads(content)
        except (ValueError, RecursionError):
            yield "no JSON"
            return
        inner = config.get("config") if isinstance(config, dict) else None
        name = config.get("class_name") if isinstance(config, dict) else None
        cls = classes().get(name) if isinstance(name, str) else None
        doors: dict[str, Callable[[], Any]] = {
            "deserialize": lambda: keras.saving.deserialize_keras_object(config),
            "initializers.get": lambda: keras.initializers.get(config),
            "get": lambda: ko.get(config),
        }
        if cls is not None:
            doors["from_config"] = lambda: cls.from_config(inner)
        for door, attempt in doors.items():
            word, made = self._tried(door, attempt)
            yield word
            if type(made) in classes().values():
                yield self._tried("use", lambda made=made: self._used(made))[0]  # type: ignore[misc]

    def _used(self, made: Any) -> None:
        """What is taken must be of use: called, and written into a config that is read again."""
        config = json.loads(json.dumps(keras.saving.serialize_keras_object(made)))
        again = keras.saving.deserialize_keras_object(config)
        if json.dumps(keras.saving.serialize_keras_object(again)) != json.dumps(config):
            raise BrokenError(f"another config comes back from {type(made).__name__}")
        if isinstance(made, keras.initializers.Initializer):
            made((4, 8))
        else:
            made(np.ones((2, WIDTH), "float32"))


class ArrayDoor(Door):
    """`.npy` and `.npz` files: `keras-oddsig inspect` and `tailor`."""

    suffixes = (".npy", ".npz")

    def seeds(self) -> list[bytes]:
        array = np.load(self._x)
        found = []
        for each in (array, array[:8].astype("int8"), np.asfortranarray(array), array[0]):
            buffer, archive = io.BytesIO(), io.BytesIO()
            np.save(buffer, each)
            np.savez_compressed(archive, x=each)
            found += [buffer.getvalue(), archive.getvalue()]
        pickled = io.BytesIO()
        np.save(pickled, np.array([Marking(self._paths[0])], dtype=object), allow_pickle=True)
        return [*found, pickled.getvalue(), b""]

    def mutated(self, content: bytes, rng: random.Random) -> bytes:
        return archives.of_array(content, rng)

    def _through(self, content: bytes) -> Iterator[str]:
        for suffix in self.suffixes:
            path = self._folder / f"input{suffix}"
            path.write_bytes(content)
            # The data are read before the model: where only that is missing, they are taken.
            word = self._command("inspect", "none.keras", "--data", path)
            yield f"{suffix} {word}"
            if "nonekerasisnotafile" in word:
                yield self._command("inspect", self._model, "--data", path, "--json")
                yield self._command("tailor", self._model, "--data", path, "--dry-run")
        word = self._command(
            "inspect", "none.keras", "--data", self._x, "--y", path, "--loss", "mse"
        )
        yield f"y {word}"


class TableDoor(Door):
    """CSV files: an `ActivationSpread` that goes on with one."""

    suffixes = (".csv",)

    def __init__(self, sandbox: watch.Sandbox) -> None:
        super().__init__(sandbox)
        self._trained = keras.Sequential(
            [keras.Input((4,)), keras.layers.Dense(3, "tanh", name="a"), keras.layers.Dense(1)]
        )
        self._trained.compile("sgd", "mse")
        self._rows = np.ones((4, 4), "float32"), np.ones((4, 1), "float32")

    def seeds(self) -> list[bytes]:
        path = self._folder / "seed.csv"
        self._fit(ko.ActivationSpread(self._rows[0], csv_path=path))
        whole = path.read_bytes()
        path.unlink()
        return [b"", whole, whole[:-9], whole.partition(b"\n")[0], b"epoch,loss\n0,1\n"]

    def mutated(self, content: bytes, rng: random.Random) -> bytes:
        return mutations.of_table(content, rng)

    def _fit(self, watching: Any) -> None:
        self._trained.fit(*self._rows, epochs=2, verbose=0, callbacks=[watching])

    def _through(self, content: bytes) -> Iterator[str]:
        path = self._folder / "input.csv"
        path.write_bytes(content)
        word, watching = self._tried(
            "ActivationSpread", lambda: ko.ActivationSpread(self._rows[0], csv_path=path)
        )
        yield word
        if watching is None:
            if path.read_bytes() != content:
                raise BrokenError("a table that is not its own was changed")
            return
        yield self._tried("fit", lambda: self._fit(watching))[0]
        self._check_table(content, path.read_bytes(), watching.history.rows)
        if content.isascii():
            yield self._tried("plot_spread", lambda: list(csv.DictReader(path.open())))[0]

    def _check_table(self, before: bytes, after: bytes, rows: list[dict[str, Any]]) -> None:
        _, newline, _ = before.partition(b"\n")
        whole = before[: before.rfind(b"\n") + 1] if newline else b""
        if not after.startswith(whole):
            raise BrokenError("rows that were there are lost")
        lines = after.decode(errors="replace").split("\n")
        if lines[0].strip() != "epoch,step,layer,statistic,value":
            raise BrokenError("the first line is no header")
        written = [",".join(map(str, row.values())) for row in rows]
        if lines[-1 - len(rows) :] != [*written, ""]:
            raise BrokenError("what was seen is not what was written")


class ArgumentDoor(Door):
    """Arguments of `keras-oddsig solve`, as JSON lists."""

    suffixes = (".json",)

    def seeds(self) -> list[bytes]:
        lists = [
            ["--activation", "erf", "--depth", 50, "--width", 64, "--negative-rate", 0.2],
            ["--depth", 6, "--inputs", 2, "--input-std", 0.58, "--json"],
            ["--noise-scale", 0.085, "--activation", "algebraic"],
        ]
        return [json.dumps(each).encode() for each in lists]

    def mutated(self, content: bytes, rng: random.Random) -> bytes:
        try:
            found = json.loads(content)
        except ValueError:
            found = []
        if not isinstance(found, list) or rng.random() < 0.05:
            return mutations.of_bytes(content, rng)
        names = ("--depth", "--width", "--input-std", "--inputs", "--negative-rate", "--json")
        names += ("--noise-scale", "--activation", "--nothing", "--help")
        for _ in range(rng.choice((1, 1, 2))):
            name = rng.choice(names)
            kind = rng.choice((int, float)) if name != "--activation" else str
            values = (*mutations.PLAUSIBLE[kind], *(mutations.NUMBERS if kind is not str else ()))
            found += [name] if name in ("--json", "--help") else [name, rng.choice(values)]
        return json.dumps(found[-12:]).encode()

    def _through(self, content: bytes) -> Iterator[str]:
        try:
            found = json.loads(content)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, list) or "\x00" in str(found)[:9999]:
            yield "no arguments"
            return
        # What it says quotes the arguments: how many ways that is says nothing.
        yield self._command("solve", *(str(each)[:5000] for each in found))[:7]


class Marking:
    """Leaves a file when it is unpickled."""

    def __init__(self, mark: str) -> None:
        self._mark = mark

    def __reduce__(self) -> Any:
        return Path.touch, (Path(self._mark),)


DOORS: dict[str, type[Door]] = {
    "keras": ModelDoor,
    "h5": LegacyDoor,
    "json": ConfigDoor,
    "npy": ArrayDoor,
    "csv": TableDoor,
    "solve": ArgumentDoor,
}


def _saved(model: keras.Model, path: Path) -> bytes:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the legacy format
        model.save(path)
    content = path.read_bytes()
    path.unlink()
    return content

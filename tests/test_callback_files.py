"""What `ActivationSpread` does when its files cannot be written, are gone, or a process is killed.

Training goes on, there is one warning, and nothing that was seen is lost.
"""

import contextlib
import csv
import math
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import keras
import numpy as np
import pytest
from test_callbacks import events_of

import keras_oddsig as ko

BACKEND = keras.backend.backend()
HEADER = "epoch,step,layer,statistic,value\n"
X = np.random.default_rng(0).standard_normal((16, 4)).astype("float32")


@pytest.fixture(scope="module")
def model():
    return network()


def network():
    keras.utils.set_random_seed(0)
    hidden = keras.layers.Dense(3, "tanh", name="a")
    made = keras.Sequential([keras.Input((4,)), hidden, keras.layers.Dense(1)])
    made.compile("sgd", "mse")
    return made


def fit(model, watch, *callbacks, epochs=3):
    return model.fit(
        X, X[:, :1], batch_size=8, epochs=epochs, verbose=0, callbacks=[watch, *callbacks]
    )


class At(keras.callbacks.Callback):
    """Does something at the end of an epoch."""

    def __init__(self, **actions):
        super().__init__()
        self.actions = {int(name.removeprefix("epoch_")): each for name, each in actions.items()}

    def on_epoch_end(self, epoch, logs=None):
        if epoch in self.actions:
            self.actions[epoch]()


def read(path):
    with Path(path).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def assert_whole(path, *watches):
    """The file has the rows that the callbacks have seen, and no others."""
    rows = [row for watch in watches for row in watch.history.rows]
    found = read(path)
    assert [(row["epoch"], row["layer"], row["statistic"]) for row in found] == [
        (str(row["epoch"]), row["layer"], row["statistic"]) for row in rows
    ]
    for row, seen in zip(found, rows, strict=True):
        assert float(row["value"]) == pytest.approx(seen["value"], nan_ok=True)


@contextlib.contextmanager
def told_once(match):
    """Of what is in here there is one warning, be there others of Keras's."""
    with pytest.warns(UserWarning, match=match) as warned:
        yield
    told = [str(each.message) for each in warned if "could not be written" in str(each.message)]
    assert len(told) == 1


def epochs_on_the_board(folder):
    """The steps of which TensorBoard's files tell, each whole."""
    return sorted(
        {
            e.step
            for path in Path(folder).iterdir()
            for e in events_of(path)
            if e.HasField("summary")
        }
    )


class TestPlaces:
    """Where nothing can be written, from the beginning."""

    @pytest.mark.parametrize(
        ("argument", "place"),
        [
            *(("csv_path", place) for place in ("directory", "file/below", "full", "proc")),
            *(("log_dir", place) for place in ("file", "file/below", "full", "proc")),
        ],
    )
    def test_of_no_use_are_told_once_and_stop_no_training(self, argument, place, model, tmp_path):
        (tmp_path / "file").write_text("something else\n")
        (tmp_path / "directory").mkdir()
        path = {"full": Path("/dev/full"), "proc": Path("/proc/none/x")}.get(
            place, tmp_path / place
        )
        if place in ("full", "proc") and not Path("/proc/self").exists():
            pytest.skip("a place of Linux")
        with told_once(rf"`{argument}` could not be written: .*{re.escape(str(path))}"):
            watch = ko.ActivationSpread(X, **{argument: path})
            history = fit(model, watch)
        assert len(history.epoch) == 3
        assert {row["epoch"] for row in watch.history.rows} == {0, 1, 2}
        assert (tmp_path / "file").read_text() == "something else\n"
        assert not list((tmp_path / "directory").iterdir())

    @pytest.mark.skipif(not Path("/dev/null").exists(), reason="no such device")
    def test_that_keep_nothing_are_for_who_wants_them(self, model):
        watch = ko.ActivationSpread(X, csv_path="/dev/null")
        fit(model, watch)
        assert len(watch.history) > 0

    @pytest.mark.parametrize("argument", ["csv_path", "log_dir"])
    def test_that_get_useful_later_are_used(self, argument, model, tmp_path):
        place = tmp_path / "place"
        place.write_text("a file, where a directory is to be")
        path = place / "spread.csv" if argument == "csv_path" else place
        with told_once(argument):
            watch = ko.ActivationSpread(X, **{argument: path})
            fit(model, watch, At(epoch_0=place.unlink))
        if argument == "csv_path":
            assert_whole(path, watch)
        else:
            assert len(epochs_on_the_board(path)) == 2

    def test_may_have_any_letters(self, tmp_path):
        hidden = keras.layers.Dense(3, "tanh", name="a" if BACKEND == "tensorflow" else 'слой,"\n')
        model = keras.Sequential([keras.Input((4,)), hidden, keras.layers.Dense(1)])
        model.compile("sgd", "mse")
        path, board = tmp_path / "данные" / "ряд ☂.csv", tmp_path / "доска"
        watch = ko.ActivationSpread(X, csv_path=path, log_dir=board)
        fit(model, watch, epochs=1)
        (name,) = {row["layer"] for row in read(path)}
        assert name == " ".join(hidden.name.splitlines())
        assert len(read(path)) == len(watch.history)
        assert len(epochs_on_the_board(board)) == 1

    @pytest.mark.skipif(BACKEND != "torch", reason="the others themselves refuse such names")
    def test_hold_names_that_are_no_text(self, tmp_path):
        hidden = keras.layers.Dense(3, "tanh", name="\ud800")  # as a config may bring
        model = keras.Sequential([keras.Input((4,)), hidden, keras.layers.Dense(1)])
        model.compile("sgd", "mse")
        fit(model, ko.ActivationSpread(X, csv_path=tmp_path / "x.csv"), epochs=1)
        assert {row["layer"] for row in read(tmp_path / "x.csv")} == {"\\ud800"}


class TestLoss:
    """Files that go wrong while a model trains."""

    @pytest.mark.parametrize("argument", ["csv_path", "log_dir"])
    def test_of_the_directory_is_told_once_and_made_good(self, argument, model, tmp_path):
        folder = tmp_path / "folder"
        path = folder / "spread.csv" if argument == "csv_path" else folder
        watch = ko.ActivationSpread(X, **{argument: path})
        with told_once(f"`{argument}` could not be written: it is gone"):
            fit(model, watch, At(epoch_0=lambda: shutil.rmtree(folder)), epochs=4)
        if argument == "csv_path":
            assert_whole(path, watch)
        else:
            assert len(epochs_on_the_board(path)) == 3

    def test_of_the_file_alone_makes_a_new_one_with_a_header(self, model, tmp_path):
        path = tmp_path / "spread.csv"
        watch = ko.ActivationSpread(X, csv_path=path)
        with told_once("csv_path"):
            fit(model, watch, At(epoch_1=path.unlink))
        assert_whole(path, watch)

    @pytest.mark.parametrize("argument", ["csv_path", "log_dir"])
    def test_of_room_takes_nothing_that_was_written(self, argument, model, tmp_path):
        """Files may not grow beyond the middle of the next rows, for two epochs."""
        path = tmp_path / "place"
        watch = ko.ActivationSpread(X, **{argument: path})
        limits, sizes = resource.getrlimit(resource.RLIMIT_FSIZE), []

        def written():
            return path.read_bytes() if argument == "csv_path" else b""

        def fill():
            size = path if argument == "csv_path" else next(path.iterdir())
            limit = size.stat().st_size + 100
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limits[1]))

        def look():
            sizes.append(written())

        def free():
            look()
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)

        try:
            with told_once("could not be written: File too large"):
                keeps = At(epoch_0=lambda: (look(), fill()), epoch_1=look, epoch_2=free)
                history = fit(model, watch, keeps, epochs=5)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert len(history.epoch) == 5
        if argument == "csv_path":
            assert sizes == [sizes[0]] * 3  # no half rows
            assert_whole(path, watch)
        else:
            steps = sorted({row["step"] for row in watch.history.rows})
            # Only the second is lost, for which there was no room: the third is in a new file.
            assert epochs_on_the_board(path) == [steps[0], *steps[2:]]

    @pytest.mark.parametrize("trouble", ["full", "read-only"])
    def test_of_a_disk_takes_nothing_that_was_written(self, trouble, model, small_disk):
        folder, read_only = small_disk
        path, filler = folder / "spread.csv", folder / "filler"

        def begin():
            if trouble == "read-only":
                read_only(True)
                return
            with filler.open("wb", buffering=0) as file:
                for size in (4096, 1):
                    while True:
                        try:
                            file.write(b"x" * size)
                        except OSError:
                            break

        def end():
            assert_whole_beginning(path, 2)
            read_only(False) if trouble == "read-only" else filler.unlink()

        watch = ko.ActivationSpread(X, csv_path=path)
        # As many rows as do not fit into the end of a page.
        fit(model, watch, epochs=2)
        with told_once("No space left" if trouble == "full" else "Read-only"):
            fit(model, watch, At(epoch_0=begin, epoch_11=end), epochs=13)
        assert_whole(path, watch)


def assert_whole_beginning(path, epochs):
    content = path.read_text()
    assert content.startswith(HEADER)
    assert content.endswith("\n")
    assert all(math.isfinite(float(row["step"])) for row in read(path)[:epochs])


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 64 KiB, and a function that makes it read-only or not."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root may mount a file system")

    def mount(*options):
        command = ["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", str(folder)]
        return subprocess.run(command, capture_output=True).returncode

    if mount("size=64k") != 0:
        pytest.skip("no file system can be mounted here")
    yield folder, lambda yes: mount("remount", "ro" if yes else "rw", "size=64k")
    subprocess.run(["umount", str(folder)], check=True)


class TestTables:
    """What an older run has left."""

    def resumed(self, model, path, content):
        path.write_bytes(content)
        watch = ko.ActivationSpread(X, csv_path=path)
        fit(model, watch, epochs=1)
        assert len(watch.history) > 0
        return path.read_bytes(), watch

    @pytest.mark.parametrize("content", ["", HEADER.strip(), HEADER, " " + HEADER.strip() + " "])
    def test_that_is_a_header_at_most_gets_rows_of_their_own(self, content, model, tmp_path):
        _, watch = self.resumed(model, tmp_path / "x.csv", content.encode())
        assert_whole(tmp_path / "x.csv", watch)

    @pytest.mark.parametrize("half", ["0", "0,2,a,std,0.12", '0,2,"a', "0,2,\u2603,std"])
    @pytest.mark.parametrize("end", ["\n", "\r\n"])
    def test_loses_half_a_row_and_no_whole_one(self, half, end, model, tmp_path):
        whole = (HEADER + "0,2,a,std,0.5\n" * 9000).replace("\n", end).encode()
        after, _ = self.resumed(model, tmp_path / "x.csv", whole + half.encode())
        assert after.startswith(whole + b"0,")

    @pytest.mark.parametrize(
        "beginning",
        {
            "columns": b"epoch,step\n",
            "mark": b"\xef\xbb\xbf" + HEADER.encode(),
            "space": "\u2003".encode() + HEADER.encode(),
            "zeros": b"\x00" * 100,
            "long": b"x" * 200_000,
            "utf-16": HEADER.encode("utf-16"),
            "half": HEADER.encode()[:9],
        }.values(),
        ids=lambda content: repr(content[:12]),
    )
    def test_that_is_another_is_refused_and_kept(self, beginning, tmp_path):
        path = tmp_path / "x.csv"
        path.write_bytes(beginning)
        with pytest.raises(ValueError, match="`csv_path` must be") as told:
            ko.ActivationSpread(X, csv_path=path)
        assert len(str(told.value)) < 500
        assert path.read_bytes() == beginning

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
    def test_is_no_pipe_at_which_all_waits(self, tmp_path):
        os.mkfifo(tmp_path / "pipe")
        with pytest.warns(UserWarning, match="`csv_path` could not be written: it is a pipe"):
            ko.ActivationSpread(X, csv_path=tmp_path / "pipe")


def test_trainings_of_one_second_have_boards_of_their_own(model, tmp_path):
    for _ in range(2):
        fit(model, ko.ActivationSpread(X, log_dir=tmp_path), epochs=1)
    assert len(epochs_on_the_board(tmp_path)) == 2


KILLED = """
import os, signal, sys
import keras
sys.path.insert(0, os.path.dirname({here!r}))
from test_callback_files import X, fit, network
import keras_oddsig as ko

class Kill(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        if self.epoch == 3:
            os.kill(os.getpid(), signal.SIGKILL)
    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

watch = ko.ActivationSpread(X, csv_path={folder!r} + "/spread.csv", log_dir={folder!r} + "/board")
fit(network(), watch, keras.callbacks.BackupAndRestore({folder!r} + "/backup"), Kill(), epochs=6)
"""


@pytest.mark.skipif(BACKEND != "torch", reason="files do not depend on it; PyTorch is soonest done")
def test_a_training_that_is_killed_leaves_every_epoch_and_is_taken_up(tmp_path):
    code = KILLED.format(here=__file__, folder=str(tmp_path))
    paths = [*sys.path, str(Path(__file__).parent)]
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    )
    assert done.returncode == -signal.SIGKILL
    path = tmp_path / "spread.csv"
    before = path.read_bytes()
    assert [int(epoch) for epoch in dict.fromkeys(row["epoch"] for row in read(path))] == [0, 1, 2]
    assert before.endswith(b"\n")
    assert epochs_on_the_board(tmp_path / "board") == [2, 4, 6]
    with path.open("ab") as file:
        file.write(b"3,8,a,me")  # as of one that was killed while it wrote
    watch = ko.ActivationSpread(X, csv_path=path, log_dir=tmp_path / "board")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras's, of a model that is restored
        fit(network(), watch, keras.callbacks.BackupAndRestore(tmp_path / "backup"), epochs=6)
    assert path.read_bytes().startswith(before)
    steps = {int(row["epoch"]): int(row["step"]) for row in read(path)}
    assert steps == {epoch: 2 * (epoch + 1) for epoch in range(6)}
    assert len(read(path)) == 6 * (len(before.splitlines()) - 1) // 3
    assert epochs_on_the_board(tmp_path / "board") == [2, 4, 6, 8, 10, 12]

"""`ActivationSpread` during training, on the backend that KERAS_BACKEND names."""

import copy
import csv
import importlib.util
import math
import pickle
import struct
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops
from keras.layers import Dense

import keras_oddsig as ko

BACKEND = keras.backend.backend()
SUMMARY = {"spread_min", "spread_max", "saturated_max"}


def data(samples=64, units=4, seed=0):
    return np.random.default_rng(seed).standard_normal((samples, units)).astype("float32")


X, Y = data(), data(64, 1, seed=1)


def network(rate=0.1, name=None, **kwargs):
    layers = [Dense(5, "tanh", name="a"), Dense(5, ko.Erf(), name="b"), Dense(1)]
    model = keras.Sequential([keras.Input((4,)), *layers], name=name)
    model.compile(keras.optimizers.SGD(rate), "mse", **kwargs)
    return model


def fit(model, *callbacks, **kwargs):
    kwargs = {"epochs": 2, "batch_size": 8, "verbose": 0, **kwargs}
    return model.fit(X, Y, callbacks=list(callbacks), **kwargs)


def values(callback, layer="a", statistic="std"):
    rows = callback.history.rows
    return [r["value"] for r in rows if (r["layer"], r["statistic"]) == (layer, statistic)]


def times(callback):
    return list(dict.fromkeys((row["epoch"], row["step"]) for row in callback.history.rows))


class TestFrequency:
    def test_every_epoch_at_its_end(self):
        model, watch = network(), ko.ActivationSpread(X)
        fit(model, watch)
        assert times(watch) == [(0, 8), (1, 16)]
        report = ko.signal_report(model, X)
        expected = [row.statistics["std"] for row in report.layers]
        assert [values(watch, layer)[-1] for layer in "ab"] == pytest.approx(expected)

    def test_at_the_beginning(self):
        model, watch = network(), ko.ActivationSpread(X, frequency="train_begin")
        before = ko.signal_report(model, X).layers[0].statistics["std"]
        history = fit(model, watch)
        assert times(watch) == [(-1, 0)]
        assert values(watch) == pytest.approx([before])
        assert history.history["spread_max"][0] == history.history["spread_max"][1]

    @pytest.mark.parametrize("eagerly", [False, True])
    def test_every_few_steps_it_sees_the_weights_of_that_step(self, eagerly):
        model, watch = network(run_eagerly=eagerly), ko.ActivationSpread(X, frequency=3)
        weights = []

        class Keep(keras.callbacks.Callback):
            def on_train_batch_end(self, batch, logs=None):
                if BACKEND == "jax":
                    self.model.jax_state_sync()
                weights.append(self.model.get_weights())

        first = model.get_weights()
        fit(model, watch, Keep(), shuffle=False)
        assert times(watch) == [(0, 0), (0, 3), (0, 6), (1, 9), (1, 12), (1, 15)]
        seen = values(watch)
        assert len(set(seen)) == len(seen)
        for step, value in zip([0, 3, 6, 9, 12, 15], seen, strict=True):
            model.set_weights([first, *weights][step])
            h = ops.convert_to_numpy(model.layers[0](X))
            assert value == pytest.approx(h.std(), rel=1e-4)

    def test_the_last_step_of_an_epoch_counts(self):
        watch = ko.ActivationSpread(X, frequency=4)
        fit(network(), watch)
        assert times(watch) == [(0, 0), (0, 4), (0, 8), (1, 12), (1, 16)]

    @pytest.mark.skipif(BACKEND == "torch", reason="runs step by step there")
    def test_executions_of_several_steps_are_measured_at_their_end(self):
        watch, at_end = ko.ActivationSpread(X, frequency=3), ko.ActivationSpread(X)
        fit(network(steps_per_execution=5), watch, at_end)  # 5 and 3
        assert times(watch) == [(0, 0), (0, 5), (0, 8), (1, 13), (1, 16)]
        assert times(at_end) == [(0, 8), (1, 16)]


class Stop(keras.callbacks.Callback):
    """Interrupts a training, as a user does."""

    def __init__(self, batch):
        super().__init__()
        self.batch = batch

    def on_train_batch_end(self, batch, logs=None):
        if batch == self.batch:
            raise KeyboardInterrupt


class Gan(keras.Model):
    """Two models and two optimizers, and no `call`."""

    def __init__(self, generator=None):
        super().__init__()
        self.generator = generator or network(name="generator")
        self.critic = network(name="critic")
        self.generator_optimizer = keras.optimizers.SGD(0.1)
        self.critic_optimizer = keras.optimizers.SGD(0.1)

    def train_by_hand(self, *callbacks, epochs=2, batches=4, critic_updates=1):
        """A loop of one's own, in which the gradients are ones."""
        callbacks = keras.callbacks.CallbackList(list(callbacks), model=self)
        callbacks.on_train_begin()
        for epoch in range(epochs):
            callbacks.on_epoch_begin(epoch)
            for batch in range(batches):
                callbacks.on_train_batch_begin(batch)
                for _ in range(critic_updates):
                    descend(self.critic_optimizer, self.critic)
                descend(self.generator_optimizer, self.generator)
                callbacks.on_train_batch_end(batch)
            callbacks.on_epoch_end(epoch, {})
        callbacks.on_train_end()


def descend(optimizer, model):
    gradients = [ops.ones(weight.shape) for weight in model.trainable_variables]
    optimizer.apply(gradients, model.trainable_variables)


class TestSteps:
    def test_a_second_fit_counts_on(self):
        model, watch = network(), ko.ActivationSpread(X, frequency=8)
        fit(model, watch, epochs=1)
        fit(model, watch, epochs=2, initial_epoch=1)
        assert times(watch) == [(0, 0), (0, 8), (1, 16)]

    @pytest.mark.parametrize(
        ("frequency", "watch_first", "resumed"),
        [
            ("epoch", True, [(2, 24), (3, 32)]),
            ("epoch", False, [(2, 24), (3, 32)]),
            ("train_begin", True, [(-1, 16)]),
            (4, True, [(2, 20), (2, 24), (3, 28), (3, 32)]),
        ],
    )
    def test_a_training_that_is_resumed_counts_on(self, frequency, watch_first, resumed, tmp_path):
        def train(epochs):
            watch = ko.ActivationSpread(X, frequency=frequency, csv_path=tmp_path / "spread.csv")
            backup = keras.callbacks.BackupAndRestore(tmp_path, delete_checkpoint=False)
            model = network()
            fit(model, *((watch, backup) if watch_first else (backup, watch)), epochs=epochs)
            return model, watch

        _, first = train(epochs=2)
        model, second = train(epochs=4)
        assert times(second) == resumed
        with (tmp_path / "spread.csv").open() as file:
            steps = [int(row["step"]) for row in csv.DictReader(file)]
        assert steps == sorted(steps)
        assert len(steps) == len(first.history) + len(second.history)
        if frequency == "train_begin":
            # What it saw is the model that was restored.
            assert values(second) != values(first)
        else:
            h = ops.convert_to_numpy(model.layers[0](X))
            assert values(second)[-1] == pytest.approx(h.std(), rel=1e-4)

    def test_accumulated_gradients_are_batches_each(self):
        model, watch, fresh = network(), ko.ActivationSpread(X), ko.ActivationSpread(X)
        model.compile(keras.optimizers.Adam(gradient_accumulation_steps=4), "mse")
        model.train_on_batch(X[:8], Y[:8])
        fit(model, watch, epochs=1)
        fit(model, watch, fresh, epochs=2, initial_epoch=1)
        assert times(watch) == [(0, 9), (1, 17)]
        assert times(fresh) == [(1, 17)]

    def test_a_fit_that_was_interrupted_is_taken_up_where_it_ended(self):
        model, watch = network(), ko.ActivationSpread(X, frequency=4)
        with pytest.raises(KeyboardInterrupt):
            fit(model, watch, Stop(batch=5))
        fit(model, watch, epochs=1)
        assert times(watch) == [(0, 0), (0, 4), (0, 8), (0, 12)]

    def test_a_model_that_is_compiled_again_was_trained_before(self):
        model, watch = network(), ko.ActivationSpread(X)
        fit(model, watch, epochs=1)
        model.compile("adam", "mse")
        for _ in range(2):
            fit(model, watch, epochs=1)
        assert times(watch) == [(0, 8), (0, 16), (0, 24)]

    def test_another_model_counts_from_its_own_beginning(self):
        watch = ko.ActivationSpread(X, frequency=8)
        for model in (network(), network()):
            fit(model, watch, epochs=1)
        steps = [row["step"] for row in watch.history.rows if row["statistic"] == "std"]
        assert steps == 2 * [0, 0, 8, 8]

    @pytest.mark.parametrize("compiled", [True, False])
    def test_of_several_optimizers_the_one_of_each_batch_counts(self, compiled):
        gan = Gan()
        watch = ko.ActivationSpread(X, frequency=4, model=gan.generator)
        if compiled:
            gan.compile()  # with an optimizer that is never used
        gan.train_by_hand(watch, critic_updates=3)
        assert times(watch) == [(0, 0), (0, 4), (1, 8)]
        again = ko.ActivationSpread(X, model=gan.generator)
        gan.train_by_hand(watch, again, critic_updates=3)
        assert times(watch)[3:] == [(0, 12), (1, 16)]
        assert times(again) == [(0, 12), (1, 16)]

    def test_updates_that_were_skipped_are_batches(self):
        watch, y = ko.ActivationSpread(X), Y.copy()
        y[:16] = math.inf
        model = network()
        scaled = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1))
        model.compile(scaled, "mse")
        for _ in range(2):
            model.fit(X, y, batch_size=8, shuffle=False, verbose=0, callbacks=[watch])
        assert times(watch) == [(0, 8), (0, 16)]
        fresh = ko.ActivationSpread(X)
        model.fit(X, Y, batch_size=8, verbose=0, callbacks=[fresh])
        assert times(fresh) == [(0, 12 + 8)]


class TestTraining:
    def test_is_the_same_with_it(self):
        weights = []
        for callbacks in ([], [ko.ActivationSpread(X), ko.ActivationSpread(X, frequency=3)]):
            keras.utils.set_random_seed(0)
            layers = [
                keras.layers.Dropout(0.5),
                Dense(4, "tanh"),
                keras.layers.BatchNormalization(),
            ]
            model = keras.Sequential([keras.Input((4,)), *layers, Dense(1)])
            model.compile("adam", "mse")
            fit(model, *callbacks)
            weights.append(model.get_weights())
        for a, b in zip(*weights, strict=True):
            np.testing.assert_array_equal(a, b)

    def test_it_goes_on_recording_when_training_fails(self, tmp_path):
        watch = ko.ActivationSpread(X, csv_path=tmp_path / "log.csv")
        history = fit(network(rate=1e30), watch)
        assert len(times(watch)) == 2
        assert math.isnan(values(watch)[-1])
        assert math.isnan(history.history["spread_min"][-1])
        assert (tmp_path / "log.csv").read_text().rstrip().endswith(",nan")

    def test_subclassed_models_are_watched(self):
        class Model(keras.Model):
            def __init__(self):
                super().__init__()
                self.inside = [Dense(4, "tanh", name="a"), Dense(4, "tanh", name="b")]

            def call(self, x):
                for layer in self.inside:
                    x = layer(x)
                return x

        model, watch = Model(), ko.ActivationSpread(X)
        model.compile("sgd", "mse")
        fit(model, watch, epochs=1)
        assert {row["layer"] for row in watch.history.rows} == {"a", "b"}


class TestLogs:
    def test_history_and_the_callbacks_after_it_see_three_numbers(self, tmp_path):
        path = tmp_path / "keras.csv"
        watch = ko.ActivationSpread(X)
        history = fit(network(), watch, keras.callbacks.CSVLogger(path)).history
        assert set(history) == {"loss"} | SUMMARY
        pairs = list(zip(values(watch), values(watch, "b"), strict=True))
        assert history["spread_min"] == [min(pair) for pair in pairs]
        assert history["spread_max"] == [max(pair) for pair in pairs]
        with path.open() as file:
            logged = [float(row["spread_min"]) for row in csv.DictReader(file)]
        assert logged == pytest.approx(history["spread_min"])

    def test_training_stops_by_them(self):
        stop = keras.callbacks.EarlyStopping("spread_min", mode="max", min_delta=10, patience=1)
        history = fit(network(), ko.ActivationSpread(X), stop, epochs=5)
        assert len(history.epoch) == 2

    def test_they_are_nan_until_something_is_known(self):
        watch = ko.ActivationSpread(X, layers="c")
        model = keras.Sequential([keras.Input((4,)), Dense(3, "relu", name="c"), Dense(1)])
        model.compile("sgd", "mse")
        history = fit(model, watch).history
        assert np.isnan(history["saturated_max"]).all()
        assert np.isfinite(history["spread_min"]).all()


class Sequence(keras.utils.PyDataset):
    def __len__(self):
        return 4

    def __getitem__(self, index):
        return X[16 * index : 16 * index + 16], Y[16 * index : 16 * index + 16]


def tf_dataset():
    tf = pytest.importorskip("tensorflow")
    return tf.data.Dataset.from_tensor_slices((X, Y)).batch(16)


def torch_loader():
    torch = pytest.importorskip("torch")
    dataset = torch.utils.data.TensorDataset(torch.tensor(X), torch.tensor(Y))
    return torch.utils.data.DataLoader(dataset, batch_size=16)


class TestData:
    @pytest.mark.parametrize(
        ("make", "batches", "seen"),
        [
            (lambda: X, 1, 64),
            (lambda: (X, Y), 1, 64),
            (lambda: ops.convert_to_tensor(X), 1, 64),
            (lambda: np.concatenate([X] * 8), 1, 256),
            (lambda: (X[:32] for _ in range(9)), 2, 32),
            (Sequence, 1, 16),
            (lambda: Sequence(workers=1), 3, 48),
            (tf_dataset, 3, 48),
            (torch_loader, 3, 48),
        ],
        ids=["array", "tuple", "tensor", "long", "generator", "one", "several", "tf", "torch"],
    )
    def test_of_every_sort(self, make, batches, seen):
        model = network()
        watch = ko.ActivationSpread(make(), frequency="train_begin", batches=batches)
        h = ops.convert_to_numpy(model.layers[0](X[: min(seen, 64)]))
        fit(model, watch, epochs=1)
        assert values(watch) == pytest.approx([h.std()], rel=1e-4)

    def test_it_is_read_once(self):
        reads = []

        def batches():
            reads.append(1)
            yield X

        watch = ko.ActivationSpread(batches())
        model = network()
        fit(model, watch)
        fit(model, watch)
        assert len(reads) == 1
        assert len(times(watch)) == 4


class TestModel:
    def test_a_model_inside_the_trained_one_is_watched(self):
        gan = Gan()
        watch = ko.ActivationSpread(X, model=gan.generator, layers="b")
        logs = keras.callbacks.History()
        gan.train_by_hand(watch, logs)
        assert {row["layer"] for row in watch.history.rows} == {"b"}
        report = ko.signal_report(gan.generator, X, layers="b")
        spread = report.layers[0].statistics["std"]
        assert values(watch, "b")[-1] == pytest.approx(spread)
        assert logs.history["spread_max"][-1] == pytest.approx(spread)

    def test_its_weights_are_those_of_the_step(self):
        inner, outer = network(), Dense(1)
        model = keras.Sequential([keras.Input((4,)), inner, outer])
        model.compile("sgd", "mse")
        inside, whole = (ko.ActivationSpread(X, frequency=3, model=m) for m in (inner, None))
        fit(model, inside, whole)
        assert len(set(values(inside))) == 6
        assert values(inside) == pytest.approx(values(whole))

    def test_a_model_that_is_not_built_is_built_on_the_data(self):
        gan = Gan(keras.Sequential([Dense(5, "tanh", name="a"), Dense(1)]))
        watch = ko.ActivationSpread(X, model=gan.generator)
        gan.train_by_hand(watch)
        assert len(values(watch)) == 2

    @pytest.mark.parametrize("layers", [None, "a"])
    def test_one_without_a_call_is_told_which_there_are(self, layers):
        message = r"`model` must.*Gan has none.*generator.*critic.*Received: model=None$"
        with pytest.raises(ValueError, match=message):
            Gan().train_by_hand(ko.ActivationSpread(X, layers=layers))
        with pytest.raises(ValueError, match=r"Gan has none.*Received: model=<Gan"):
            Gan().train_by_hand(ko.ActivationSpread(X, model=Gan()))

    def test_what_cannot_be_measured_shows_before_the_first_batch(self):
        class Unused(keras.Model):
            def __init__(self):
                super().__init__()
                self.a, self.b = Dense(4, "tanh", name="a"), Dense(4, "tanh", name="b")
                self.b.build((None, 4))

            def call(self, x):
                return self.a(x)

        batches = []
        count = keras.callbacks.LambdaCallback(
            on_train_batch_end=lambda batch, logs: batches.append(1)
        )
        model = Unused()
        model.compile("sgd", "mse")
        with pytest.raises(ValueError, match="None of them was called"):
            fit(model, count, ko.ActivationSpread(X, layers="b"))
        assert not batches


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))], ids=["copy", "pickle"]
)
class TestCopies:
    @pytest.mark.parametrize("given", ["array", "tensor", "dict"])
    def test_of_a_used_callback_are_as_new(self, copied, given, tmp_path):
        data = {"array": X, "tensor": ops.convert_to_tensor(X), "dict": {"x": X}}[given]
        inputs = keras.Input((4,), name="x")
        outputs = Dense(1)(Dense(5, "tanh", name="a")(inputs))
        model = keras.Model({"x": inputs} if given == "dict" else inputs, outputs)
        model.compile(keras.optimizers.SGD(0.1), "mse")
        path = tmp_path / "spread.csv"
        used = ko.ActivationSpread(data, ["a"], csv_path=path, log_dir=tmp_path / "logs")
        before = copied(used)
        for i, each in enumerate((used, before, copied(used))):
            assert len(each.history) == 0
            model.fit(data, Y, batch_size=8, verbose=0, callbacks=[each])
            assert times(each) == [(0, 8 * (i + 1))]
            h = ops.convert_to_numpy(model.get_layer("a")(X))
            assert values(each) == pytest.approx([h.std()], rel=1e-4)
        assert len(path.read_text().splitlines()) == 1 + 3 * len(used.history)

    def test_of_one_in_use_leave_it_in_use(self, copied):
        watch, copies = ko.ActivationSpread(X, frequency=4), []
        copying = keras.callbacks.LambdaCallback(
            on_train_batch_end=lambda batch, logs: copies.append(copied(watch))
        )
        fit(network(), watch, copying, epochs=1)
        assert len(copies) == 8
        assert len(times(watch)) == 3
        assert all(len(each.history) == 0 for each in copies)

    def test_write_a_file_of_their_own_when_theirs_is_gone(self, copied, tmp_path):
        path = tmp_path / "folder" / "spread.csv"
        each = copied(ko.ActivationSpread(X, csv_path=path))
        path.unlink()
        path.parent.rmdir()
        fit(network(), each)
        with path.open() as file:
            assert len(list(csv.DictReader(file))) == len(each.history)

    def test_of_a_history_have_its_rows(self, copied):
        watch = ko.ActivationSpread(X)
        fit(network(), watch)
        assert copied(watch.history) == watch.history

    def test_of_a_subclass_keep_what_it_adds(self, copied):
        each = copied(Named("name"))
        fit(network(), each)
        assert each.name == "name"
        assert len(times(each)) == 2


class Named(ko.ActivationSpread):
    def __init__(self, name):
        super().__init__(X)
        self.name = name


def test_a_deep_copy_shares_what_is_only_read():
    model = network()
    layer = model.layers[0]
    used = ko.ActivationSpread((X[:8] for _ in range(2)), layers=[layer], model=model)
    fit(model, used)
    each = copy.deepcopy(used)
    fit(model, each)
    assert times(each) == [(0, 24), (1, 32)]
    assert {row["layer"] for row in each.history.rows} == {"a"}


class TestFiles:
    def test_the_rows_are_streamed_and_appended_when_resumed(self, tmp_path):
        path = tmp_path / "new" / "spread.csv"
        model, sizes = network(), []

        class Look(keras.callbacks.Callback):
            def on_epoch_end(self, epoch, logs=None):
                sizes.append(len(path.read_text().splitlines()))

        first = ko.ActivationSpread(X, csv_path=path)
        fit(model, first, Look())
        assert sizes == [1 + len(first.history) // 2, 1 + len(first.history)]
        with path.open("a") as file:
            file.write("1,16,a,st")  # a run that was killed
        second = ko.ActivationSpread(X, csv_path=str(path))
        fit(model, second, initial_epoch=2, epochs=3)
        with path.open(newline="") as file:
            found = list(csv.DictReader(file))
        rows = first.history.rows + second.history.rows
        assert [list(row.values())[:4] for row in found] == [
            [str(value) for value in list(row.values())[:4]] for row in rows
        ]
        assert [float(row["value"]) for row in found] == pytest.approx(
            [row["value"] for row in rows], nan_ok=True
        )
        assert found[-1]["step"] == "24"

    def test_another_table_is_not_touched(self, tmp_path):
        path = tmp_path / "other.csv"
        path.write_text("epoch,loss\n0,1.0\n")
        with pytest.raises(ValueError, match=r"`csv_path` must be.*Received: .*'epoch,loss'"):
            ko.ActivationSpread(X, csv_path=path)
        assert path.read_text() == "epoch,loss\n0,1.0\n"

    def test_tensorboard_gets_scalars_and_histograms(self, tmp_path, monkeypatch):
        if BACKEND != "tensorflow":
            monkeypatch.setitem(sys.modules, "tensorflow", None)  # an import would fail
        watch = ko.ActivationSpread(X, log_dir=tmp_path)
        fit(network(), watch)
        (path,) = tmp_path.iterdir()
        events = {(e.step, v.tag): v for e in events_of(path) for v in e.summary.value}
        for row in watch.history.rows:
            if math.isfinite(row["value"]):
                found = events[row["step"], f"{row['statistic']}/{row['layer']}"]
                assert found.simple_value == pytest.approx(row["value"], rel=1e-6)
        histogram = events[16, "a"].histo
        assert histogram.num == sum(histogram.bucket) == 64 * 5
        assert histogram.min == pytest.approx(values(watch, "a", "min")[-1])
        assert histogram.sum_squares / histogram.num == pytest.approx(
            values(watch, "a", "rms")[-1] ** 2, rel=1e-4
        )

    def test_pandas_is_asked_for_by_name(self, monkeypatch):
        watch = ko.ActivationSpread(X, frequency="train_begin")
        fit(network(), watch, epochs=1)
        if importlib.util.find_spec("pandas") is not None:
            frame = watch.history.to_pandas()
            assert frame.to_dict("records")[0] == watch.history.rows[0]
        monkeypatch.setitem(sys.modules, "pandas", None)
        with pytest.raises(ImportError, match="pip install pandas"):
            watch.history.to_pandas()


def events_of(path: Path):
    """The records of a TensorBoard file: length, checksum, event, checksum."""
    from tensorboardX.proto.event_pb2 import Event

    content, at = path.read_bytes(), 0
    while at < len(content):
        (length,) = struct.unpack_from("<Q", content, at)
        yield Event.FromString(content[at + 12 : at + 12 + length])
        at += 16 + length


class TestErrors:
    @pytest.mark.parametrize(
        ("arguments", "error", "message"),
        [
            ({"data": 3}, TypeError, "`data` must be an array"),
            ({"data": "x.npy"}, TypeError, "Received: data='x.npy'"),
            ({"layers": 3}, TypeError, "Received: layers=3"),
            ({"frequency": "step"}, ValueError, "Received: frequency='step'"),
            ({"frequency": 0}, ValueError, "Received: frequency=0"),
            ({"frequency": 2.5}, TypeError, "Received: frequency=2.5"),
            ({"batches": 0}, ValueError, "Received: batches=0"),
            ({"csv_path": 3}, TypeError, "Received: csv_path=3"),
            ({"model": Dense(3)}, TypeError, "Received: model=<Dense"),
        ],
    )
    def test_come_at_construction(self, arguments, error, message):
        with pytest.raises(error, match=message):
            ko.ActivationSpread(**{"data": X, **arguments})

    def test_tensorboard_says_what_it_needs(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "tensorboardX", None)
        with pytest.raises(ImportError, match=r"keras-oddsig\[tensorboard\]"):
            ko.ActivationSpread(X, log_dir="logs")

    def test_layers_and_data_are_checked_when_training_begins(self):
        with pytest.raises(ValueError, match=r"has a, .*Received: 'none'"):
            fit(network(), ko.ActivationSpread(X, layers="none"))
        with pytest.raises(ValueError, match="`data` must hold a batch"):
            fit(network(), ko.ActivationSpread(iter([])))

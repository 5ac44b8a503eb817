"""The command line: its numbers, its exit status, and files that are broken or hostile."""

import base64
import doctest
import io
import json
import math
import os
import pickle
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest

import keras_oddsig as ko
from keras_oddsig import _functions, activations, cli
from keras_oddsig.cli import inspection

WIDTH = 16


def network(init, depth=6, outputs=3):
    hidden = [
        keras.layers.Dense(WIDTH, ko.Tanh(), kernel_initializer=init(), name=f"hidden_{i}")
        for i in range(1, depth + 1)
    ]
    last = keras.layers.Dense(outputs, "softmax", name="probabilities")
    return keras.Sequential([keras.Input((WIDTH,)), *hidden, last])


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A healthy model, one that collapses, inputs and targets."""
    folder = tmp_path_factory.mktemp("files")
    keras.utils.set_random_seed(0)
    network(lambda: ko.OddSigmoidOrthogonal("tanh", depth=6)).save(folder / "healthy.keras")
    tiny = keras.initializers.RandomNormal
    network(lambda: tiny(stddev=0.05)).save(folder / "collapsing.keras")
    rng = np.random.default_rng(0)
    np.save(folder / "x.npy", rng.standard_normal((64, WIDTH)).astype("float32"))
    np.save(folder / "y.npy", rng.integers(0, 3, 64))
    return folder


@pytest.fixture
def run(capsys):
    """Runs the command; returns its status, standard output and the lines of the error."""

    def call(*argv):
        try:
            status = cli.main([str(argument) for argument in argv])
        except SystemExit as stopped:
            status = stopped.code
        output, errors = capsys.readouterr()
        return status, output, errors.splitlines()

    return call


@pytest.fixture
def refused(run):
    """Runs a command that must fail: status 2, one line, nothing on the standard output."""

    def call(*argv):
        status, output, errors = run(*argv)
        assert (status, output) == (2, "")
        (line,) = errors
        assert line.startswith("keras-oddsig")
        assert "Traceback" not in line
        assert line.isprintable()
        assert len(line) < 400
        return line

    return call


class TestSolve:
    def test_json_holds_what_the_solver_and_the_initializers_say(self, run):
        status, output, errors = run(
            *("solve", "--activation", "erf", "--depth", 50, "--width", 64),
            *("--negative-rate", 0.2, "--input-std", 2, "--json"),
        )
        assert (status, errors) == (0, [])
        numbers = json.loads(output)
        erf = ko.Erf()
        scale = ko.noise_scale(50, 0.2)
        point = ko.orthogonal_gain(erf.reference, 50)
        assert numbers == pytest.approx(
            {
                "activation": "erf",
                "depth": 50,
                "width": 64,
                "input_std": 2.0,
                "critical_gain": math.sqrt(math.pi) / 2,
                "noise_scale": scale,
                "kernel_noise_std": math.sqrt(math.pi) / 2 * scale / 8,
                "predicted_spread": ko.spread(erf.profile, 50, scale),
                "predicted_negative_rate": 0.2,
                "orthogonal_gain": point.gain,
                "orthogonal_kernel_std": point.gain * math.sqrt(math.pi) / 2 / 8,
                "orthogonal_spread": point.spread,
                "orthogonal_chi": 1 + 1 / 50,
                "first_layer_gain": point.gain * point.spread / 4,
            }
        )

    @pytest.mark.skipif(
        keras.backend.backend() != "torch", reason="the solver has no backend; PyTorch starts soon"
    )
    def test_derivatives_of_a_function_of_few_inputs(self, run):
        asked = ("--depth", 6, "--inputs", 2, "--input-std", 0.58)
        _, output, _ = run("solve", *asked, "--json")
        numbers = json.loads(output)
        first = ko.OddSigmoidOrthogonal("tanh", depth=6, input_std=0.58)
        hidden, diagonal = (cls("tanh", depth=6) for cls in (first.__class__, ko.OddSigmoidInit))
        x = np.random.default_rng(0).uniform(-1, 1, (64, 2)).astype("float32")
        smooth = ko.OddSigmoidOrthogonal("tanh", depth=6, input_dim=2)
        assert numbers["smooth_gain"] == smooth.effective_gain
        for kernel, kernels in {
            "orthogonal": [first, hidden],
            "diagonal": [diagonal] * 2,
            "smooth": [smooth] * 2,
        }.items():
            layers = [
                keras.layers.Dense(256, "tanh", kernel_initializer=kernels[i > 0]) for i in range(6)
            ]
            model = keras.Sequential([keras.Input((2,)), *layers])
            found = ko.signal_report(model, x).layers[-1].statistics
            for order in ("first", "second"):
                predicted = numbers[f"{kernel}_{order}_derivative"]
                assert found[f"{order}_derivative"] == pytest.approx(predicted, rel=0.25)
        _, table, _ = run("solve", *asked)
        assert f"{numbers['orthogonal_second_derivative']:.5g} │" in table
        assert f"{numbers['smooth_second_derivative']:.5g} │" in table
        assert "derivative" not in run("solve")[1]

    def test_standard_deviations_are_those_of_the_kernels(self, run):
        _, output, _ = run("solve", "--activation", "langevin", "--width", 200, "--json")
        numbers = json.loads(output)
        kernel = keras.ops.convert_to_numpy(ko.OddSigmoidInit("langevin")((200, 200)))
        noise = kernel - ko.Langevin().profile.critical_gain * np.eye(200)
        assert noise.std() == pytest.approx(numbers["kernel_noise_std"], rel=0.03)
        rotation = keras.ops.convert_to_numpy(ko.OddSigmoidOrthogonal("langevin")((200, 200)))
        assert rotation.std() == pytest.approx(numbers["orthogonal_kernel_std"], rel=0.03)
        first = ko.OddSigmoidOrthogonal("langevin", input_std=1.0)
        ratio = keras.ops.convert_to_numpy(first((200, 200))).std() / rotation.std()
        gains = numbers["first_layer_gain"] / numbers["orthogonal_gain"]
        assert ratio == pytest.approx(gains, rel=0.03)

    def test_it_knows_the_names_that_get_knows_and_the_same_functions(self):
        assert list(_functions.NAMED) == list(activations.CLASSES)
        x = np.linspace(-3, 3, 7)
        for name, function in _functions.NAMED.items():
            assert function.profile == ko.get(name).profile
            assert function.reference(x) == pytest.approx(ko.get(name).reference(x))

    def test_it_imports_no_backend(self):
        code = (
            "import sys; from keras_oddsig import cli; cli.main(['solve', '--json']);"
            "sys.exit(', '.join({'keras', 'tensorflow', 'jax', 'torch'} & set(sys.modules)))"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.stderr.strip() == ""
        assert json.loads(done.stdout)["activation"] == "tanh"

    @pytest.mark.parametrize("module", ["keras_oddsig", "keras_oddsig.cli"])
    def test_a_reader_may_leave(self, module):
        process = subprocess.Popen(
            [sys.executable, "-m", module, "solve"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        process.stdout.close()
        assert process.stderr.read() == ""
        process.stderr.close()
        assert process.wait() != 0

    def test_a_noise_scale_predicts_its_negative_rate(self, run):
        _, output, _ = run("solve", "--depth", 100, "--noise-scale", 0.085, "--json")
        numbers = json.loads(output)
        assert numbers["noise_scale"] == 0.085
        assert numbers["predicted_negative_rate"] == pytest.approx(ko.negative_rate(100, 0.085))

    @pytest.mark.parametrize("name", ["tanh", "arctan", "algebraic", "softsign", "bipolar_sigmoid"])
    def test_table_shows_every_number(self, name, run):
        _, output, _ = run("solve", "--activation", name, "--json")
        numbers = json.loads(output)
        asked = {name: numbers.pop(name) for name in ("activation", "depth", "width", "input_std")}
        assert asked == {"activation": name, "depth": 100, "width": 256, "input_std": 1.0}
        status, output, errors = run("solve", "--activation", name)
        assert (status, errors) == (0, [])
        assert len(numbers) == 10
        for number in numbers.values():
            assert f"{number:.5g} │" in output
        assert "first layer, for inputs of standard deviation 1 " in output
        assert f"{name}, 100 layers of 256 units" in output

    @pytest.mark.parametrize(
        ("argument", "value", "words"),
        [
            ("--activation", "relu", "must be one of algebraic, arctan, bipolar_sigmoid, erf"),
            ("--depth", "0", "Received: --depth=0"),
            ("--depth", "ten", "--depth"),
            ("--width", "-3", "Received: --width=-3"),
            ("--input-std", "0", "Received: --input-std=0.0"),
            ("--inputs", "9", "must be from 1 to 8. Received: 9"),
            ("--negative-rate", "0.5", "Received: --negative-rate=0.5"),
            ("--negative-rate", "nan", "Received: --negative-rate=nan"),
            ("--noise-scale", "inf", "--noise-scale"),
            ("--noise-scale", "-1", "--noise-scale"),
            ("--colour", "red", "--colour"),
        ],
    )
    def test_a_bad_argument_is_named_in_one_line(self, argument, value, words, refused):
        assert words in refused("solve", argument, value)

    def test_a_command_is_required(self, refused):
        assert "solve" in refused()
        assert "paint" in refused("paint")
        assert "--noise-scale" in refused("solve", "--noise-scale", 1, "--negative-rate", 0.1)

    def test_help_is_no_error(self, run):
        status, output, errors = run("solve", "--help")
        assert (status, errors) == (0, [])
        assert "--negative-rate" in output


class TestTailor:
    def test_it_writes_another_file_whose_signal_is_healthy(self, run, files, tmp_path):
        source, target = files / "collapsing.keras", tmp_path / "tailored.keras"
        before = source.read_bytes()
        status, output, errors = run(
            *("tailor", source, "--data", files / "x.npy", "-o", target, "--seed", 1)
        )
        assert (status, errors) == (0, [f"keras-oddsig: {target} is written"])
        assert source.read_bytes() == before
        assert "hidden_6" in output
        assert "softmax" in output
        model, x = keras.saving.load_model(target), np.load(files / "x.npy")
        assert ko.signal_report(model, x).healthy
        assert model.layers[1].kernel_initializer.depth == 6
        assert list(tmp_path.iterdir()) == [target]

    def test_json_is_the_report_and_a_dry_run_writes_nothing(self, run, files, tmp_path):
        source = files / "collapsing.keras"
        status, output, errors = run(
            *("tailor", source, "--dry-run", "--json", "-o", tmp_path / "m.keras"),
            *("--method", "diagonal", "--depth", 9),
        )
        assert (status, errors) == (0, [])
        expected = ko.tailor(
            keras.saving.load_model(source), method="diagonal", depth=9, dry_run=True
        )
        assert json.loads(output) == expected.to_dict()
        assert not list(tmp_path.iterdir())

    def test_its_own_input_is_overwritten_only_if_told_so(self, run, refused, files, tmp_path):
        model = tmp_path / "m.keras"
        model.write_bytes((files / "collapsing.keras").read_bytes())
        before = model.read_bytes()
        assert "--overwrite" in refused("tailor", model, "-o", model)
        assert model.read_bytes() == before
        assert run("tailor", model, "-o", model, "--overwrite")[0] == 0
        assert model.read_bytes() != before

    def test_rates_alone_are_written_too(self, run, files, tmp_path):
        source, target = tmp_path / "m.keras", tmp_path / "tailored.keras"
        entry = keras.Input((WIDTH,))
        last = keras.layers.Dense(2, name="last")
        keras.Model(entry, last(ko.DynamicTanh(name="dynamic")(entry * 50))).save(source)

        def rename(config):
            for each in config["config"]["layers"]:
                if each["name"] == "dynamic":
                    each["config"]["name"] = "\x1b[31mdynamic"

        if keras.backend.backend() != "tensorflow":  # which names what it compiles after layers
            source = rewritten(source, tmp_path / "named.keras", rename)
        data = ("--data", files / "x.npy")
        status, output, errors = run("tailor", source, *data, "--dry-run")
        assert (status, errors) == (0, [])
        assert "set by the data that enter" in output.replace("\n", " ")
        status, output, errors = run("tailor", source, *data, "-o", target)
        assert (status, errors) == (0, [f"keras-oddsig: {target} is written"])
        assert "dynamic" in output
        assert "\x1b" not in output
        assert "0 of 1 kernels tailored. 1 of 1 rates set." in output
        model = keras.saving.load_model(target)
        (found,) = [each for each in model.layers if isinstance(each, ko.DynamicTanh)]
        assert found.rate == pytest.approx(0.005, rel=0.1)

    def test_a_model_without_such_kernels_is_1_and_no_file(self, run, tmp_path):
        last = keras.layers.Dense(2, "relu")
        keras.Sequential([keras.Input((3,)), last]).save(tmp_path / "relu.keras")
        status, _, errors = run("tailor", tmp_path / "relu.keras", "-o", tmp_path / "m.keras")
        assert status == 1
        assert "no kernel" in errors[-1]
        assert not (tmp_path / "m.keras").exists()

    @pytest.mark.parametrize(
        ("more", "words"),
        [
            ([], "-o must be given"),
            (["-o", "m.h5"], ".keras"),
            (["-o", "nowhere/m.keras"], "not a directory"),
            (["--dry-run", "--samples", "0"], "--samples"),
            (["--dry-run", "--depth", "0"], "Received: --depth=0"),
            (["--dry-run", "--seed", "-1"], "Received: --seed=-1"),
            (["--dry-run", "--seed", str(2**32)], f"Received: --seed={2**32}"),
            (["--dry-run", "--data", "none.npy"], "none.npy"),
        ],
        ids=str,
    )
    def test_an_argument_of_no_use_is_named(self, more, words, refused, files):
        assert words in refused("tailor", files / "healthy.keras", *more)

    def test_a_file_that_is_no_model_is_named(self, refused, tmp_path):
        (tmp_path / "m.keras").write_text("no model")
        assert "not a .keras file" in refused("tailor", tmp_path / "m.keras", "--dry-run")


class TestInspect:
    def test_healthy_is_0(self, run, files):
        status, output, errors = run("inspect", files / "healthy.keras", "--data", files / "x.npy")
        assert status == 0
        (line,) = errors
        assert line.endswith("is healthy")
        assert "hidden_6" in output

    def test_unhealthy_is_1_and_says_where_and_why(self, run, files):
        status, output, errors = run(
            "inspect", files / "collapsing.keras", "--data", files / "x.npy"
        )
        assert status == 1
        (line,) = errors
        assert "not healthy: collapsing, from hidden_" in line
        assert "collapsing" in output

    def test_its_advice_is_a_command_that_cures(self, run, files, tmp_path, monkeypatch):
        folder = tmp_path / "my models"
        folder.mkdir()
        shutil.copy(files / "collapsing.keras", folder)
        monkeypatch.chdir(folder)
        _, output, (line,) = run(
            "inspect", folder / "collapsing.keras", "--data", files / "x.npy", "--json"
        )
        advice = json.loads(output)["advice"]
        assert advice in line
        (command,) = re.findall(r"keras-oddsig (tailor .* -o tailored\.keras)", advice)
        assert run(*shlex.split(command))[0] == 0
        assert run("inspect", "tailored.keras", "--data", files / "x.npy")[0] == 0

    def test_derivatives_are_judged_if_asked(self, run, tmp_path):
        init = ko.OddSigmoidOrthogonal("tanh", depth=20)
        layers = [keras.layers.Dense(16, "tanh", kernel_initializer=init) for _ in range(20)]
        keras.Sequential([keras.Input((1,)), *layers]).save(tmp_path / "rough.keras")
        np.save(tmp_path / "x.npy", np.linspace(-1, 1, 64, dtype="float32")[:, None])
        asked = ("inspect", tmp_path / "rough.keras", "--data", tmp_path / "x.npy")
        assert run(*asked)[0] == 0
        status, _, (line,) = run(*asked, "--derivatives")
        assert status == 1
        assert "not healthy: rough, from dense" in line
        assert "input_dim=m" in line

    def test_json_is_the_report_and_nothing_else(self, run, files):
        status, output, _ = run(
            *("inspect", files / "collapsing.keras", "--data", files / "x.npy", "--json"),
            *("--y", files / "y.npy", "--loss", "sparse_categorical_crossentropy"),
        )
        assert status == 1
        model = keras.saving.load_model(files / "collapsing.keras")
        x, y = np.load(files / "x.npy"), np.load(files / "y.npy")
        report = ko.signal_report(model, x, y, "sparse_categorical_crossentropy").to_dict()
        found = json.loads(output)
        assert found["verdict"] == report["verdict"]
        assert found["start"] == report["start"]
        for layer, other in zip(found["layers"], report["layers"], strict=True):
            assert layer["name"] == other["name"]
            assert layer["statistics"] == pytest.approx(other["statistics"], rel=1e-3, abs=1e-6)
        assert "kernel_gradient" in found["layers"][0]["statistics"]

    def test_samples_are_the_first_ones(self, run, files):
        def spread(*more):
            _, output, _ = run(
                "inspect", files / "healthy.keras", "--data", files / "x.npy", "--json", *more
            )
            return json.loads(output)["layers"][0]["statistics"]["std"]

        model = keras.saving.load_model(files / "healthy.keras")
        x = np.load(files / "x.npy")[:8]
        first = model.layers[0](x)
        assert spread("--samples", 8) == pytest.approx(
            float(np.std(keras.ops.convert_to_numpy(first))), rel=1e-4
        )
        assert spread() != spread("--samples", 8)

    def test_logits_are_told_to_the_loss(self, files):
        y, logits = np.array([0, 2]), np.array([[1.0, 2.0, 3.0], [0.0, 0.0, 5.0]], "float32")
        probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        expected = -np.log(probabilities[[0, 1], y])
        for name in ("sparse_categorical_crossentropy", "SparseCategoricalCrossentropy"):
            plain, told = (inspection._loss(name, from_logits) for from_logits in (False, True))
            for loss, outputs in ((plain, probabilities), (told, logits)):
                value = keras.ops.convert_to_numpy(loss(y, outputs))
                assert np.mean(value) == pytest.approx(expected.mean(), rel=1e-3)

    def test_plot_draws_a_picture(self, run, files, tmp_path):
        picture = tmp_path / "signal.png"
        status, _, _ = run(
            "inspect", files / "healthy.keras", "--data", files / "x.npy", "--plot", picture
        )
        assert status == 0
        assert picture.read_bytes().startswith(b"\x89PNG")

    @pytest.mark.parametrize(
        ("more", "words"),
        [
            (["--y", "y.npy"], "--loss"),
            (["--loss", "mse"], "--y"),
            (["--from-logits"], "--loss"),
            (["--y", "y.npy", "--loss", "love"], "love"),
            (["--y", "y.npy", "--loss", "mse", "--from-logits"], "mse"),
            (["--y", "short.npy", "--loss", "mse"], "Received: 63"),
            (["--samples", "0"], "--samples"),
            (["--plot", "signal.psd"], "must end in one of"),
            (["--plot", "nowhere/signal.png"], "not a directory"),
        ],
    )
    def test_arguments_that_do_not_fit_are_named(self, more, words, refused, files, monkeypatch):
        monkeypatch.chdir(files)
        np.save("short.npy", np.zeros(63))
        assert words in refused("inspect", "healthy.keras", "--data", "x.npy", *more)

    def test_inputs_of_another_shape_are_compared_with_the_models(self, refused, files, tmp_path):
        for shape, words in (((8, 5), "holds 5"), ((8,), "one number"), ((8, 2, 16), "2 x 16")):
            np.save(tmp_path / "x.npy", np.zeros(shape))
            line = refused("inspect", files / "healthy.keras", "--data", tmp_path / "x.npy")
            assert f"takes samples of {WIDTH}" in line
            assert words in line

    @pytest.mark.filterwarnings("ignore:When providing `inputs` as a dict")
    @pytest.mark.parametrize("structure", ["list", "dict", "keys"])
    def test_several_inputs_come_by_name(self, structure, run, refused, files, tmp_path):
        b, a = keras.Input((WIDTH,), name="b"), keras.Input((3,), name="a")
        h = keras.layers.Dense(WIDTH, ko.Tanh(), name="h")(b)
        outputs = keras.layers.Concatenate()([h, a])
        inputs = [b, a] if structure == "list" else {"b": b, "a": a}
        if structure == "keys":  # by which the model knows them, while the tensors have other names
            b, a = keras.Input((WIDTH,), name="first"), keras.Input((3,), name="second")
            h = keras.layers.Dense(WIDTH, ko.Tanh(), name="h")(b)
            outputs, inputs = keras.layers.Concatenate()([h, a]), {"b": b, "a": a}
        path, data = tmp_path / "two.keras", tmp_path / "two.npz"
        keras.Model(inputs, outputs).save(path)
        x = np.load(files / "x.npy")
        np.savez(data, a=x[:, :3], b=x)
        _, output, _ = run("inspect", path, "--data", data, "--json")
        h = keras.ops.convert_to_numpy(keras.saving.load_model(path).get_layer("h")(x))
        (layer,) = json.loads(output)["layers"]
        assert layer["statistics"]["std"] == pytest.approx(float(h.std()), rel=1e-4)

        assert "takes 2 inputs" in refused("inspect", path, "--data", files / "x.npy")
        for arrays, words in (
            ({"a": x[:, :3], "c": x}, "holds a, c"),
            ({"a": x, "b": x}, "takes samples of 3 as a"),
            ({"a": x[:9, :3], "b": x}, "arrays of [9, 64] samples"),
            ({"a": x[:, :3] * np.nan, "b": x}, "not finite"),
        ):
            np.savez(data, **arrays)
            assert words in refused("inspect", path, "--data", data)

    @pytest.mark.skipif(
        keras.backend.backend() == "tensorflow", reason="TensorFlow itself refuses such names"
    )
    @pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
    def test_names_that_the_output_cannot_hold_are_escaped(
        self, encoding, files, tmp_path, monkeypatch
    ):
        layer = keras.layers.Dense(WIDTH, "tanh", name="слой")
        keras.Sequential([keras.Input((WIDTH,)), layer]).save(tmp_path / "m.keras")
        output = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
        monkeypatch.setattr(sys, "stdout", output)
        arguments = ["inspect", tmp_path / "m.keras", "--data", files / "x.npy"]
        assert cli.main([str(argument) for argument in arguments]) == 0
        assert r"\u0441\u043b" in output.buffer.getvalue().decode(encoding)

    def test_a_single_input_needs_no_name(self, run, refused, files, tmp_path):
        x = np.load(files / "x.npy")
        np.savez(tmp_path / "x.npz", x)
        assert run("inspect", files / "healthy.keras", "--data", tmp_path / "x.npz")[0] == 0
        np.savez(tmp_path / "x.npz", x=x, z=x)
        line = refused("inspect", files / "healthy.keras", "--data", tmp_path / "x.npz")
        assert "holds x, z" in line

    def test_without_matplotlib_the_message_names_the_extra(self, refused, files, monkeypatch):
        monkeypatch.setitem(sys.modules, "matplotlib.backend_bases", None)
        x, picture = files / "x.npy", files / "signal.png"
        line = refused("inspect", files / "healthy.keras", "--data", x, "--plot", picture)
        assert "extra `plot`" in line

    @pytest.mark.skipif(
        keras.backend.backend() == "tensorflow", reason="TensorFlow itself refuses such names"
    )
    @pytest.mark.parametrize("name", ["[red]", "\x1b[31m", "$\\x{$"])
    def test_a_layer_may_have_any_name(self, name, run, files, tmp_path):
        def rename(config):
            layer(config)["config"]["name"] = name

        path = rewritten(files / "collapsing.keras", tmp_path / "named.keras", rename)
        x, picture = files / "x.npy", tmp_path / "signal.png"
        status, output, errors = run("inspect", path, "--data", x, "--plot", picture)
        assert status == 1
        assert name.replace("\x1b", " ") in output
        assert "\x1b" not in output
        (line,) = errors
        assert line.isprintable()
        assert picture.exists()

    def test_without_keras_the_message_is_one_line(self, refused, files, monkeypatch):
        monkeypatch.setitem(sys.modules, "keras", None)
        line = refused("inspect", files / "healthy.keras", "--data", files / "x.npy")
        assert "KERAS_BACKEND" in line


class TestUnreadableData:
    @pytest.fixture
    def inspected(self, refused, files):
        return lambda path: refused("inspect", files / "healthy.keras", "--data", path)

    @pytest.mark.parametrize(
        ("array", "words"),
        [
            (np.array([["a", "b"]]), "not real numbers"),
            (np.zeros((2, 2), dtype=[("a", "f4")]), "not real numbers"),
            (np.zeros((2, 2), dtype="complex64"), "not real numbers"),
            (np.zeros((0, WIDTH)), "no samples"),
            (np.zeros(()), "no samples"),
            (np.full((2, WIDTH), np.nan), "not finite"),
            (np.full((2, WIDTH), np.inf), "not finite"),
        ],
    )
    def test_an_array_of_no_use_is_described(self, array, words, inspected, tmp_path):
        np.save(tmp_path / "x.npy", array)
        assert words in inspected(tmp_path / "x.npy")

    def test_a_pickled_array_is_not_opened(self, inspected, tmp_path):
        marker = tmp_path / "executed"
        array = np.empty(2, dtype=object)
        array[:] = Boom(marker)
        np.save(tmp_path / "x.npy", array)
        inspected(tmp_path / "x.npy")
        (tmp_path / "y.npy").write_bytes(pickle.dumps(Boom(marker)))
        inspected(tmp_path / "y.npy")
        np.savez(tmp_path / "x.npz", array)
        inspected(tmp_path / "x.npz")
        assert not marker.exists()
        np.load(tmp_path / "x.npy", allow_pickle=True)
        assert marker.exists()  # what the file would have done

    def test_a_broken_file_is_named(self, inspected, files, tmp_path):
        whole = (files / "x.npy").read_bytes()
        header = io.BytesIO()
        np.lib.format.write_array_header_1_0(
            header, {"descr": "<f4", "fortran_order": False, "shape": (10**12, WIDTH)}
        )
        contents = {
            "truncated": whole[:200],
            "header only": whole[:40],
            "empty": b"",
            "text": b"1.0, 2.0\n",
            "huge": header.getvalue(),
        }
        for name, content in contents.items():
            (tmp_path / f"{name}.npy").write_bytes(content)
            assert f"{name}.npy cannot be read as a .npy file" in inspected(
                tmp_path / f"{name}.npy"
            )

    def test_an_archive_of_too_many_zeros_is_not_unpacked(self, inspected, tmp_path):
        np.savez_compressed(tmp_path / "x.npz", x=np.zeros((100, WIDTH)))
        content = (tmp_path / "x.npz").read_bytes()
        size = (100 * WIDTH * 8 + 128).to_bytes(4, "little")
        directory = content.rindex(b"PK\x01\x02")
        listed = content[directory:].replace(size, (3 * 2**30).to_bytes(4, "little"))
        (tmp_path / "x.npz").write_bytes(content[:directory] + listed)
        assert "x.npy would unpack to 3 GiB" in inspected(tmp_path / "x.npz")

    def test_what_is_no_file_is_named(self, inspected, files, tmp_path):
        np.savez(tmp_path / "x.npz", x=np.zeros((2, WIDTH)))
        (tmp_path / "archive.npy").write_bytes((tmp_path / "x.npz").read_bytes())
        (tmp_path / "array.npz").write_bytes((files / "x.npy").read_bytes())
        np.savez(tmp_path / "empty.npz")
        with zipfile.ZipFile(tmp_path / "text.npz", "w") as file:
            file.writestr("x.txt", "1.0, 2.0")
        for path, words in (
            (tmp_path / "none.npy", "No such file"),
            (tmp_path / "none.npz", "not a file"),
            (tmp_path, "directory"),
            (tmp_path / "archive.npy", "does not begin as one"),
            (tmp_path / "array.npz", "does not begin as one"),
            (tmp_path / "empty.npz", "arrays of [] samples"),
            (tmp_path / "text.npz", "more than arrays"),
        ):
            assert words in inspected(path)


class Boom:
    """Creates a file when it is unpickled."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return (Path.touch, (self.marker,))


def rewritten(source, target, change):
    """A copy of a .keras file whose config `change` has rewritten, or returned anew."""
    with zipfile.ZipFile(source) as honest, zipfile.ZipFile(target, "w") as hostile:
        for item in honest.namelist():
            content = honest.read(item)
            if item == "config.json":
                config = json.loads(content)
                changed = change(config)
                content = json.dumps(config if changed is None else changed).encode()
            hostile.writestr(item, content)
    return target


def layer(config, index=1):
    return config["config"]["layers"][index]


class TestUnreadableModels:
    @pytest.fixture
    def inspected(self, refused, files):
        return lambda path: refused("inspect", path, "--data", files / "x.npy")

    def test_what_is_no_file_is_named(self, inspected, files, tmp_path):
        (tmp_path / "folder.keras").mkdir()
        for name in ("none.keras", "folder.keras", "."):
            assert "is not a file" in inspected(tmp_path / name)
        assert "is not a file" in inspected("hf://someone/model")

    def test_a_file_of_another_kind_is_named(self, inspected, files, tmp_path):
        whole = (files / "healthy.keras").read_bytes()
        contents = {
            "empty.keras": b"",
            "text.keras": b"model",
            "truncated.keras": whole[: len(whole) // 2],
            "model.h5": b"\x89HDF\r\n\x1a\n",
            "model.zip": whole,
        }
        for name, content in contents.items():
            (tmp_path / name).write_bytes(content)
            assert f"{name} is not a .keras file" in inspected(tmp_path / name)

    @pytest.mark.parametrize("missing", ["config.json", "model.weights.h5"])
    def test_a_part_may_be_missing(self, missing, inspected, files, tmp_path):
        path = tmp_path / "part.keras"
        with zipfile.ZipFile(files / "healthy.keras") as whole, zipfile.ZipFile(path, "w") as part:
            for item in whole.namelist():
                if item != missing:
                    part.writestr(item, whole.read(item))
        assert "cannot be loaded" in inspected(path)

    def test_weights_may_be_garbage(self, inspected, files, tmp_path):
        path = tmp_path / "garbage.keras"
        with zipfile.ZipFile(files / "healthy.keras") as whole, zipfile.ZipFile(path, "w") as part:
            for item in whole.namelist():
                content = whole.read(item)
                part.writestr(item, content[:999] if item.endswith(".h5") else content)
        assert "cannot be loaded" in inspected(path)

    @pytest.mark.parametrize(
        "change",
        [
            lambda config: [],
            lambda config: {},
            lambda config: "model",
            lambda config: 3,
            lambda config: config.update(config=3),
            lambda config: config.update(class_name=None, registered_name=[]),
            lambda config: config["config"].update(layers="abc"),
            lambda config: config["config"].update(layers=[{"class_name": 1}]),
            lambda config: layer(config)["config"].update(units="many"),
            lambda config: layer(config)["config"].update(units=-1),
            lambda config: layer(config)["config"].update(activation={"a": "b"}),
            lambda config: layer(config)["config"].update(dtype="os.system"),
            lambda config: layer(config)["config"].update(name="\x1b[31m\n" * 200, units=3),
            lambda config: layer(config),  # a layer is no model
        ],
    )
    def test_a_config_may_hold_anything(self, change, inspected, files, tmp_path):
        path = rewritten(files / "healthy.keras", tmp_path / "odd.keras", change)
        assert "odd.keras cannot be loaded" in inspected(path)

    def test_a_key_that_is_missing_is_named(self, inspected, files, tmp_path):
        def change(config):
            del config["config"]["layers"]

        path = rewritten(files / "healthy.keras", tmp_path / "odd.keras", change)
        assert inspected(path).endswith("cannot be loaded as a Keras model: 'layers' is missing")

    def test_a_config_may_be_no_json_or_too_deep(self, inspected, files, tmp_path):
        for content in (b"{", b"\xff\xfe", b"[" * 100_000 + b"]" * 100_000, b""):
            path = tmp_path / "odd.keras"
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("config.json", content)
            assert "odd.keras cannot be loaded" in inspected(path)


class TestHostileModels:
    """The code that a file brings is not run, and would run where nobody looks."""

    @pytest.fixture
    def marker(self, tmp_path):
        return tmp_path / "executed"

    @pytest.fixture
    def inspected(self, refused, files, marker):
        def call(path):
            line = refused("inspect", path, "--data", files / "x.npy")
            assert not marker.exists()
            return line

        return call

    def test_a_lambda_is_not_run(self, inspected, marker, tmp_path):
        where = str(marker)
        boom = keras.layers.Lambda(lambda x: (__import__("pathlib").Path(where).touch(), x)[1])
        keras.Sequential([keras.Input((WIDTH,)), boom]).save(tmp_path / "lambda.keras")
        marker.unlink()
        assert "Lambda" in inspected(tmp_path / "lambda.keras")
        model = keras.saving.load_model(tmp_path / "lambda.keras", safe_mode=False)
        model(np.zeros((1, WIDTH), "float32"))
        assert marker.exists()

    def test_a_pickled_torch_module_is_not_opened(self, inspected, files, marker, tmp_path):
        torch = pytest.importorskip("torch")
        buffer = io.BytesIO()
        torch.save(Boom(marker), buffer)
        marker.unlink(missing_ok=True)

        def change(config):
            layer(config).update(
                module="keras.layers", class_name="TorchModuleWrapper", registered_name=None
            )
            layer(config)["config"] = {
                "name": "torch",
                "module": base64.b64encode(buffer.getvalue()).decode(),
            }

        path = rewritten(files / "healthy.keras", tmp_path / "torch.keras", change)
        assert "torch" in inspected(path)
        torch.load(io.BytesIO(buffer.getvalue()), weights_only=False)
        assert marker.exists()

    @pytest.mark.parametrize("place", ["layer", "activation", "initializer"])
    def test_a_module_that_a_file_names_is_not_imported(
        self, place, inspected, files, marker, tmp_path, monkeypatch
    ):
        (tmp_path / "evil.py").write_text(
            f"import pathlib\npathlib.Path({str(marker)!r}).touch()\nclass Boom: ...\n"
        )
        monkeypatch.syspath_prepend(tmp_path)
        boom = {"module": "evil", "class_name": "Boom", "config": {}, "registered_name": "Boom"}

        def change(config):
            if place == "layer":
                layer(config).update(boom)
            elif place == "activation":
                layer(config)["config"]["activation"] = boom
            else:
                layer(config)["config"]["kernel_initializer"] = boom

        inspected(rewritten(files / "healthy.keras", tmp_path / "evil.keras", change))
        runpy.run_path(str(tmp_path / "evil.py"))
        assert marker.exists()

    @pytest.mark.parametrize("module", ["os", "posix", "builtins", "subprocess", "keras.utils"])
    def test_a_function_that_a_file_names_is_not_called(
        self, module, inspected, files, marker, tmp_path
    ):
        name = {"builtins": "exec", "subprocess": "getoutput", "keras.utils": "get_file"}
        function = {
            "module": module,
            "class_name": "function",
            "config": name.get(module, "system"),
            "registered_name": name.get(module, "system"),
        }

        def as_activation(config):
            layer(config)["config"]["activation"] = function

        def as_lambda(config):
            layer(config).update(module="keras.layers", class_name="Lambda", registered_name=None)
            layer(config)["config"] = {
                "name": "lambda",
                "function": function,
                "arguments": {"command": f"touch {marker}"},
            }

        for change in (as_activation, as_lambda):
            path = rewritten(files / "healthy.keras", tmp_path / "system.keras", change)
            inspected(path)


def test_docstring_example_prints_what_it_says():
    assert doctest.testmod(cli) == (0, 2)


def test_the_package_installs_the_command():
    project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())
    assert project["project"]["scripts"] == {"keras-oddsig": "keras_oddsig.cli:main"}


def test_the_package_runs_as_a_process(files):
    """Once through the interpreter: the status and the streams are those of a process."""
    done = subprocess.run(
        [sys.executable, "-m", "keras_oddsig", "inspect", "none.keras", "--data", "x.npy"],
        cwd=files,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "keras-oddsig: error: none.keras is not a file\n"

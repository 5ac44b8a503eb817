"""Files and configs that are broken or hostile: refused, and nothing in them is run."""

import copy
import random
import resource

import keras
import pytest

import keras_oddsig as ko
from keras_oddsig import _arguments
from reliability import fuzz
from reliability.fuzzing import mutations, originals, watch

# Where a config holds another object; the classes say which of them they have.
SLOTS = (
    *("activation", "function", "seed", "dtype", "layer", "runs", "activity_regularizer"),
    *("beta_initializer", "gamma_initializer", "beta_regularizer", "gamma_regularizer"),
    *("beta_constraint", "gamma_constraint"),
)
ADDED = {"activity_regularizer"}  # what a layer's config may have, too


@pytest.fixture
def marker(tmp_path, monkeypatch):
    """What hostile configs would leave; the module that they name is there to be imported."""
    mark = tmp_path / "executed"
    (tmp_path / f"{mutations.CANARY}.py").write_text(f"open({str(mark)!r}, 'w').close()\n")
    monkeypatch.syspath_prepend(tmp_path)
    return mark


def demands(mark):
    """A lambda, a class in a module outside of the package, one that nobody knows."""
    return {
        "lambda": mutations.hostile(str(mark))[0],
        "function": {
            **{"module": mutations.CANARY, "class_name": "function", "config": "boom"},
            "registered_name": "boom",
        },
        "module": {
            **{"module": mutations.CANARY, "class_name": "Boom", "config": {}},
            "registered_name": "Boom",
        },
        "unknown": {
            **{"module": "keras_oddsig.activations", "class_name": "Nothing", "config": {}},
            "registered_name": "keras_oddsig>Nothing",
        },
    }


@pytest.mark.parametrize("demand", ["lambda", "function", "module", "unknown"])
@pytest.mark.parametrize("name", originals.classes())
def test_a_config_of_any_class_that_names_what_is_not_its_own_is_refused(name, demand, marker):
    cls, asked = originals.classes()[name], demands(marker)[demand]
    honest = next(each for each in originals.configs() if each["class_name"] == name)
    is_layer = issubclass(cls, keras.Layer)
    tried = 0
    for slot in SLOTS:
        if slot not in honest["config"] and not (is_layer and slot in ADDED):
            continue
        # Of a dtype Keras says with an error of its own that it is none.
        errors = (TypeError, ValueError, *([AttributeError] if slot == "dtype" else []))
        for value in (asked, [asked]):
            config = copy.deepcopy(honest)
            config["config"][slot] = [[1, value]] if slot == "runs" else value
            for door in (
                keras.saving.deserialize_keras_object,
                lambda config: cls.from_config(config["config"]),
            ):
                tried += 1
                with pytest.raises(errors):
                    door(copy.deepcopy(config))
    assert tried >= 8
    assert not marker.exists()


@pytest.mark.parametrize("demand", ["lambda", "function", "module", "unknown"])
def test_it_is_refused_in_place_of_an_object_too(demand, marker):
    asked = demands(marker)[demand]
    for door in (keras.saving.deserialize_keras_object, *GETTERS):
        with pytest.raises((TypeError, ValueError)):
            door(asked)
    assert not marker.exists()


GETTERS = (keras.initializers.get, keras.layers.deserialize, ko.get)


class TestConfigs:
    """What fuzzing has found."""

    @pytest.mark.parametrize(
        "change",
        [
            lambda config: config.pop("layer"),
            lambda config: config.update(layer=None),
            lambda config: config.update(layer={"a": 1}),
            lambda config: config.pop("repeats"),
            lambda config: config.update(repeats=10**400),
            lambda config: config.update(runs=3),
            lambda config: config.update(runs="ab"),
            lambda config: config.update(runs=[3]),
            lambda config: config.update(runs=[[3]]),
            lambda config: config.update(runs=[["3", config["layer"]]]),
            lambda config: config.update(runs=[[0, config["layer"]], [3, config["layer"]]]),
            lambda config: config.update(runs=[[3, {"a": 1}]]),
            lambda config: config.update(runs=[[2, config["layer"]]]),
            lambda config: config.update(nothing=1),
        ],
    )
    def test_of_a_stack_are_checked(self, change):
        honest = next(each for each in originals.configs() if each["class_name"] == "LayerStack")
        change(honest["config"])
        with pytest.raises((TypeError, ValueError), match=r"Received|Unrecognized"):
            ko.LayerStack.from_config(honest["config"])
        with pytest.raises((TypeError, ValueError)):
            keras.saving.deserialize_keras_object(honest)

    @pytest.mark.parametrize("config", [None, 3, [], "x"])
    def test_of_a_stack_are_dictionaries(self, config):
        with pytest.raises(TypeError, match="`config` must be a dictionary"):
            ko.LayerStack.from_config(config)

    def test_numbers_beyond_all_floats_are_refused(self):
        with pytest.raises(ValueError, match=r"`depth` must be finite. Received: depth=1000"):
            ko.OddSigmoidInit(depth=10**400)
        with pytest.raises(ValueError, match="`x` must be finite"):
            _arguments.real("x", -(10**400))


@pytest.fixture
def limited_memory():
    """An input that asks for terabytes gets an error and not the machine."""
    limits = resource.getrlimit(resource.RLIMIT_AS)
    fuzz.limit_memory()
    yield
    resource.setrlimit(resource.RLIMIT_AS, limits)


# How many fit into about a second.
INPUTS = {"keras": 6, "h5": 9, "json": 90, "npy": 15, "csv": 15, "solve": 8}


# Each format on one backend, in turn.
MINE = fuzz.FORMATS[("jax", "tensorflow", "torch").index(keras.backend.backend()) :: 3]


@pytest.mark.parametrize("kind", MINE)
def test_mutated_files_break_nothing(kind, tmp_path, limited_memory):
    trial, rng = fuzz.Trial(kind, tmp_path), random.Random(0)
    number = INPUTS[kind]
    fuzz.by_outcomes(trial, rng, lambda: trial.tally.inputs >= number)
    assert trial.tally.inputs >= number
    assert trial.tally.failures == {}
    assert len(trial.tally.outcomes) >= 2


def test_runs_of_a_stack_that_are_not_alike_are_refused():
    config = ko.LayerStack(keras.layers.Dense(4), 3).get_config()
    other = keras.layers.Dense(4, use_bias=False)
    runs = [[1, config["layer"]], [2, keras.saving.serialize_keras_object(other)]]
    with pytest.raises(ValueError, match=r"`runs` must be layers that .* Received: layers of"):
        ko.LayerStack.from_config({**config, "runs": runs}).build((None, 4))


class TestWatch:
    """What is watched for is seen."""

    @pytest.mark.parametrize(
        "act",
        [
            lambda box: exec(mutations._code_that_touches(str(box.mark))),
            lambda box: box.outside.touch(),
            lambda box: open(box.target.parent / "beside", "w").close(),
            lambda box: (box.target.parent / "folder").mkdir(),
            lambda box: __import__(mutations.CANARY),
            lambda box: __import__("os").system("true"),
            lambda box: __import__("pickle").loads(b"cposix\nsystem\n."),
        ],
    )
    def test_what_may_not_be(self, act, tmp_path):
        box = watch.Sandbox(tmp_path)
        with box.watched() as seen:
            act(box)
        assert seen
        with box.watched() as seen:
            (box.target / "x").touch()
        assert not seen

    def test_an_error_of_the_packages_own(self):
        class Broken:
            def __repr__(self):
                raise KeyError("x")

        with pytest.raises(KeyError) as told:
            ko.get(Broken())
        assert watch.unexpected(told.value)
        with pytest.raises(TypeError) as told:
            ko.get(3)
        assert not watch.unexpected(told.value)

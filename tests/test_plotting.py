"""The pictures: what is drawn, what is labelled, and what pyplot does not notice."""

import itertools
import json
import math
import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LogNorm, to_hex
from matplotlib.figure import Figure

import keras_oddsig as ko
from keras_oddsig.diagnostics import LayerSignal, SignalReport

PARTS = ("min", "q25", "median", "q75", "max")


def a_report(medians, predicted=None, verdict="healthy", start=None, names=None):
    """A report whose samples spread from half to twice the median."""
    layers = [
        LayerSignal(
            name=names[i] if names else f"hidden_{i + 1}",
            activation="tanh",
            statistics={
                f"spread_{part}": median * factor
                for part, factor in zip(PARTS, (0.5, 0.8, 1.0, 1.25, 2.0), strict=True)
            },
            predicted_spread=predicted[i] if predicted else None,
            predicted_negative_rate=None,
            verdict=verdict,
        )
        for i, median in enumerate(medians)
    ]
    return SignalReport(tuple(layers), verdict, start, "advice")


def rows_of(spread, statistic="spread_median", steps_per_epoch=None):
    """The rows of a history from an array (layers, moments)."""
    return [
        {
            "epoch": moment // steps_per_epoch if steps_per_epoch else moment,
            "step": 10 * moment,
            "layer": f"hidden_{layer}",
            "statistic": statistic,
            "value": float(spread[layer][moment]),
        }
        for moment in range(np.shape(spread)[1])
        for layer in range(np.shape(spread)[0])
    ]


def write(path, rows):
    lines = [",".join(str(value) for value in row.values()) for row in rows]
    path.write_text("\n".join(["epoch,step,layer,statistic,value", *lines]) + "\n")
    return path


def axes():
    return Figure(figsize=(8, 4.5), layout="constrained").subplots()


def rendered(ax):
    """The picture's pixels; drawing is where matplotlib finds what it cannot draw."""
    canvas = FigureCanvasAgg(ax.figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())


def labels(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


class TestBand:
    def test_band_median_and_prediction_are_the_reports_numbers(self):
        medians, predicted = [0.4, 0.3, 0.25, 0.22], [0.5, 0.4, 0.3, 0.2]
        ax = axes()
        assert ko.plot_spread(a_report(medians, predicted), ax) is ax
        outer, inner = (
            collection.get_paths()[0].get_extents().intervaly for collection in ax.collections[:2]
        )
        assert outer == pytest.approx([0.5 * 0.22, 2.0 * 0.4])
        assert inner == pytest.approx([0.8 * 0.22, 1.25 * 0.4])
        lines = {line.get_label(): line for line in ax.lines}
        assert lines["median"].get_xydata().tolist() == [
            [i + 1, median] for i, median in enumerate(medians)
        ]
        assert lines["predicted"].get_ydata().tolist() == predicted
        assert lines["predicted"].get_linestyle() == "--"
        assert legend(ax) == ["min to max", "quartiles", "median", "predicted"]
        assert ax.get_yscale() == "log"

    def test_without_a_prediction_there_is_no_line_of_it(self):
        ax = ko.plot_spread(a_report([0.4, 0.3]), axes())
        assert "predicted" not in legend(ax)

    def test_the_layer_where_trouble_starts_is_marked(self):
        report = a_report([0.4, 0.1, 0.01], verdict="collapsing", start="hidden_2")
        ax = ko.plot_spread(report, axes())
        (mark,) = (line for line in ax.lines if "from here" in line.get_label())
        assert list(mark.get_xdata()) == [2, 2]
        assert ax.get_title() == "Signal by layer: collapsing"

    def test_a_layer_that_is_not_finite_or_vanished_is_marked_and_drawn_past(self):
        ax = ko.plot_spread(a_report([0.4, math.nan, 0.0, math.inf, 0.3, 1e-30]), axes())
        lines = {line.get_label(): line for line in ax.lines}
        assert lines["not finite"].get_xdata().tolist() == [2, 4]
        (vanished,) = (line for label, line in lines.items() if label.startswith("below"))
        assert vanished.get_xdata().tolist() == [3, 6]
        bottom, top = ax.get_ylim()
        assert 0 < bottom < 0.3 < 0.4 < top
        rendered(ax)

    @pytest.mark.parametrize("value", [math.nan, math.inf, 0.0])
    def test_a_report_of_no_positive_spread_is_drawn(self, value):
        rendered(ko.plot_spread(a_report([value, value]), axes()))

    def test_a_single_layer_is_visible(self):
        empty = rendered(axes())
        ax = ko.plot_spread(a_report([0.4]), axes())
        ax.get_legend().remove()
        blue = np.all(rendered(ax)[..., :3] == (0x00, 0x72, 0xB2), axis=-1)
        assert blue.any()
        assert empty.shape == rendered(ax).shape

    @pytest.mark.parametrize("layers", [5, 60, 100])
    def test_names_of_layers_do_not_overlap(self, layers):
        ax = ko.plot_spread(a_report([0.4] * layers), axes())
        rendered(ax)
        ticks = ax.get_xticklabels()
        assert ticks[0].get_text() == "hidden_1"
        assert min(layers, 5) <= len(ticks) <= 12
        # Slanted by 45 degrees, lines of text are apart where their anchors are.
        anchors = np.array(
            [ax.transData.transform((tick.get_position()[0], 1))[0] for tick in ticks]
        )
        height = ticks[0].get_fontsize() / 72 * ax.figure.dpi
        assert (np.diff(anchors) / math.sqrt(2) > height).all()
        # Each name stands at its own layer.
        for tick in ticks:
            assert tick.get_text() == f"hidden_{tick.get_position()[0]:.0f}"

    def test_a_name_may_be_long_or_look_like_a_formula(self):
        names = ["$\\nonsense{$", "block/" * 30 + "activation", "<b>&amp;</b>"]
        ax = ko.plot_spread(a_report([0.4] * 3, names=names), axes())
        rendered(ax)
        assert labels(ax.xaxis)[0] == names[0]
        assert len(labels(ax.xaxis)[1]) < 30

    def test_wide_and_narrow_axes_are_labelled(self):
        for medians in ([0.4, 0.41], [0.4, 0.004], [1.0, 1e-9]):
            ax = ko.plot_spread(a_report(medians), axes())
            rendered(ax)
            bottom, top = ax.get_ylim()
            assert top > 9.99 * bottom
            assert sum(bottom <= tick <= top for tick in ax.get_yticks()) >= 2

    def test_a_report_is_what_has_layers_and_a_verdict(self):
        layer = SimpleNamespace(name="a", statistics={"spread_median": 0.4}, predicted_spread=0.5)
        report = SimpleNamespace(layers=[layer], verdict="healthy", start=None)
        lines = {line.get_label(): line for line in ko.plot_spread(report, axes()).lines}
        assert lines["median"].get_ydata().tolist() == [0.4]
        assert lines["predicted"].get_ydata().tolist() == [0.5]

    def test_report_plots_itself(self):
        ax = axes()
        assert a_report([0.4, 0.3]).plot(ax) is ax
        assert "median" in legend(ax)


class TestMap:
    SPREAD = np.exp(-np.arange(12.0).reshape(4, 3) / 4)

    @pytest.fixture(params=["history", "callback", "path", "string"])
    def source(self, request, tmp_path):
        """The same measurements, as each of the things that hold them."""
        rows = rows_of(self.SPREAD)
        history = SimpleNamespace(rows=rows)
        path = write(tmp_path / "spread.csv", rows)
        return {
            "history": history,
            "callback": SimpleNamespace(history=history),
            "path": path,
            "string": str(path),
        }[request.param]

    def test_colours_are_the_spread_of_layer_and_epoch(self, source):
        ax = ko.plot_spread(source, axes())
        (image,) = ax.images
        assert np.asarray(image.get_array()) == pytest.approx(self.SPREAD)
        assert isinstance(image.norm, LogNorm)
        assert labels(ax.yaxis) == [f"hidden_{i}" for i in range(4)]
        assert labels(ax.xaxis) == ["0", "1", "2"]
        assert (ax.get_xlabel(), ax.get_ylabel()) == ("epoch", "layer")
        assert image.colorbar.ax.get_ylabel() == "spread"
        rendered(ax)

    def test_several_measurements_in_an_epoch_are_steps(self):
        history = SimpleNamespace(rows=rows_of(self.SPREAD, steps_per_epoch=2))
        ax = ko.plot_spread(history, axes())
        assert ax.get_xlabel() == "step"
        assert labels(ax.xaxis) == ["0", "10", "20"]

    def test_std_serves_where_samples_were_not_told_apart(self):
        rows = rows_of(self.SPREAD, "std") + rows_of(10 * self.SPREAD, "mean")
        ax = ko.plot_spread(SimpleNamespace(rows=rows), axes())
        assert np.asarray(ax.images[0].get_array()) == pytest.approx(self.SPREAD)

    def test_of_a_measurement_made_twice_the_later_counts(self, tmp_path):
        again = rows_of(0.5 * self.SPREAD[:, :2])
        path = write(tmp_path / "resumed.csv", rows_of(self.SPREAD) + again)
        drawn = np.asarray(ko.plot_spread(path, axes()).images[0].get_array())
        assert drawn[:, :2] == pytest.approx(0.5 * self.SPREAD[:, :2])
        assert drawn[:, 2] == pytest.approx(self.SPREAD[:, 2])

    def test_a_file_that_is_still_written_is_drawn_up_to_there(self, tmp_path):
        path = write(tmp_path / "live.csv", rows_of(self.SPREAD))
        path.write_text(path.read_text() + "3,30,hidden_0,spread_m")
        assert labels(ko.plot_spread(path, axes()).xaxis) == ["0", "1", "2"]

    def test_what_is_missing_is_grey_and_what_is_zero_is_black(self):
        spread = self.SPREAD.copy()
        spread[0, 0], spread[1, 1], spread[2, 2] = math.nan, math.inf, 0.0
        ax = ko.plot_spread(SimpleNamespace(rows=rows_of(spread)), axes())
        (image,) = ax.images
        colours = image.cmap(image.norm(image.get_array()))
        assert to_hex(colours[0, 0]) == to_hex(colours[1, 1]) == "#d9d9d9"
        assert to_hex(colours[2, 2]) == "#000000"
        assert image.colorbar.extend == "min"
        assert legend(ax) == ["not finite, or not measured"]
        # The scale is that of the others.
        assert image.norm.vmin == pytest.approx(spread[spread > 0].min())
        assert image.norm.vmax == pytest.approx(spread[np.isfinite(spread)].max())
        rendered(ax)

    @pytest.mark.parametrize("value", [math.nan, math.inf, 0.0, 0.3])
    def test_one_value_throughout_is_drawn(self, value):
        rendered(ko.plot_spread(SimpleNamespace(rows=rows_of(np.full((3, 2), value))), axes()))

    @pytest.mark.parametrize(("layers", "moments"), [(5, 3), (60, 30), (100, 250)])
    def test_labels_are_few_enough_to_read(self, layers, moments):
        history = SimpleNamespace(rows=rows_of(np.ones((layers, moments))))
        ax = ko.plot_spread(history, axes())
        rendered(ax)
        for axis, number in ((ax.xaxis, moments), (ax.yaxis, layers)):
            boxes = [label.get_window_extent() for label in axis.get_ticklabels()]
            assert min(number, 3) <= len(boxes) <= 12
            assert not any(a.overlaps(b) for a, b in itertools.pairwise(boxes))


def test_a_real_run_is_drawn_alike_from_the_callback_its_history_and_its_file(tmp_path):
    import keras

    layers = [keras.layers.Dense(8, "tanh", name=f"hidden_{i}") for i in range(3)]
    model = keras.Sequential([keras.Input((8,)), *layers, keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    x, y = np.random.default_rng(0).standard_normal((2, 32, 8)).astype("float32")
    watch = ko.ActivationSpread(x, csv_path=tmp_path / "spread.csv")
    model.fit(x, y[:, :1], epochs=2, verbose=0, callbacks=[watch])
    pictures = [ko.plot_spread(each, axes()) for each in (watch, watch.history, watch.csv_path)]
    for ax in pictures:
        assert labels(ax.xaxis) == ["0", "1"]
        assert labels(ax.yaxis) == ["hidden_0", "hidden_1", "hidden_2"]
        spread = np.asarray(ax.images[0].get_array())
        assert spread == pytest.approx(np.asarray(pictures[0].images[0].get_array()))
    # At the end of the last epoch the model is the one that is left.
    outputs = keras.ops.convert_to_numpy(model.layers[0](x))
    assert spread[0, 1] == pytest.approx(np.median(outputs.std(axis=1)), rel=1e-3)


class TestSources:
    def test_anything_else_is_refused(self):
        for source in (3, None, [0.1, 0.2], {"loss": [1.0]}, SimpleNamespace(history={"loss": []})):
            with pytest.raises(TypeError, match="Received: source="):
                ko.plot_spread(source, axes())

    def test_a_file_of_other_columns_is_refused(self, tmp_path):
        path = tmp_path / "log.csv"
        for text in ("epoch,loss\n0,1.0\n", ""):
            path.write_text(text)
            with pytest.raises(ValueError, match=r"epoch, step, layer, statistic, value.*Received"):
                ko.plot_spread(path, axes())

    def test_a_file_of_no_numbers_is_refused(self, tmp_path):
        path = write(tmp_path / "spread.csv", rows_of(np.ones((2, 2))))
        path.write_text(path.read_text().replace("1.0", "one", 1))
        with pytest.raises(ValueError, match=r"numbers.*Received: .* in line 2"):
            ko.plot_spread(path, axes())

    def test_rows_without_a_spread_are_refused(self):
        for rows in ([], rows_of(np.ones((2, 2)), "mean")):
            with pytest.raises(ValueError, match=r"spread_median.*Received"):
                ko.plot_spread(SimpleNamespace(rows=rows), axes())

    def test_a_report_of_no_layers_is_refused(self):
        with pytest.raises(ValueError, match="Received"):
            ko.plot_spread(a_report([]), axes())

    def test_a_missing_file_is_a_missing_file(self, tmp_path):
        with pytest.raises(FileNotFoundError):
            ko.plot_spread(tmp_path / "none.csv")


class TestFigures:
    def test_without_axes_there_is_one_new_figure_of_pyplot_and_no_show(self, monkeypatch):
        monkeypatch.setattr(plt, "show", lambda *_, **__: pytest.fail("shown"))
        before = plt.get_fignums()
        ax = ko.plot_spread(a_report([0.4, 0.3]))
        try:
            assert len(plt.get_fignums()) == len(before) + 1
            assert plt.gca() is ax
        finally:
            plt.close(ax.figure)
        assert plt.get_fignums() == before

    def test_with_axes_pyplot_notices_nothing(self):
        current = plt.figure()
        try:
            ko.plot_spread(a_report([0.4, 0.3]), axes())
            ko.plot_spread(SimpleNamespace(rows=rows_of(np.ones((2, 2)))), axes())
            assert plt.get_fignums() == [current.number]
            assert plt.gcf() is current
            assert current.axes == []
        finally:
            plt.close(current)

    def test_a_source_that_is_refused_leaves_no_figure(self):
        before = plt.get_fignums()
        with pytest.raises(TypeError):
            ko.plot_spread(3)
        assert plt.get_fignums() == before

    def test_without_matplotlib_the_error_names_the_extra(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "matplotlib", None)
        with pytest.raises(ImportError, match=r"keras-oddsig\[plot\]"):
            ko.plot_spread(a_report([0.4]))

    def test_a_file_is_drawn_without_a_backend_or_a_display(self, tmp_path):
        path = write(tmp_path / "spread.csv", rows_of(np.ones((2, 2))))
        code = (
            "import sys, json; import keras_oddsig as ko; from keras_oddsig import plotting;"
            "early = 'matplotlib' in sys.modules;"
            "ax = ko.plot_spread(sys.argv[1]); ax.figure.savefig(sys.argv[2]);"
            "backends = {'keras', 'tensorflow', 'jax', 'torch'} & set(sys.modules);"
            "print(json.dumps([early, sorted(backends)]))"
        )
        environment = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "MPLBACKEND")}
        picture = tmp_path / "spread.png"
        done = subprocess.run(
            [sys.executable, "-c", code, path, picture],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        assert json.loads(done.stdout) == [False, []]
        assert picture.read_bytes().startswith(b"\x89PNG")

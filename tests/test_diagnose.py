"""The example of the signal report, small: what it must say of each initialization."""

import pytest


@pytest.fixture(scope="module")
def diagnose(load_example):
    return load_example("diagnose")


def test_report_names_the_collapse_the_saturation_and_the_health(diagnose, tmp_path, capsys):
    picture = tmp_path / "new" / "diagnose.png"
    reports = diagnose.main(
        ["--depth", "30", "--width", "64", "--samples", "64", "--output", str(picture)]
    )
    verdicts = {method: report.verdict for method, report in reports.items()}
    assert verdicts == {
        "GlorotNormal": "collapsing",
        "HeNormal": "saturating",
        "OddSigmoidInit": "healthy",
        "OddSigmoidOrthogonal": "healthy",
    }
    printed = capsys.readouterr().out
    for method, verdict in verdicts.items():
        assert any(method in line and verdict in line for line in printed.splitlines())
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_training_is_drawn_layer_by_epoch(diagnose, tmp_path, monkeypatch):
    maps = []
    plot_spread = diagnose.ko.plot_spread
    monkeypatch.setattr(diagnose.ko, "plot_spread", lambda *args: maps.append(plot_spread(*args)))
    diagnose.draw_training(tmp_path / "training.png", depth=3, width=8, epochs=2)
    assert (tmp_path / "training.png").exists()
    assert [ax.images[0].get_array().shape for ax in maps] == [(3, 2), (3, 2)]


def test_bad_arguments_end_with_one_line(diagnose, capsys):
    with pytest.raises(SystemExit) as stopped:
        diagnose.main(["--depth", "1"])
    assert stopped.value.code == 2
    assert "Received: 1" in capsys.readouterr().err

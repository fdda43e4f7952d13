"""The loss as a picture, and as events of TensorBoard."""

import math
import sys

import pytest

from trainers import plot, tensorboard
from trainers.log import Log


@pytest.fixture
def run(tmp_path):
    return run_of(tmp_path / "run", steps=60)


def run_of(folder, *, steps, **more):
    folder.mkdir()
    with Log(str(folder), step=0) as log:
        log.write("validation", step=0, loss=5.0, bits_per_byte=3.0)
        for step in range(1, steps + 1):
            log.write("step", step=step, loss=2 + 3 / step, tokens=512, **more)
        log.write("validation", step=steps, loss=2.5, bits_per_byte=1.25)
    return str(folder)


@pytest.mark.slow
def test_an_svg_is_the_same_every_time(run, tmp_path):
    assert plot.write(run) == f"{run}/loss.svg"
    again = plot.write(run, path=str(tmp_path / "again.svg"))
    with open(f"{run}/loss.svg") as first, open(again) as second:
        drawn = first.read()
        assert drawn == second.read()
    assert drawn.lstrip().startswith("<?xml") and "<svg" in drawn
    assert "<dc:date>" not in drawn


def test_a_png(run, tmp_path):
    path = plot.write(run, path=str(tmp_path / "loss.PNG"))
    with open(path, "rb") as file:
        assert file.read(8) == b"\x89PNG\r\n\x1a\n"


def test_what_is_drawn(tmp_path, monkeypatch):
    """Points at the tokens read so far; nothing where a loss is not finite."""
    from matplotlib.axes import Axes

    drawn = []
    plain = Axes.plot
    monkeypatch.setattr(Axes, "plot", lambda axes, *args, **kwargs: drawn.append(args) or plain(axes, *args, **kwargs))
    entries = [
        {"kind": "validation", "step": 0, "loss": 5.0},
        {"kind": "step", "step": 1, "loss": 4.0, "tokens": 10},
        {"kind": "step", "step": 2, "loss": math.nan, "tokens": 20},
        {"kind": "step", "step": 3, "loss": 2.0, "tokens": 30},
        {"kind": "validation", "step": 3, "loss": 3.0},
    ]
    plot.draw(entries, str(tmp_path / "loss"), kind="svg")
    assert drawn == [([10, 60], [4.0, 2.0]), ([10, 60], [4.0, 2.0]), ([0, 60], [5.0, 3.0], "o-")]


def test_smooth_is_a_mean_backwards():
    values = [float(i * i % 7) for i in range(150)]
    found = plot.smooth(values)
    assert found == pytest.approx([sum(values[max(0, i - 2) : i + 1]) / min(3, i + 1) for i in range(150)])
    assert plot.smooth([1.0, 4.0]) == [1.0, 4.0]


@pytest.mark.parametrize("path", ["loss.pdf", "loss", "loss.svg.gz"])
def test_another_kind_of_picture_is_refused(run, path):
    with pytest.raises(ValueError, match=r"expected a name that ends in \.png or \.svg"):
        plot.write(run, path=path)


def test_a_run_without_steps_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"log\.jsonl: expected steps with a loss, found none"):
        plot.write(run_of(tmp_path / "run", steps=0))


def test_events(tmp_path):
    loading = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    folder = str(tmp_path / "events")
    with tensorboard.events(folder, step=0) as write:
        fields = {"step": 1, "loss": 2.5, "terms": {"generator": 2.0}, "left_out": "a spike", "mfu": None, "flag": True}
        write("step", 1, fields)
        write("validation", 1, {"loss": 2.25})
    found = loading.EventAccumulator(folder).Reload()
    assert found.Tags()["scalars"] == ["step/loss", "step/terms/generator", "validation/loss"]
    assert [(event.step, event.value) for event in found.Scalars("step/loss")] == [(1, 2.5)]


def test_nothing_is_written_unasked():
    with tensorboard.events(None, step=0) as write:
        write("step", 1, {"loss": 2.5})


def test_a_missing_tensorboard_is_named(tmp_path, monkeypatch):
    for name in [name for name in sys.modules if name.startswith(("tensorboard", "torch.utils.tensorboard"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with (
        pytest.raises(ValueError, match=r"--tensorboard .*expected the package tensorboard.*pip install"),
        tensorboard.events(str(tmp_path / "events"), step=0),
    ):
        pass

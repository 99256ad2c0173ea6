"""Choosing an algorithm: measured once, remembered on disk, fixed by a snapshot."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from netspec.backends.base import ConvolutionGeometry as Geometry
from netspec.errors import DeviceError
from tests.backends.convolution_cases import Arrays

GEO = Geometry(2, 5, 6, (9, 11), (3, 3), (1, 1), (1, 1), (1, 1))


class Clock:
    """Trials that take the time their name says."""

    def __init__(self, monkeypatch, module, **seconds):
        self.calls = []
        monkeypatch.setattr(module, "_elapsed", lambda trial, name: seconds[name])

    def trial(self, name):
        self.calls.append(name)


@pytest.fixture
def choice(standin):
    from netspec.backends.cuda import choice

    return choice


def test_the_default_where_nothing_is_measured(choice):
    choices = choice.Choices()

    def trial(name):
        raise AssertionError("measured")

    assert choices.pick("q", ["a", "b"], "b", trial) == "b"
    assert choices.export() == {"q": "b"}


def test_the_quickest_is_taken_and_measured_once(choice, monkeypatch):
    clock = Clock(monkeypatch, choice, a=3.0, b=1.0, c=2.0)
    choices = choice.Choices(measure=True)
    for _ in range(3):
        assert choices.pick("q", ["a", "b", "c"], "a", clock.trial) == "b"
    assert clock.calls == ["a", "b", "c"]


def test_nothing_to_choose_is_not_measured(choice):
    choices = choice.Choices(measure=True)
    assert choices.pick("q", ["a"], "a", None) == "a"


def test_choices_are_remembered_on_disk(choice, monkeypatch, tmp_path):
    store = tmp_path / "new" / "GPU.json"
    clock = Clock(monkeypatch, choice, a=3.0, b=1.0)
    first = choice.Choices(measure=True, store=store)
    assert first.pick("q", ["a", "b"], "a", clock.trial) == "b"
    assert json.loads(store.read_text()) == {"q": "b"}
    again = choice.Choices(measure=True, store=store)
    other = Clock(monkeypatch, choice)
    assert again.pick("q", ["a", "b"], "a", other.trial) == "b"
    assert other.calls == []


def test_what_two_processes_measure_is_kept(choice, monkeypatch, tmp_path):
    store = tmp_path / "GPU.json"
    clock = Clock(monkeypatch, choice, a=1.0, b=2.0)
    both = [choice.Choices(measure=True, store=store) for _ in range(2)]
    for number, choices in enumerate(both):
        choices.pick(f"q{number}", ["a", "b"], "b", clock.trial)
    assert json.loads(store.read_text()) == {"q0": "a", "q1": "a"}


@pytest.mark.parametrize(
    "text", ["", "[1]", "{", '{"q": 3}', '{"q": "gone"}', "\udcff"]
)
def test_a_broken_file_is_measured_anew(choice, monkeypatch, tmp_path, text):
    store = tmp_path / "GPU.json"
    store.write_bytes(text.encode("utf-8", "surrogateescape"))
    clock = Clock(monkeypatch, choice, a=2.0, b=1.0)
    choices = choice.Choices(measure=True, store=store)
    assert choices.pick("q", ["a", "b"], "a", clock.trial) == "b"
    assert json.loads(store.read_text())["q"] == "b"


def test_a_folder_that_cannot_be_written_does_not_matter(choice, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    clock = Clock(monkeypatch, choice, a=2.0, b=1.0)
    choices = choice.Choices(measure=True, store=tmp_path / "file" / "GPU.json")
    assert choices.pick("q", ["a", "b"], "a", clock.trial) == "b"


def test_fixed_choices_are_taken_and_nothing_is_measured(choice):
    choices = choice.Choices(measure=True)
    choices.fix({"q": "b"})
    assert choices.pick("q", ["a", "b"], "a", None) == "b"
    assert choices.pick("other", ["a", "b"], "a", None) == "a"
    assert choices.export() == {"other": "a", "q": "b"}


def test_a_fixed_choice_that_there_is_not(choice):
    choices = choice.Choices()
    choices.fix({"q": "gone"})
    with pytest.raises(DeviceError) as error:
        choices.pick("q", ["a", "b"], "a", None)
    assert str(error.value) == (
        "the choice 'gone' for 'q' is none of a, b.\n"
        "  Resume with the version of netspec that wrote the snapshot, or train anew."
    )


def convolve(ops, a):
    ops.convolution_forward(a.x, a.w, a.b, a.y, GEO)
    ops.convolution_backward(a.x, a.w, a.dy, a.dx, a.dw, a.db, GEO)


def on_device(a):
    import cupy

    for name, value in vars(a).items():
        setattr(a, name, cupy.asarray(value))
    return a


def test_measuring_convolutions_changes_no_result(choice):
    """Each kind of operation is measured, and adds to dw once."""
    from netspec.backends.cuda import CudaOps

    measuring = CudaOps(choices=choice.Choices(measure=True))
    a = on_device(Arrays(GEO, np.float32))
    convolve(measuring, a)
    made = measuring.choices.export()
    assert [question.split()[0] for question in made] == ["data", "forward", "weights"]
    fixed = CudaOps(choices=choice.Choices())
    fixed.choices.fix(made)
    b = on_device(Arrays(GEO, np.float32))
    convolve(fixed, b)
    for name in ("y", "dx", "dw", "db"):
        assert getattr(a, name).get().tobytes() == getattr(b, name).get().tobytes()


def test_only_the_first_use_waits_for_the_device(choice, standin):
    from netspec.backends.cuda import CudaOps

    ops = CudaOps(choices=choice.Choices(measure=True))
    a = on_device(Arrays(GEO, np.float32))
    convolve(ops, a)
    with standin.forbid_syncs():
        convolve(ops, a)


def test_without_measuring_nothing_ever_waits(choice, standin):
    from netspec.backends.cuda import CudaOps

    a = on_device(Arrays(GEO, np.float32))
    ops = CudaOps()
    convolve(ops, a)  # tables go to the device
    with standin.forbid_syncs():
        convolve(ops, a)


def test_a_question_tells_everything(standin):
    from netspec.backends.cuda.convolution.operations import question

    geo = Geometry(2, 6, 9, (5, 7), (2, 3), (2, 1), (1, 0), (1, 2), 3)
    assert question("data", geo, "tf32") == (
        "data tf32, 2 of 6 x 5x7 to 9, kernel 2x3, stride 2x1, pad 1x0, "
        "dilation 1x2, group 3"
    )


def test_the_file_is_named_by_device_and_kernels(choice, monkeypatch, tmp_path):
    monkeypatch.setenv("NETSPEC_CACHE", str(tmp_path))
    path = choice.store_of(0, "1a2b")
    assert path.parent == tmp_path / "convolutions"
    assert re.fullmatch(r"[\w-]+-1a2b\.json", path.name)


FORWARD = {"operation": "forward", "precision": "fp32", "exact": False}


@pytest.mark.parametrize(
    ("geo", "change", "names", "default"),
    [
        (GEO, {}, "implicit_64 implicit_128 winograd depthwise columns", "implicit_64"),
        (GEO, {"exact": True}, "implicit_64 implicit_128 depthwise columns", None),
        (
            GEO,
            {"precision": "tf32"},
            "implicit_64 implicit_128 depthwise columns",
            None,
        ),
        (GEO, {"operation": "pooled"}, "implicit_64 implicit_128 winograd", None),
        (
            Geometry(8, 64, 128, (28, 28), (3, 3), (1, 1), (1, 1), (1, 1)),
            {},
            "implicit_64 implicit_128 winograd columns",
            "winograd",
        ),
        (
            Geometry(8, 64, 128, (28, 28), (3, 3), (1, 1), (1, 1), (1, 1)),
            {"precision": "fp16"},
            "implicit_64 implicit_128 columns",
            "implicit_128",
        ),
        (
            Geometry(8, 64, 64, (28, 28), (3, 3), (1, 1), (1, 1), (1, 1), 64),
            {},
            "implicit_64 implicit_128 winograd depthwise columns",
            "depthwise",
        ),
        (
            Geometry(2, 3, 4, (4, 5, 6), (2, 3, 1), (1,) * 3, (0,) * 3, (1,) * 3),
            {"precision": "tf32"},
            "columns",
            "columns",
        ),
        (
            Geometry(1, 3, 4, (4, 40000), (3, 5), (1, 1), (0, 0), (1, 1)),
            {},
            "columns",
            "columns",
        ),
    ],
)
def test_what_suits_a_geometry(standin, geo, change, names, default):
    from netspec.backends.cuda.convolution import candidates

    asked = FORWARD | change
    found = candidates.suitable(geo, **asked)
    assert " ".join(found) == names
    chosen = candidates.default(geo, asked["operation"], found)
    assert chosen == (default or "implicit_64")

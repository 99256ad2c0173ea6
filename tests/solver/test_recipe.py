"""Recipes: what they say, and that running one goes on where it stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from netspec.cli.main import main
from netspec.errors import DataError
from netspec.files import find
from netspec.solver.recipe import STOPPED, Journal, Step, as_script, run
from netspec.solver.recipes import RECIPES, Source, steps_of
from tests.conftest import ROOT


class Doing:
    """Executes steps by writing their files; fails or stops where told."""

    def __init__(self, steps: list[Step], fails: str = "") -> None:
        self.by_arguments = {step.arguments: step for step in steps}
        self.done: list[str] = []
        self.fails = fails

    def __call__(self, arguments) -> int:
        step = self.by_arguments[tuple(arguments)]
        self.done.append(step.name)
        if step.name == self.fails:
            return 6
        for path in step.writes:
            Path(path).write_text(step.name)
        return 0


@pytest.fixture
def steps(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return [Step(n, f"makes {n}", ("do", n, "a b"), (f"{n}.out",)) for n in "abcd"]


def go(steps, doing) -> int:
    return run(steps, Journal(Path("journal")), doing, lambda text: None)


@pytest.mark.smoke
def test_what_is_done_is_not_done_again(steps):
    failing = Doing(steps, "c")
    assert go(steps, failing) == 6
    assert failing.done == ["a", "b", "c"]
    again = Doing(steps)
    assert go(steps, again) == 0
    assert again.done == ["c", "d"]
    nothing = Doing(steps)
    assert go(steps, nothing) == 0
    assert nothing.done == []


def test_another_command_or_a_lost_file_is_done_again_with_all_behind(steps):
    assert go(steps, Doing(steps)) == 0
    Path("c.out").unlink()
    doing = Doing(steps)
    assert go(steps, doing) == 0
    assert doing.done == ["c", "d"]
    steps[1] = Step("b", "other", ("do", "b", "otherwise"), ("b.out",))
    doing = Doing(steps)
    assert go(steps, doing) == 0
    assert doing.done == ["b", "c", "d"]


def test_a_failure_while_a_step_is_done_anew_forgets_those_behind(steps):
    assert go(steps, Doing(steps)) == 0
    Path("b.out").unlink()
    assert go(steps, Doing(steps, "b")) == 6
    Path("b.out").write_text("")
    doing = Doing(steps)
    assert go(steps, doing) == 0
    assert doing.done == ["b", "c", "d"]


@pytest.mark.parametrize(
    ("last", "code"),
    [
        ({"event": "Finished", "reason": "signal"}, STOPPED),
        ({"event": "Finished", "reason": "max_iter"}, 0),
        ({"event": "Iteration"}, 0),
        ("no json", 0),
    ],
)
def test_a_training_that_was_stopped_is_not_done(steps, last, code):
    line = last if isinstance(last, str) else json.dumps(last)
    Path("log").write_text("x" * 5000 + "\n" + line + "\n")
    steps[0] = Step("a", "trains", ("do", "a"), ("a.out",), log="log")
    doing = Doing(steps)
    assert go(steps, doing) == code
    assert len(doing.done) == (1 if code else 4)


def test_a_step_that_leaves_nothing_is_told(steps):
    with pytest.raises(DataError, match=r"step a ended well and left no 'a.out'"):
        go(steps, lambda arguments: 0)


def test_a_damaged_journal_is_told(steps):
    Path("journal").write_text("[1]")
    with pytest.raises(DataError, match="is no journal of a recipe"):
        Journal(Path("journal"))


def test_the_script_quotes_and_says_what_is_written(steps):
    text = as_script(steps[:2])
    assert text == (
        "set -e\n\n# 1. a: makes a\n#    writes a.out\nnetspec do a 'a b'\n\n"
        "# 2. b: makes b\n#    writes b.out\nnetspec do b 'a b'\n"
    )


def option(step: Step, name: str) -> str:
    return step.arguments[step.arguments.index(name) + 1]


@pytest.mark.parametrize("name", [n for n in RECIPES if n.startswith("vgg")])
def test_the_papers_recipes(name):
    steps = steps_of(name, Source(train="t.tar", device="cuda"))
    assert steps[0].arguments[:4] == ("data", "imagenet", "--train", "t.tar")
    assert len({step.name for step in steps}) == len(steps)
    written = set()
    for step in steps:
        solver = option(step, "--solver") if "--solver" in step.arguments else ""
        if solver:
            assert find(solver).exists()
            assert option(step, "--device") == "cuda"
        if "--weights" in step.arguments:  # made by a step before
            assert option(step, "--weights") in written
        written.update(step.writes)
    trained = [step.name for step in steps if step.name.startswith("train")]
    if name in ("vgg11", "vgg11_lrn"):
        assert trained == [f"train {name}"]
        assert all("--transplant" not in step.arguments for step in steps)
    else:
        assert trained[:2] == ["train vgg11", f"train {name}"]
        second = next(step for step in steps if step.name == f"train {name}")
        assert option(second, "--weights") == "snapshots/vgg11_best.caffemodel"
        assert option(second, "--transplant") == "paper"


def test_scales_follow_one_another():
    names = [step.name for step in steps_of("vgg16", Source())]
    assert [n for n in names if n.startswith("train")] == [
        "train vgg11", "train vgg16", "train vgg16_s384", "train vgg16_jitter",
    ]  # fmt: skip
    scales = [
        option(step, "--scales")
        for step in steps_of("vgg16", Source())
        if step.name.startswith("test")
    ]
    assert scales == [
        "256", "224,256,288", "384", "352,384,416", "384", "256,384,512",
    ]  # fmt: skip


def test_the_command_prints_and_lists(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["recipe"]) == 0
    assert "vgg16\n" in capsys.readouterr().out
    assert main(["recipe", "vgg19", "--val", "my val", "--until", "train vgg11"]) == 0
    shown = capsys.readouterr().out
    assert "--val 'my val'" in shown
    assert shown.rstrip().endswith("--json snapshots/vgg11.jsonl")
    assert main(["recipe", "vgg99"]) == 2
    assert "unknown recipe 'vgg99'" in capsys.readouterr().err
    assert main(["recipe", "vgg16", "--until", "train vgg12"]) == 2
    assert list(tmp_path.iterdir()) == []


RUNNING = """
from pathlib import Path
from netspec.cli.recipe import _execute
from netspec.solver.recipe import Journal, run
from netspec.solver.recipes import Source, steps_of
Path("snapshots").mkdir()
steps = steps_of("digits", Source())[:1]
raise SystemExit(run(steps, Journal(Path("journal")), _execute))
"""


def test_a_request_to_end_reaches_the_training(tmp_path):
    """It writes a snapshot and ends well; the recipe knows that it is not done."""
    child = subprocess.Popen(
        [sys.executable, "-c", RUNNING],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    log = tmp_path / "snapshots/digits.jsonl"
    while not (log.exists() and '"Iteration"' in log.read_text()):
        assert child.poll() is None
        time.sleep(0.05)
    child.send_signal(signal.SIGTERM)
    told = child.communicate()[0]
    assert child.returncode == STOPPED
    assert "run the recipe again to go on" in told
    assert list((tmp_path / "snapshots").glob("digits_iter_*.solverstate"))
    assert not (tmp_path / "journal").exists()

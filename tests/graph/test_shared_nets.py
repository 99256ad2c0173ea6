"""Every net that people have files of builds, as far as it can without its data."""

from __future__ import annotations

import pytest

from netspec.solver.inspect import State, inspect_file


def test_every_net_checks(shared_data):
    nets = [
        path
        for folder in ("models", "prototxt")
        for path in sorted((shared_data / folder).rglob("*.prototxt"))
        # A viewer's presets were never run: some lack bottoms or a batch size.
        if "solver" not in path.name and "netscope" not in path.name
    ]
    assert len(nets) > 60
    faults = [str(e) for net in nets for e in inspect_file(net, State()).errors]
    assert faults == []


@pytest.mark.parametrize("phase", ["train", "test"])
def test_a_net_for_training_alone(shared_data, phase):
    """Nothing feeds it in TEST: an error only where that phase is asked for."""
    net = shared_data / "models/yufacedetect_v1/yufacedetectnet-open-v1.train.prototxt"
    found = inspect_file(net, State((phase,)))
    assert bool(found.errors) == (phase == "test")
    both = inspect_file(net, State())
    assert "test: nothing feeds the net in this phase" in both.notes
    assert not both.lints

from __future__ import annotations

import pytest

from netspec.graph import build_graph
from netspec.graph.batch import with_batch
from netspec.plan import make_plan
from netspec.plan.budget import largest_batch, need_of
from netspec.proto import TEST, TRAIN
from netspec.spec import parse_net

from .test_scale import NET


def graph_of(batch, phase=TRAIN):
    spec = parse_net(NET, "n.prototxt")
    whole = build_graph(spec, phase)
    return build_graph(spec, phase, feeding=with_batch(whole, batch))


def test_parameters_gradients_and_histories_count():
    plan = make_plan(graph_of(6), lean=True)
    need = need_of(plan, histories=2)
    assert need.parameters == 4 * (144 + 16 + 848 + 16)  # each on a cache line
    assert need.gradients == 3 * need.parameters
    assert need.total == 4 * need.parameters + plan.bytes


def test_a_net_that_is_only_tested_has_no_gradients():
    assert need_of(make_plan(graph_of(6, TEST), backward=False)).gradients == 0


@pytest.mark.parametrize("lean", [True, False])
@pytest.mark.parametrize("batch", [1, 2, 13, 100])
def test_the_largest_batch_fits_and_the_next_does_not(lean, batch):
    def plan(n):
        return make_plan(graph_of(n), lean)

    memory = need_of(plan(batch)).total
    found = largest_batch(plan, memory)
    assert found >= batch
    assert need_of(plan(found)).total <= memory
    assert need_of(plan(found + 1)).total > memory


def test_nothing_fits():
    assert largest_batch(lambda n: make_plan(graph_of(n), lean=True), 1000) == 0

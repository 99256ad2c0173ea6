"""Which gradients flow: each case names blobs and says what must come out."""

from __future__ import annotations

from netspec.graph.gradients import Flow, mark_gradients


def flow(bottoms: str, tops: str, learns: int = 0, **more) -> Flow:
    names = bottoms.split()
    return Flow(
        bottoms=names,
        tops=tops.split(),
        allowed=more.get("allowed", [True] * len(names)),
        propagate_down=more.get("propagate_down", ()),
        learns=[True] * learns or more.get("learned", []),
        trainable=more.get("trainable", [True] * learns),
        loss=more.get("loss", False),
    )


def marked(
    flows: list[Flow], force: bool = False
) -> list[tuple[list[bool], list[bool]]]:
    mark_gradients(flows, force)
    return [(f.bottom, f.param) for f in flows]


def chain(**conv2) -> list[Flow]:
    return [
        flow("", "data label"),
        flow("data", "a", learns=2),
        flow("a", "b", learns=2, **conv2),
        flow("b label", "loss", loss=True),
    ]


def test_the_first_layer_sends_nothing_to_the_data() -> None:
    got = marked(chain())
    assert got[1] == ([False], [True, True])
    assert got[2] == ([True], [True, True])
    assert got[3] == ([True, False], [])


def test_propagate_down_false_stops_what_is_below() -> None:
    got = marked(chain(propagate_down=[False]))
    assert got[1] == ([False], [False, False])
    assert got[2] == ([False], [True, True])


def test_a_branch_without_a_loss_gets_no_gradient() -> None:
    got = marked([*chain(), flow("a", "unused", learns=1)])
    assert got[4] == ([False], [False])


def test_nothing_flows_where_nothing_learns() -> None:
    flows = [flow("", "data"), flow("data", "a"), flow("a", "loss", loss=True)]
    assert marked(flows) == [([], []), ([False], []), ([False], [])]


def test_force_backward_reaches_inputs_but_not_statistics_or_labels() -> None:
    flows = [
        flow("", "data label"),
        flow("data", "a", learned=[False], trainable=[False]),
        flow("a label", "loss", loss=True, allowed=[True, False]),
    ]
    assert marked(flows, force=True) == [
        ([], []),
        ([True], [False]),
        ([True, False], []),
    ]

"""Ranks as threads: the same weights on 1, 2, 4 and 8, and nearly so on 3 or 5."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from netspec.errors import SpecError, UsageError
from netspec.solver import buckets
from netspec.solver.events import Iteration, Started, TestResult, Warned
from netspec.solver.snapshot import read_snapshot
from netspec.sync import Local, direct, doubling
from tests.sync.threads import on_ranks

from .small import classifier, make, pictures, weights_of

DATA = pictures(57, seed=1)
SETTINGS = "shards: 4 iter_size: 2 average_loss: 2 snapshot_after_train: false "
NORM = """
  layer { name: "norm" type: "BatchNorm" bottom: "conv" top: "conv" }
  layer { name: "scale" type: "Scale" bottom: "conv" top: "conv"
    scale_param { bias_term: true } }
"""


@pytest.fixture(autouse=True)
def _small_buckets(monkeypatch):
    """Several buckets also in a small net, parameters in several pieces, and ranks
    that read most of them where they are."""
    monkeypatch.setattr(buckets.cut_buckets, "__defaults__", (24, 40))
    for room in (direct, doubling):
        monkeypatch.setattr(room, "SMALL", 48)


def trained(folder, sync, settings=SETTINGS, net=None, steps=3, data=DATA, **options):
    events = []
    solver = make(
        folder,
        settings,
        net or classifier(16, dropout=True),
        data,
        sync=sync,
        listeners=[events.append],
        **options,
    )
    losses = solver.step(steps)
    return weights_of(solver), losses, events, solver


def compare(folder, sizes, settings=SETTINGS, net=None, **options):
    """Train on one rank and on *sizes*; all must end with the same bits."""
    alone = trained(folder, Local(), settings, net, **options)
    for size in sizes:
        found = on_ranks(
            size, lambda sync: trained(folder, sync, settings, net, **options)
        )
        for weights, losses, _, _ in found:
            np.testing.assert_array_equal(weights, alone[0])
            assert losses == alone[1]
    return alone


@pytest.mark.smoke
@pytest.mark.parametrize("device", ["numpy", "cpu"])
def test_the_same_bits_on_any_power_of_two(tmp_path, device):
    compare(tmp_path, (2, 4, 8), device=device)


@pytest.mark.parametrize(
    "settings",
    [
        "clip_gradients: 0.05",
        'type: "Adam" momentum2: 0.99',
        'type: "AdaDelta" delta: 1e-6',
        'regularization_type: "L1"',
        "debug_info: true",
        'type: "AdamW" momentum2: 0.99',
        'type: "LARS" local_gw_ratio: 0.1',
        "ema_decay: 0.9 test_interval: 2",
    ],
)
def test_the_same_bits_with_every_way_to_update(tmp_path, settings):
    compare(tmp_path, (4,), SETTINGS + settings)


@pytest.mark.parametrize("ignored", [0, 2])
@pytest.mark.parametrize("size", [2, 4, 8])
def test_labels_are_counted_over_the_batch_of_all_ranks(tmp_path, ignored, size):
    """Ranks hold unlike numbers of ignored labels; a pass is one rank's or several'."""
    data, labels = DATA
    labels = np.where(np.arange(57) % 16 < 7, ignored, labels)
    net = classifier(16, loss=f"loss_param {{ ignore_label: {ignored} }}")
    compare(tmp_path, (size,), net=net, data=(data, labels))


def test_each_rank_reads_its_own_share_only(tmp_path):
    read = {}

    def work(sync):
        labels = classifier(16, loss="loss_param { ignore_label: 1 }")
        solver = make(tmp_path, "shards: 4", labels, DATA, sync=sync)
        (feed,) = solver.feeds.by_layer.values()
        inner, seen = feed.read, read.setdefault(sync.rank, set())

        def spy(first, count, out=None):
            seen.update(range(first, first + count))
            return inner(first, count, out)

        feed.read = spy
        solver.step(2)
        solver.close()

    on_ranks(2, work)
    assert {n % 16 // 8 for n in read[0]} == {0}
    assert {n % 16 // 8 for n in read[1]} == {1}
    assert {*range(8), *range(16, 24)} <= read[0]


def test_statistics_of_batch_norm_do_not_depend_on_the_ranks(tmp_path):
    net = classifier(16).replace('layer { name: "relu"', NORM + 'layer { name: "relu"')
    weights, *_, solver = compare(tmp_path, (2, 4), net=net)
    stored = [s for s in solver.net.arena.segments if not s.param.trainable]
    assert len(stored) == 3
    assert all(weights[s.slice].any() for s in stored)


@pytest.mark.parametrize("size", [3, 5, 7])
def test_other_numbers_agree_within_rounding(tmp_path, size):
    net = classifier(16, dropout=True, loss="loss_param { ignore_label: 1 }")
    weights, losses, _, _ = trained(tmp_path, Local(), net=net)
    found = on_ranks(size, lambda sync: trained(tmp_path, sync, net=net))
    facts = next(e for e in found[0][2] if isinstance(e, Started))
    assert not facts.exact
    assert facts.ranks == size
    for others, other_losses, _, _ in found:
        np.testing.assert_array_equal(others, found[0][0])
        # Sums of 32 float32 products in another order, over three steps.
        np.testing.assert_allclose(others, weights, rtol=2e-5, atol=2e-6)
        np.testing.assert_allclose(other_losses, losses, rtol=2e-6)


def test_more_ranks_than_shards_cut_finer(tmp_path):
    weights, *_ = trained(tmp_path, Local(), "shards: 1")
    found = on_ranks(4, lambda sync: trained(tmp_path, sync, "shards: 1"))
    facts = next(e for e in found[0][2] if isinstance(e, Started))
    assert (facts.shards, facts.exact, facts.rank_images) == (4, False, 4)
    np.testing.assert_allclose(found[3][0], weights, rtol=2e-5, atol=2e-6)


def test_ranks_that_a_batch_does_not_go_round(tmp_path):
    with pytest.raises(UsageError) as caught:
        on_ranks(5, lambda sync: make(tmp_path, "", classifier(4), sync=sync))
    assert str(caught.value) == (
        "5 ranks are asked for, and the 4 images of an iteration come in 1 parts.\n"
        "  Take fewer ranks, or set the solver's shards, or a larger batch or "
        "iter_size."
    )


def test_a_net_that_couples_its_batch_says_so(tmp_path):
    net = classifier(16).replace('layer { name: "relu"', NORM + 'layer { name: "relu"')
    with pytest.raises(UsageError, match=r"layer 'norm' \(BatchNorm\) couples"):
        on_ranks(2, lambda sync: make(tmp_path, "", net, sync=sync))


def test_tests_find_the_same_numbers(tmp_path):
    """14 records in batches of 6: the last is smaller, and one of 4 ranks has none."""
    settings = SETTINGS + "test_interval: 2 test_compute_loss: true "
    for batches in ("", "test_iter: 5 "):
        alone = trained(tmp_path, Local(), settings + batches)
        results = [e for e in alone[2] if isinstance(e, TestResult)]
        for size in (2, 4):
            work = partial(trained, tmp_path, settings=settings + batches)
            for _, _, events, _ in on_ranks(
                size, lambda sync, work=work: work(sync=sync)
            ):
                theirs = [e for e in events if isinstance(e, TestResult)]
                assert [(e.outputs, e.loss) for e in theirs] == [
                    (e.outputs, e.loss) for e in results
                ]


def test_outputs_that_are_shown_are_those_of_the_whole_batch(tmp_path):
    scores = 'layer { name: "look" type: "Softmax" bottom: "score" top: "prob" }'
    settings = SETTINGS + "display: 1"
    net = classifier(16) + scores
    alone = trained(tmp_path, Local(), settings, net)
    for found in on_ranks(4, lambda sync: trained(tmp_path, sync, settings, net)):
        shown = [e.outputs for e in found[2] if isinstance(e, Iteration)]
        assert shown == [e.outputs for e in alone[2] if isinstance(e, Iteration)]
        assert len(shown[0][1].values) == 16 * 3


def test_rank_0_alone_writes_and_all_go_on_from_what_it_reads(tmp_path):
    settings = SETTINGS + 'snapshot: 2 test_interval: 2 snapshot_best: "accuracy" '
    whole, *_ = trained(tmp_path / "one", Local(), settings, steps=5)
    folder = tmp_path / "ranks"
    folder.mkdir()
    on_ranks(4, lambda sync: trained(folder, sync, settings, steps=3))
    assert read_snapshot(folder / "solver_iter_2.solverstate").progress.kept == [2]

    def resumed(sync):
        solver = make(
            folder,
            settings,
            classifier(16, dropout=True),
            DATA,
            sync=sync,
            resume="auto",
        )
        assert solver.iteration == 2
        solver.step(3)
        return weights_of(solver)

    for weights in on_ranks(2, resumed):
        np.testing.assert_array_equal(weights, whole)
    alone = make(folder, settings, classifier(16, dropout=True), DATA, resume="auto")
    assert alone.iteration == 4
    alone.step(1)
    np.testing.assert_array_equal(weights_of(alone), whole)


def test_where_nothing_is_found_all_ranks_start(tmp_path):
    def work(sync):
        solver = make(
            tmp_path, SETTINGS, classifier(16), DATA, sync=sync, resume="auto"
        )
        return solver.iteration

    assert on_ranks(2, work) == [0, 0]


def test_ranks_with_other_files_are_refused(tmp_path):
    def work(sync):
        decay = f"weight_decay: 0.{sync.rank}"
        return make(tmp_path, SETTINGS + decay, classifier(16), sync=sync)

    with pytest.raises(UsageError, match="reads another net or solver than rank 0"):
        on_ranks(2, work)


def test_all_ranks_name_the_cause_of_a_loss_that_is_not_finite(tmp_path):
    data, labels = DATA
    data = data.copy()
    data[19, 1, 2, 3] = np.nan  # read by the second of two ranks
    seen = []

    def work(sync):
        solver = make(tmp_path, "shards: 4", classifier(16), (data, labels), sync=sync)
        with pytest.raises(Exception, match="loss of iteration 1 is nan") as caught:
            solver.step(3)
        seen.append(str(caught.value))
        return weights_of(solver)

    found = on_ranks(2, work)
    assert seen[0] == seen[1]
    assert "is in blob 'data' of layer 'data'" in seen[0]
    good, *_ = trained(tmp_path, Local(), "shards: 4", classifier(16), steps=1)
    np.testing.assert_array_equal(found[0], good)


def test_time_is_split_and_communication_counted(tmp_path):
    *_, events, _ = on_ranks(2, lambda sync: trained(tmp_path, sync))[0]
    timings = [e.timings for e in events if isinstance(e, Iteration)]
    assert all(t.communication > 0 and t.wait > 0 for t in timings)
    assert all(0 <= t.hidden <= 1 for t in timings)
    assert not [e for e in events if isinstance(e, Warned)]


def test_a_file_that_asks_for_what_cannot_be_is_wrong_on_any_number(tmp_path):
    with pytest.raises(SpecError, match="they do not divide the batch of 16"):
        on_ranks(
            2, lambda sync: make(tmp_path, "shards: 32", classifier(16), sync=sync)
        )


@pytest.mark.parametrize(
    "field", ["max_iter: 2", "display: 1", "test_interval: 1", "average_loss: 3"]
)
def test_ranks_that_would_wait_for_each_other_for_ever_are_refused(tmp_path, field):
    """What does not decide the weights decides how often ranks talk, or may."""

    def work(sync):
        return make(tmp_path, field if sync.rank else "", classifier(16), sync=sync)

    with pytest.raises(UsageError, match="reads another net or solver than rank 0"):
        on_ranks(2, work)


def test_ranks_may_keep_files_in_places_of_their_own(tmp_path):
    def work(sync):
        here = f'snapshot_prefix: "{tmp_path}/{sync.rank}/n" snapshot: 1'
        make(tmp_path, here, classifier(16), sync=sync).step(1)

    on_ranks(2, work)
    assert [path.name for path in tmp_path.iterdir()] == ["0"]


def test_ranks_with_other_data_are_refused(tmp_path, monkeypatch):
    """A copy on one machine is not complete: its records would go by another order."""
    monkeypatch.setattr("tests.sync.threads.PATIENCE", 3)  # rank 0 waits for the other
    settings = SETTINGS + "test_interval: 9"

    def work(sync):
        data = pictures(57 - sync.rank, seed=1)
        return make(tmp_path, settings, classifier(16), data, sync=sync).step(1)

    with pytest.raises(UsageError) as caught:
        on_ranks(2, work)
    assert str(caught.value) == (
        "this rank's sources have 56 and 14 records; those of rank 0 have 57 and 14.\n"
        "  Give all ranks the same data."
    )


def test_weights_that_are_loaded_later_are_rank_0s_too(tmp_path):
    """Files of one name may differ between machines."""
    for rank in (0, 1):
        solver = make(tmp_path / str(rank), f"random_seed: {rank}", classifier(16))
        solver.snapshot()

    def work(sync):
        solver = make(
            tmp_path, SETTINGS + "clip_gradients: 9", classifier(16), sync=sync
        )
        solver.load(tmp_path / str(sync.rank) / "solver_iter_0.caffemodel")
        solver.step(1)
        return weights_of(solver)

    first, second = on_ranks(2, work)
    np.testing.assert_array_equal(first, second)

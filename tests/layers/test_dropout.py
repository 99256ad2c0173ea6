from __future__ import annotations

import numpy as np
import pytest

from netspec.errors import SpecError
from netspec.proto import TEST
from netspec.random import Key, words
from tests.golden import check_layer_case, layer_cases
from tests.layers.harness import Trial, both_ops, check_layer, make_layer

TEXT = 'type: "Dropout" dropout_param { dropout_ratio: 0.3 }'
KEY = Key(11, "drop6", iteration=5)
SHAPE = (6, 5, 7)


@pytest.mark.parametrize("in_place", [False, True])
def test_gradient(in_place):
    check_layer(Trial(TEXT, [SHAPE], in_place=in_place))


@pytest.mark.smoke
@pytest.mark.parametrize("ops", both_ops())
def test_the_mask_is_that_of_the_key(ops):
    trial = Trial(TEXT, [SHAPE], ops=ops, dtype=np.float32, key=KEY, first_sample=18)
    kept = words(KEY, 6, 35, 18).reshape(SHAPE) >= 0.3 * 2**32
    x = trial.start[0]
    np.testing.assert_allclose(trial.forward()[0], x * kept / 0.7, rtol=1e-6)
    (diff,) = trial.backward([np.ones(SHAPE)])
    np.testing.assert_allclose(diff, kept / 0.7, rtol=1e-6)


def test_both_backends_drop_the_same_bit_for_bit():
    numbers = {"dtype": np.float32, "key": KEY}
    first, second = (Trial(TEXT, [SHAPE], ops=o, **numbers) for o in both_ops())
    assert first.forward()[0].tobytes() == second.forward()[0].tobytes()


@pytest.mark.parametrize("ops", both_ops())
def test_shards_drop_what_the_whole_batch_drops(ops):
    x = np.random.default_rng(3).standard_normal(SHAPE)

    def run(rows: slice) -> np.ndarray:
        return Trial(TEXT, [x[rows]], ops=ops, dtype=np.float32, key=KEY,
                     first_sample=12 + rows.start).forward()[0]  # fmt: skip

    whole = run(slice(0, 6))
    parts = [run(slice(i, i + 2)) for i in (0, 2, 4)]
    assert whole.tobytes() == np.concatenate(parts).tobytes()


def test_every_iteration_draws_anew():
    found = [Trial(TEXT, [SHAPE], key=KEY.at(i)).forward()[0] == 0 for i in (0, 1)]
    assert (found[0] != found[1]).any()


@pytest.mark.parametrize("ops", both_ops())
def test_the_share_dropped_is_the_ratio(ops):
    trial = Trial(TEXT, [np.ones((100, 1001))], ops=ops, dtype=np.float32)
    dropped = float((trial.forward()[0] == 0).mean())
    assert abs(dropped - 0.3) < 5 * np.sqrt(0.3 * 0.7 / 100100)


def test_test_phase_is_the_identity():
    trial = Trial(TEXT, [SHAPE], phase=TEST)
    assert not trial.run.scratch
    np.testing.assert_array_equal(trial.forward()[0], trial.start[0])
    diff = np.arange(210.0).reshape(SHAPE)
    np.testing.assert_array_equal(trial.backward([diff])[0], diff)


def test_ratio_0_drops_nothing():
    trial = Trial('type: "Dropout" dropout_param { dropout_ratio: 0 }', [SHAPE])
    np.testing.assert_array_equal(trial.forward()[0], trial.start[0])


@pytest.mark.parametrize("ratio", [1.0, -0.1, 1.5])
def test_a_ratio_that_is_no_chance_is_refused(ratio):
    with pytest.raises(SpecError) as caught:
        make_layer(f'type: "Dropout" dropout_param {{ dropout_ratio: {ratio} }}')
    assert str(caught.value) == (
        f"dropout_ratio {ratio:g} is no chance to drop an element.\n"
        "  Choose from 0 up to, and not including, 1."
    )
    assert caught.value.field == "dropout_param.dropout_ratio"


@pytest.mark.parametrize("device", ["numpy", "cpu"])
@pytest.mark.parametrize("case", layer_cases("Dropout"))
def test_golden(case, device):
    check_layer_case(case, device)

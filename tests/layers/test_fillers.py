from __future__ import annotations

import json

import numpy as np
import pytest
from google.protobuf import text_format

from netspec.errors import SpecError
from netspec.layers.fillers import FILLERS, check_filler, check_fillers, fill
from netspec.proto import FillerParameter
from netspec.random import Key
from tests.golden import golden_folder
from tests.layers.harness import make_layer

KEY = Key(3, "conv1/0")


def filled(text: str, shape: tuple[int, ...], key: Key = KEY) -> np.ndarray:
    out = np.full(shape, np.nan, np.float32)
    fill(text_format.Parse(text, FillerParameter()), out, key)
    return out


def golden_cases() -> list:
    index = golden_folder() / "fillers" / "index.json"
    if not index.is_file():
        skip = pytest.mark.skip(reason=f"no golden data at {golden_folder()}")
        return [pytest.param(None, marks=skip)]
    cases = json.loads(index.read_text())["cases"]
    return [pytest.param(case, id=case["name"]) for case in cases]


@pytest.mark.parametrize("case", golden_cases())
def test_golden(case):
    values = filled(_text(case["filler"]), tuple(case["shape"]))
    if "exact" in case:
        exact = np.load(golden_folder() / "fillers" / "exact.npz")[case["exact"]]
        np.testing.assert_allclose(values, exact, rtol=1e-6)
        return
    n, std = values.size, case["std"]
    # Both means vary: 5 standard deviations of their difference.
    assert abs(values.mean(dtype=float) - case["mean"]) < 5 * std * np.sqrt(2 / n)
    # The relative error of a deviation is at most √(kurtosis / 4n); sparse: 30.
    spread = 5 * np.sqrt((30 if case["filler"].get("sparse") else 3) / (2 * n))
    assert values.std() == pytest.approx(std, rel=spread)
    _check_extremes(case, values)


def _text(filler: dict) -> str:
    words = ("type",)
    return " ".join(
        f'{k}: "{v}"' if k in words else f"{k}: {v}" for k, v in filler.items()
    )


def _check_extremes(case: dict, values: np.ndarray) -> None:
    if case["filler"]["type"] in ("uniform", "xavier"):
        reach = case["max"] - case["min"]
        assert values.min() == pytest.approx(case["min"], abs=1e-3 * reach)
        assert values.max() == pytest.approx(case["max"], abs=1e-3 * reach)
    if "fraction_not_zero" in case:
        found = np.count_nonzero(values) / values.size
        assert found == pytest.approx(case["fraction_not_zero"], abs=0.01)
    if "row_sum_min" in case:
        sums = values.sum(axis=1, dtype=float)
        np.testing.assert_allclose(sums, 1, rtol=2e-6)
        assert values.min() >= 0


@pytest.mark.parametrize("name", sorted(FILLERS))
def test_every_filler_is_a_function_of_its_key(name):
    text = f'type: "{name}"'
    first, again = filled(text, (3, 2, 4, 4)), filled(text, (3, 2, 4, 4))
    np.testing.assert_array_equal(first, again)
    other = filled(text, (3, 2, 4, 4), Key(3, "conv2/0"))
    random = name not in ("constant", "bilinear")
    assert (first != other).any() == random


def test_a_parameter_of_float64_gets_finer_values_of_the_same_draw():
    wide = np.empty((5, 7))
    fill(FillerParameter(type="gaussian"), wide, KEY)
    narrow = filled('type: "gaussian"', (5, 7))
    np.testing.assert_array_equal(wide.astype(np.float32), narrow)


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("text", "shape", "message", "field"),
    [
        ('type: "gausian"', (3, 2),
         "unknown filler 'gausian'.\n  Did you mean 'gaussian'?", "type"),
        ('type: "uniform" min: 2 max: 1', (3, 2),
         "filler uniform has min 2 above max 1.\n  Swap them.", "min"),
        ('type: "gaussian" std: -1', (3, 2),
         "filler gaussian has std -1.\n  A standard deviation is not below 0.", "std"),
        ('type: "xavier" sparse: 3', (3, 2),
         "filler xavier of a parameter of shape 3x2 has sparse 3.\n  sparse goes with "
         "filler gaussian and is 0 or more; -1 keeps all weights.", "sparse"),
        ('type: "gaussian" sparse: -2', (3, 2),
         "filler gaussian of a parameter of shape 3x2 has sparse -2.\n  sparse goes "
         "with filler gaussian and is 0 or more; -1 keeps all weights.", "sparse"),
        ('type: "bilinear"', (3, 2, 4, 5),
         "filler bilinear cannot fill a parameter of shape 3x2x4x5.\n  It fills "
         "kernels of four axes with equal height and width.", "type"),
        ('type: "msra"', (),
         "filler msra cannot fill a scalar.\n  Choose constant, uniform or gaussian.",
         "type"),
    ],
)  # fmt: skip
def test_what_is_refused(text, shape, message, field):
    with pytest.raises(SpecError) as caught:
        check_filler(text_format.Parse(text, FillerParameter()), shape, "a_param.f")
    assert str(caught.value) == message
    assert caught.value.field == f"a_param.f.{field}"


def test_a_layers_filler_is_found_in_its_message():
    layer = make_layer(
        'type: "InnerProduct" inner_product_param { num_output: 4 '
        'weight_filler { type: "xavier" } bias_filler { type: "constnt" } }'
    )
    with pytest.raises(SpecError) as caught:
        check_fillers(layer.proto, layer.params(((2, 3),)))
    assert caught.value.field == "inner_product_param.bias_filler.type"

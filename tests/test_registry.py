from __future__ import annotations

import pytest

from netspec.errors import SpecError, UsageError
from netspec.registry import Registry, suggest


def make() -> Registry[int]:
    registry: Registry[int] = Registry("filler")
    registry("gaussian")(1)
    registry("xavier", "glorot")(2)
    registry("msra")(3)
    return registry


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("gausian", "unknown filler 'gausian'.\n  Did you mean 'gaussian'?"),
        ("XAVIER", "unknown filler 'XAVIER'.\n  Did you mean 'xavier'?"),
        (
            "zzz",
            "unknown filler 'zzz'.\n  Known are: gaussian, glorot, msra, xavier.",
        ),
        ("", "unknown filler ''.\n  Known are: gaussian, glorot, msra, xavier."),
    ],
)
def test_an_unknown_name_offers_the_nearest_known(name, text):
    with pytest.raises(SpecError) as caught:
        make()[name]
    assert str(caught.value) == text


def test_the_error_type_is_the_registrys():
    with pytest.raises(UsageError):
        Registry("command", UsageError)["train"]


def test_it_reads_as_a_mapping_in_order():
    registry = make()
    assert dict(registry) == {"gaussian": 1, "glorot": 2, "msra": 3, "xavier": 2}
    assert len(registry) == 4
    assert "msra" in registry
    assert "MSRA" not in registry


def test_a_second_of_one_name_is_refused():
    with pytest.raises(ValueError, match="filler 'msra' is already registered"):
        make()("msra")(4)


def test_suggest():
    assert suggest("conv", ["pool", "conv1"]) == "Did you mean 'conv1'?"
    assert suggest("q", ["b", "a"]) == "Known are: a, b."


def test_nothing_known_is_said_so() -> None:
    assert suggest("x", []) == "There are none."

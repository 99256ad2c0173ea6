"""LSTM, RNN and LSTMUnit against plain loops, differences and Caffe."""

from __future__ import annotations

import numpy as np
import pytest

from netspec.errors import SpecError
from netspec.net import Net
from netspec.spec import parse_net
from tests.golden import GoldenRun, check_layer_case, layer_cases
from tests.layers.harness import Trial, both_ops, check_layer, infer, make_layer

T, N, X, S, D = 4, 3, 5, 2, 6
RNG = np.random.default_rng(4)
# The first sequence starts with the batch, the second goes on, the third restarts.
CONT = np.array([[0, 1, 1], [1, 1, 1], [1, 1, 0], [1, 1, 1.0]])


def text(kind: str, exposed: bool = False) -> str:
    expose = str(exposed).lower()
    return (
        f'type: "{kind}" recurrent_param {{ num_output: {D} expose_hidden: {expose} }}'
    )


def states(kind: str) -> int:
    return {"LSTM": 2, "RNN": 1}[kind]


def bottoms(kind: str, static: bool, exposed: bool, cont: np.ndarray) -> list:
    given = [RNG.normal(size=(T, N, X)), cont]
    given += [RNG.normal(size=(N, S))] if static else []
    initial = [RNG.normal(size=(1, N, D)) for _ in range(states(kind))]
    return given + (initial if exposed else [])


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def expected(kind: str, given: list, params: list, exposed: bool) -> list[np.ndarray]:
    """Outputs and final states, sequence by sequence and step by step."""
    x, cont, *rest = given
    first = len(rest) - states(kind) if exposed else len(rest)
    static = rest[0] if first else None
    zero = [np.zeros((1, N, D))] * states(kind)
    h, *c = [s[0].copy() for s in (rest[first:] if exposed else zero)]
    w, b, *more = params
    v = more.pop(0) if first else None
    y = np.empty((T, N, D))
    for t in range(T):
        for n in range(N):
            gates = w @ x[t, n] + b + more[0] @ (cont[t, n] * h[n])
            if v is not None:
                gates = gates + v @ static[n]
            if kind == "RNN":
                h[n] = np.tanh(gates)
                y[t, n] = np.tanh(more[1] @ h[n] + more[2])
            else:
                i, f, o = (sigmoid(g) for g in gates[: 3 * D].reshape(3, D))
                c[0][n] = cont[t, n] * f * c[0][n] + i * np.tanh(gates[3 * D :])
                y[t, n] = h[n] = o * np.tanh(c[0][n])
    return [y, *([h[None], *(s[None] for s in c)] if exposed else [])]


@pytest.mark.smoke
@pytest.mark.parametrize("kind", ["LSTM", "RNN"])
@pytest.mark.parametrize("static", [False, True])
@pytest.mark.parametrize("exposed", [False, True])
@pytest.mark.parametrize("ops", both_ops())
def test_outputs_and_final_states(kind, static, exposed, ops):
    given = bottoms(kind, static, exposed, CONT)
    tops = 1 + states(kind) * exposed
    trial = Trial(text(kind, exposed), given, tops=tops, ops=ops)
    found = trial.forward()
    for y, wanted in zip(found, expected(kind, given, trial.run.param, exposed)):
        np.testing.assert_allclose(y, wanted, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("kind", ["LSTM", "RNN"])
@pytest.mark.parametrize("static", [False, True])
@pytest.mark.parametrize("exposed", [False, True])
def test_gradients(kind, static, exposed):
    cont = np.where(CONT == 1, 0.8, 0)  # what goes on may be weighted
    if not exposed:
        cont[0] = 0  # else every pass begins where the one before ended
    given = bottoms(kind, static, exposed, cont)
    tops = 1 + states(kind) * exposed
    trial = Trial(text(kind, exposed), given, tops=tops)
    check_layer(trial)
    assert [d is None for d in trial.bottom_diff] == [i == 1 for i in range(len(given))]


@pytest.mark.parametrize("kind", ["LSTM", "RNN"])
def test_a_batch_goes_on_where_the_last_one_ended(kind):
    shapes = [f"shape {{ dim: 2 dim: {N} dim: {X} }}", f"shape {{ dim: 2 dim: {N} }}"]
    layers = "".join(
        f'layer {{ name: "{n}" type: "Input" top: "{n}" input_param {{ {s} }} }}'
        for n, s in zip(("x", "cont"), shapes)
    )
    body = (
        f'layer {{ name: "l" bottom: "x" bottom: "cont" top: "y" type: "{kind}" '
        f'recurrent_param {{ num_output: {D} weight_filler {{ type: "gaussian" }} }} }}'
    )
    x = RNG.normal(size=(T, N, X)).astype(np.float32)
    halves = Net(parse_net(layers + body))
    parts = [halves.forward(x=x[t : t + 2], cont=CONT[t : t + 2])["y"] for t in (0, 2)]
    whole = Net(parse_net(layers.replace("dim: 2", f"dim: {T}") + body))
    np.testing.assert_allclose(
        np.concatenate(parts), whole.forward(x=x, cont=CONT)["y"], rtol=1e-5, atol=1e-6
    )
    # A lean plan keeps the state apart from what it shares.
    lean = Net(parse_net(layers + body), lean=True)
    again = [lean.forward(x=x[t : t + 2], cont=CONT[t : t + 2])["y"] for t in (0, 2)]
    np.testing.assert_array_equal(parts, again)


class WithoutFinalDiffs(GoldenRun):
    """Caffe's numbers leave out the diffs of the final states, and so must ours."""

    def named(self, prefix: str) -> dict[str, np.ndarray]:
        named = super().named(prefix)
        if prefix == "topdiff":
            named |= {
                k: np.zeros_like(v) for k, v in named.items() if k in ("hT", "cT")
            }
        return named


@pytest.mark.parametrize("device", ["numpy", "cpu"])
@pytest.mark.parametrize("case", layer_cases("LSTM", "RNN"))
def test_golden(case, device):
    WithoutFinalDiffs(case, device, lean=False).check(1e-5)


@pytest.mark.parametrize("device", ["numpy", "cpu"])
@pytest.mark.parametrize("case", layer_cases("LSTMUnit"))
def test_golden_unit(case, device):
    check_layer_case(case, device)


def unit_bottoms() -> list[np.ndarray]:
    cell, gates = RNG.normal(size=(1, N, D)), RNG.normal(size=(1, N, 4 * D))
    return [cell, gates, np.array([[1, 0, 0.6]])]


def test_unit_gradients():
    check_layer(Trial('type: "LSTMUnit"', unit_bottoms(), tops=2))


@pytest.mark.parametrize("wanted", [(True, False), (False, True)])
def test_a_unit_may_give_one_gradient_alone(wanted):
    given = unit_bottoms()
    both = Trial('type: "LSTMUnit"', given, tops=2)
    one = Trial('type: "LSTMUnit"', given, tops=2, gradient=(*wanted, False))
    diffs = [RNG.normal(size=(1, N, D)) for _ in range(2)]
    for trial in (both, one):
        trial.forward()
        trial.backward(diffs)
    i = wanted.index(True)
    np.testing.assert_array_equal(one.bottom_diff[i], both.bottom_diff[i])


def test_parameters_in_caffes_order_and_macs():
    shapes = ((T, N, X), (T, N), (N, S))
    lstm, rnn = (make_layer(text(kind), 3) for kind in ("LSTM", "RNN"))
    assert [p.shape for p in lstm.params(shapes)] == [
        (4 * D, X), (4 * D,), (4 * D, S), (4 * D, D),
    ]  # fmt: skip
    assert [p.shape for p in rnn.params(shapes)] == [
        (D, X), (D,), (D, S), (D, D), (D, D), (D,),
    ]  # fmt: skip
    step = T * N * D
    assert lstm.macs(shapes, ()) == 4 * step * (X + D) + 4 * N * D * S
    assert rnn.macs(shapes, ()) == step * (X + D) + N * D * S + step * D
    assert lstm.couples_batch(shapes)


@pytest.mark.parametrize(
    ("body", "shapes", "tops", "message", "field"),
    [
        (
            'type: "LSTM"', ((T, N, X), (T, N)), 1,
            "num_output is missing or 0.\n  It must be at least 1.",
            "recurrent_param.num_output",
        ),
        (
            text("LSTM"), ((T, N, X), (T, N), (N, S), (1, N, D)), 1,
            "takes 2 to 3 bottom(s) without expose_hidden, and has 4.\n"
            "  Give it 2 to 3.",
            "bottom",
        ),
        (
            text("RNN", True), ((T, N, X), (T, N), (1, N, D)), 1,
            "takes exactly 2 top(s) with expose_hidden, and has 1.\n"
            "  Give it exactly 2.",
            "top",
        ),
        (
            text("RNN"), ((T,), (T,)), 1,
            f"bottom 0 has shape {T}.\n"
            "  It must have at least two axes: steps x sequences.",
            "bottom.0",
        ),
        (
            text("RNN"), ((T, N, X), (T, N, 1)), 1,
            f"bottom 1 has shape {T}x{N}x1.\n  It must have {T}x{N}, as bottom 0.",
            "bottom.1",
        ),
        (
            text("LSTM"), ((T, N, X), (T, N), (N + 1, S)), 1,
            f"bottom 2 has shape {N + 1}x{S}.\n"
            f"  It must have {N} rows, one a sequence.",
            "bottom.2",
        ),
        (
            text("LSTM", True), ((T, N, X), (T, N), (1, N, D), (N, D)), 3,
            f"bottom 3 has shape {N}x{D}.\n"
            f"  It must have 1x{N}x{D}, an initial state.",
            "bottom.3",
        ),
        (
            'type: "LSTMUnit"', ((1, N, D), (1, N, 3 * D), (1, N)), 2,
            f"bottom 1 has shape 1x{N}x{3 * D}, bottom 0 has 1x{N}x{D}.\n"
            f"  Bottom 1 must have 1x{N}x{4 * D}.",
            "bottom.1",
        ),
        (
            'type: "LSTMUnit"', ((2, N, D), (2, N, 4 * D), (2, N)), 2,
            f"bottom 0 has shape 2x{N}x{D}.\n"
            "  It must have 1 x sequences x size, the cells of one step.",
            "bottom.0",
        ),
    ],
)  # fmt: skip
def test_what_is_refused(body, shapes, tops, message, field):
    with pytest.raises(SpecError) as caught:
        infer(body, shapes, tops)
    assert str(caught.value) == message
    assert caught.value.field == field


@pytest.mark.parametrize("kind", ["LSTM", "RNN"])
def test_cont_has_no_gradient(kind):
    trial = Trial(text(kind), bottoms(kind, False, False, CONT), gradient=(True, True))
    trial.forward()
    with pytest.raises(SpecError, match="no gradient for its sequence indicators"):
        trial.backward()

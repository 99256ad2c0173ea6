"""What RNN and LSTM share: sequences, their states, and the transformation of inputs.

A blob of a sequence is (T, N, ...): T steps of N sequences side by side.  Bottom 1,
*cont* (T, N), is 0 where a sequence begins and 1 where it goes on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from netspec.errors import SpecError
from netspec.layers.base import (
    Arity,
    Array,
    Layer,
    ParamSpec,
    Run,
    Scratch,
    Shapes,
    at_least,
)
from netspec.layers.loss import refuse_gradient
from netspec.shapes import Shape, count, describe

PREFIX = "recurrent_param"


@dataclass(frozen=True)
class Sequences:
    """Sizes of one set of sequences.

    Attributes:
        steps, batch: T and N.
        inputs: values of one step of one sequence.
        static: values of the input that is the same for all steps; 0: there is none.
        first_state: number of the first bottom that is an initial state.
    """

    steps: int
    batch: int
    inputs: int
    static: int
    first_state: int

    def rows(self, blob: Array) -> Array:
        """A blob of all steps, or of one, as rows of values."""
        return blob.reshape(-1, count(blob.shape, 2))


class Recurrent(Layer):
    """Base of layers that go through a sequence step by step.

    Bottoms are x (T, N, ...), cont (T, N) and, as Caffe has them, a static input
    (N, ...) and the initial states (1, N, D) with ``expose_hidden``; tops are the
    outputs (T, N, D), and then the final states.  Without ``expose_hidden`` the states
    go on from one pass to the next: a batch whose cont begins with 1 continues the
    sequences of the batch before.

    Initial states get their gradients and the diffs of final states count, which
    Caffe leaves out.
    """

    bottoms, tops = at_least(2), at_least(1)
    states: ClassVar[tuple[str, ...]]  # names of the states
    gates: ClassVar[int]  # values computed for each of the hidden state

    def setup(self) -> None:
        """Read recurrent_param."""
        self.message = self.proto.recurrent_param
        self.width: int = self.message.num_output
        self.exposed = len(self.states) * self.message.expose_hidden
        if self.width < 1:
            raise SpecError(
                "num_output is missing or 0.",
                "It must be at least 1.",
                field=f"{PREFIX}.num_output",
            )

    def check_arity(self, bottoms: int, tops: int) -> None:
        """Bottoms and tops for the states only where they are exposed."""
        limits = (
            ("bottom", bottoms, Arity(2 + self.exposed, 3 + self.exposed)),
            ("top", tops, Arity(1 + self.exposed, 1 + self.exposed)),
        )
        for what, found, arity in limits:
            if found not in arity:
                how = "with" if self.exposed else "without"
                raise SpecError(
                    f"takes {arity} {what}(s) {how} expose_hidden, and has {found}.",
                    f"Give it {arity}.",
                    field=what,
                )

    def geometry(self, bottom: Shapes) -> Sequences:
        """Sizes; the static input is there when a bottom is left for it."""
        has_static = len(bottom) == 3 + self.exposed
        return Sequences(
            steps=bottom[0][0],
            batch=bottom[0][1],
            inputs=count(bottom[0], 2),
            static=count(bottom[2], 1) if has_static else 0,
            first_state=2 + has_static,
        )

    def infer_shapes(self, bottom: Shapes) -> Shapes:
        """The outputs of every step, then the final states."""
        if len(bottom[0]) < 2:
            raise _unfit(0, bottom[0], "at least two axes: steps x sequences")
        steps, batch = bottom[0][:2]
        if bottom[1] != (steps, batch):
            raise _unfit(1, bottom[1], describe((steps, batch)) + ", as bottom 0")
        sizes = self.geometry(bottom)
        if sizes.first_state == 3 and bottom[2][:1] != (batch,):
            raise _unfit(2, bottom[2], f"{batch} rows, one a sequence")
        state = (1, batch, self.width)
        for i, shape in enumerate(bottom[sizes.first_state :], sizes.first_state):
            if shape != state:
                raise _unfit(i, shape, f"{describe(state)}, an initial state")
        return ((steps, batch, self.width), *[state] * self.exposed)

    def weights(self, inputs: int) -> ParamSpec:
        """Weights from *inputs* values to the gates."""
        shape = (self.gates * self.width, inputs)
        return ParamSpec(shape, self.message.weight_filler)

    def bias(self, gates: int) -> ParamSpec:
        """A bias of so many times the hidden state."""
        return ParamSpec((gates * self.width,), self.message.bias_filler)

    def params(self, bottom: Shapes) -> tuple[ParamSpec, ...]:
        """Input weights, bias, static weights where there are any, hidden weights."""
        sizes = self.geometry(bottom)
        static = [self.weights(sizes.static)] if sizes.static else []
        return (
            self.weights(sizes.inputs),
            self.bias(self.gates),
            *static,
            self.weights(self.width),
        )

    def scratch(self, bottom: Shapes, in_place: bool) -> Mapping[str, Scratch]:
        """Values and diffs of the gates, hidden states as the next step saw them."""
        sizes = self.geometry(bottom)
        gates = (sizes.steps, sizes.batch, self.gates * self.width)
        hidden = (sizes.steps, sizes.batch, self.width)
        kept = {} if self.exposed else {"state": self._state(sizes)}
        return {
            "gates": Scratch(gates),
            "step": Scratch(gates[1:]),
            "held": Scratch(hidden),
            "dgates": Scratch(gates, training=True),
            "dheld": Scratch(hidden[1:], training=True),
            **kept,
        }

    def _state(self, sizes: Sequences) -> Scratch:
        shape: Shape = (len(self.states), sizes.batch, self.width)
        return Scratch(shape, lasting=True)

    def couples_batch(self, bottom: Shapes) -> bool:
        """The first axis is that of the steps."""
        return True

    def allows_force_backward(self, bottom: int) -> bool:
        """Everything but cont has a gradient."""
        return bottom != 1

    def macs(self, bottom: Shapes, top: Shapes) -> int:
        """One for each weight, sequence and step; the static input's once."""
        sizes = self.geometry(bottom)
        step = sizes.steps * (sizes.inputs + self.width)
        return sizes.batch * self.gates * self.width * (step + sizes.static)

    def initial(self, run: Run, state: int) -> Array:
        """State number *state* before the first step, (N, D)."""
        if self.exposed:
            return run.bottom[run.geometry.first_state + state][0]
        return run.scratch["state"][state]

    def finish(self, ops: Any, run: Run, *final: Array) -> None:
        """Hand the final states on: to the tops, or to the next pass."""
        for i, value in enumerate(final):
            target = run.top[1 + i][0] if self.exposed else run.scratch["state"][i]
            ops.copy(value, target)

    def transform(self, ops: Any, run: Run) -> None:
        """Gates of all steps as far as the inputs decide them."""
        sizes: Sequences = run.geometry
        gates, step = run.scratch["gates"], run.scratch["step"]
        x = sizes.rows(run.bottom[0])
        ops.inner_product_forward(x, run.param[0], run.param[1], sizes.rows(gates))
        if sizes.static:
            static = run.bottom[2].reshape(sizes.batch, -1)
            ops.inner_product_forward(static, run.param[2], None, step)
            for t in range(sizes.steps):
                ops.add(gates[t], step, gates[t])

    def hold(self, ops: Any, run: Run, t: int, hidden: Array, weights: Array) -> None:
        """Keep what step *t* sees of the hidden state before it, and add its gates."""
        held, step = run.scratch["held"][t], run.scratch["step"]
        self.continued(ops, run, t, hidden, held)
        ops.inner_product_forward(held, weights, None, step)
        ops.add(run.scratch["gates"][t], step, run.scratch["gates"][t])

    def continued(self, ops: Any, run: Run, t: int, x: Array, y: Array) -> None:
        """y = x, each sequence times its cont at step *t*; y may be x."""
        ops.affine(x[None], run.bottom[1][t], None, y[None])

    def backward_inputs(self, ops: Any, run: Run, weights: int) -> None:
        """What follows from the gates' gradients; *weights* numbers the hidden ones."""
        refuse_gradient(run, 1, "sequence indicators (cont)")
        sizes: Sequences = run.geometry
        dgates = sizes.rows(run.scratch["dgates"])
        dw, db = run.param_diff[0], run.param_diff[1]
        ops.inner_product_backward_weights(sizes.rows(run.bottom[0]), dgates, dw, db)
        held = sizes.rows(run.scratch["held"])
        ops.inner_product_backward_weights(held, dgates, run.param_diff[weights], None)
        below = run.bottom_diff[0]
        if below is not None:
            ops.inner_product_backward_data(dgates, run.param[0], sizes.rows(below))
        if sizes.static:
            self._backward_static(ops, run)

    def _backward_static(self, ops: Any, run: Run) -> None:
        sizes: Sequences = run.geometry
        total, dgates = run.scratch["step"], run.scratch["dgates"]
        ops.copy(dgates[0], total)
        for t in range(1, sizes.steps):
            ops.add(total, dgates[t], total)
        static = run.bottom[2].reshape(sizes.batch, -1)
        ops.inner_product_backward_weights(static, total, run.param_diff[2], None)
        below = run.bottom_diff[2]
        if below is not None:
            dx = below.reshape(sizes.batch, -1)
            ops.inner_product_backward_data(total, run.param[2], dx)

    def final_diff(self, run: Run, state: int) -> Array | None:
        """The gradient of a final state; None where nobody sees it."""
        above = run.top_diff[1 + state] if self.exposed else None
        return None if above is None else above[0]

    def backward_initial(self, ops: Any, run: Run, *diffs: Array) -> None:
        """Hand gradients to the initial states that want them."""
        if self.exposed:
            for below, diff in zip(run.bottom_diff[run.geometry.first_state :], diffs):
                if below is not None:
                    ops.copy(diff, below[0])


def _unfit(bottom: int, shape: Shape, wanted: str) -> SpecError:
    return SpecError(
        f"bottom {bottom} has shape {describe(shape)}.",
        f"It must have {wanted}.",
        field=f"bottom.{bottom}",
    )

"""The net: runs a plan on a backend.  The only object that holds arrays."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from os import PathLike
from typing import Any

import numpy as np

from netspec.backends import Device, open_device
from netspec.data.raw import RawPictures
from netspec.errors import NetspecError, UsageError
from netspec.graph import PHASES, Feeding, Graph, Node, build_graph
from netspec.layers.base import Run
from netspec.layers.user_code import UserCode
from netspec.net.arena import Arena, Room, borrow, make_params
from netspec.net.blob import Blob
from netspec.net.load import Loader
from netspec.net.memory import Memory, node_params
from netspec.net.repeating import Repeater
from netspec.net.resizing import Resizer
from netspec.net.room import no_room, telling_memory
from netspec.plan import Plan, make_plan
from netspec.plan.schedule import Kind
from netspec.proto import TEST, NetParameter
from netspec.registry import suggest
from netspec.shapes import Shape, describe
from netspec.spec import Located, read_net
from netspec.weights import Report

FULL = "Build it with lean=False, for phase train, or with force_backward: true."
NOT_LEAN = "Ask for lean=True as well: the other kind keeps every blob to be looked at."

Model = str | PathLike[str] | Located[NetParameter]


class Net:
    """A network in one phase, ready to run.

    Args:
        model: path of a prototxt or caffemodel, or a net already read.
        weights: path of a weights file to load by layer name, or None.
        phase: ``"train"`` or ``"test"``.
        level, stages: the rest of the net's state, for include and exclude rules.
        device: ``"cpu"``, ``"numpy"``, ``"cuda"`` or ``"cuda:1"``; or one that
            :func:`netspec.backends.open_device` has opened.
        lean: share memory, work in place and fuse layers; only inputs and outputs can
            then be read, and a net of phase test has no backward pass, unless it says
            force_backward.
        recompute: drop what forward computes, and compute it again when backward needs
            it: less memory, the same numbers. Only for a lean net.
        frozen: the parameters will not change but by :meth:`load` once the net has run:
            what depends on them alone is computed once.
        seed: of the fillers and of the random layers.
        dtype: float type of all arrays.
        feeding: shapes that the file leaves open, and shards.
        share_with: a net whose parameters this one uses where layer names agree.
        allow_python: whether its Python layers may run the code that they name, or the
            objects that were made for them already.
        room: makes the arrays of parameters and of gradients, where the device is not
            to: called with a length and a type; what it makes is zero, or None.

    Raises:
        SpecError, DataError, DeviceError, UsageError.
    """

    def __init__(
        self,
        model: Model,
        weights: str | PathLike[str] | None = None,
        phase: str = "test",
        level: int = 0,
        stages: Sequence[str] = (),
        device: Device = "cpu",
        *,
        lean: bool = False,
        recompute: bool = False,
        frozen: bool = False,
        seed: int = 0,
        dtype: str = "float32",
        feeding: Feeding | None = None,
        share_with: Net | None = None,
        allow_python: bool | UserCode = False,
        room: Room | None = None,
    ) -> None:
        self.spec = model if isinstance(model, Located) else read_net(model)
        self.ops = open_device(device)
        self.device = self.ops.name
        self.lean, self.seed, self.dtype = lean, seed, dtype
        self.recompute, self.frozen = recompute, frozen
        if recompute and not lean:
            raise UsageError("recompute is asked of a net that is not lean.", NOT_LEAN)
        self.state = (_phase(phase), level, tuple(stages))
        self._feeding = feeding or Feeding()
        self._code = UserCode() if allow_python is True else allow_python or None
        self._lent: dict[str, Blob] = {}
        self.graph: Graph = self._build()
        self.arena: Arena
        self.param_blobs: list[Blob]
        lent = self._borrow(share_with) if share_with else {}
        self._make_params(lent, room)
        self._bind()
        if weights is not None:
            self.load(weights)

    def _build(self) -> Graph:
        return build_graph(self.spec, *self.state, self._feeding, self._code)

    def _make_params(self, lent: dict[int, Blob], room: Room | None) -> None:
        with telling_memory(self):
            self.arena, self.param_blobs = make_params(
                self.graph, self.dtype, self.seed, lent, self.ops, room
            )

    def _borrow(self, owner: Net) -> dict[int, Blob]:
        return borrow(list(self.graph.params), owner.graph, owner.param_blobs)

    def _bind(self) -> None:
        self.plan: Plan = make_plan(
            self.graph,
            self.lean,
            self._goes_backward,
            self.dtype,
            self.ops,
            self.recompute,
        )
        with telling_memory(self):
            memory = Memory(self.plan, self.dtype, self._lent_now(), self.ops)
        self._blobs = memory.blobs
        runs = memory.runs(self.param_blobs, self.seed)
        self._repeater = Repeater(self.ops, self.frozen)
        self._resizer = Resizer(memory, runs, self._repeater.forget)
        self._resizer.install()
        self._steps = list(zip(self.graph.nodes, runs))
        self._forward_steps = self._of_kind(Kind.FORWARD)
        self._backward_steps = self._of_kind(Kind.BACKWARD)
        self._again = {
            id(runs[i]): [self._steps[step.first] for step in steps]
            for i, steps in self.plan.again.items()
        }
        self._losses = [
            (weight, top)
            for node in self.graph.nodes
            for top, weight in zip(node.tops, node.loss_weights)
            if weight
        ]
        self.scale_gradients(1.0)

    @property
    def _goes_backward(self) -> bool:
        """Whether memory is planned for a backward pass."""
        tests = self.lean and self.graph.phase == TEST
        forced = self.spec.message.force_backward
        needed = any(node.needs_backward for node in self.graph.nodes)
        return needed and (forced or not tests)

    def _of_kind(self, kind: Kind) -> list[tuple[Node, Run]]:
        """Steps of the plan with what they run; a lean net has no others."""
        return [self._steps[s.first] for s in self.plan.steps if s.kind is kind]

    def _lent_now(self) -> dict[str, Blob]:
        shapes = {t: self.graph.blobs[t] for n in self.graph.sources for t in n.tops}
        return {t: b for t, b in self._lent.items() if shapes.get(t) == b.shape}

    # What a caller sees ------------------------------------------------------------

    @property
    def inputs(self) -> list[str]:
        """Names of the blobs that :meth:`forward` takes."""
        fed = (n for n in self.graph.sources if not n.layer.fills_itself)
        return [top for node in fed for top in node.tops]

    @property
    def outputs(self) -> list[str]:
        """Names of the blobs that no layer reads."""
        return list(self.graph.outputs)

    @property
    def blobs(self) -> Mapping[str, Blob]:
        """Blobs by name: all of them, or a lean net's inputs and outputs."""
        if not self.lean:
            return self._blobs
        kept = dict.fromkeys([*self.inputs, *self.outputs])
        return {name: self._blobs[name] for name in kept}

    @property
    def params(self) -> dict[str, list[Blob]]:
        """Parameters of each layer that has any, by layer name."""
        return {
            node.name: node_params(node, self.param_blobs)
            for node in self.graph.nodes
            if node.params
        }

    def forward(self, **inputs: Any) -> dict[str, Any]:
        """Run the net; keywords are arrays for its inputs.

        Returns:
            A copy of every output, by name.

        Raises:
            UsageError: an unknown input, or one whose shape is not the net's.
        """
        for name, array in inputs.items():
            self.feed(name, array)
        self.forward_pass()
        return {n: self._copied(self._blobs[n].data) for n in self.outputs}

    def _copied(self, array: Any) -> Any:
        """A copy of an array, on the host."""
        return self.ops.begin_download(array)()

    def feed(self, name: str, array: Any) -> None:
        """Copy an array, or :class:`~netspec.data.raw.RawPictures`, into an input blob
        of exactly its shape."""
        if name not in self.inputs:
            raise UsageError(f"no input {name!r}.", suggest(name, self.inputs))
        blob = self._blobs[name]
        if not isinstance(array, RawPictures):
            array = np.asarray(array)
        if array.shape != blob.shape:
            raise UsageError(
                f"input {name!r} takes shape {describe(blob.shape)}, and was given "
                f"{describe(array.shape)}.",
                f"Call net.reshape({name}={array.shape}) first, or change the array.",
            )
        self.ops.use()
        self.ops.feed(array, blob.data)

    def backward(self, **diffs: Any) -> dict[str, Any]:
        """Run backward; keywords set the diffs of outputs, others keep theirs.

        Parameter gradients are added to what is there: see :meth:`clear_param_diffs`.

        Returns:
            A copy of the gradient of every input that has one, by name.
        """
        for name, array in diffs.items():
            self._set_diff(name, array)
        self.backward_pass()
        grads = {name: self._blobs[name].diff for name in self.inputs}
        return {n: self._copied(d) for n, d in grads.items() if d is not None}

    def _set_diff(self, name: str, array: Any) -> None:
        if name not in self.outputs:
            raise UsageError(f"no output {name!r}.", suggest(name, self.outputs))
        diff = self._blobs[name].diff
        if diff is None:
            raise UsageError(
                f"no gradient flows from output {name!r} in this net.",
                "Set force_backward: true in the net, or build it for phase train.",
            )
        self.ops.upload(array, diff)

    def clear_param_diffs(self) -> None:
        """Set every parameter's gradient to zero."""
        self.ops.use()
        for blob in self.param_blobs:
            self.ops.fill(blob.diff, 0.0)

    def reshape(self, **shapes: Shape) -> None:
        """Give inputs new shapes; parameters stay, blobs are made anew.

        Raises:
            UsageError: an unknown input.
            SpecError: a shape that a layer cannot take; the net is as before.
        """
        known = [top for node in self.graph.sources for top in node.tops]
        for name in shapes:
            if name not in known:
                raise UsageError(f"no input {name!r}.", suggest(name, known))
        before = self._feeding
        inputs = {**before.inputs, **{n: tuple(s) for n, s in shapes.items()}}
        self._feeding = replace(before, inputs=inputs)
        try:
            graph = self._build()
            _same_params(self.graph, graph)
        except Exception:
            self._feeding = before
            raise
        self.graph = graph
        self._bind()

    def reshape_first(self, layers: int, inputs: Mapping[str, Blob]) -> None:
        """Give inputs other memory and shapes, for passes over the first layers alone.

        Layers after these are not asked whether they can take what comes of it, and
        cannot be run before the next :meth:`reshape`.

        Args:
            layers: how many of :attr:`forward_steps`.
            inputs: as for :meth:`lend`, of the shapes that the tops are to have.

        Raises:
            SpecError: one of these layers cannot take a shape; the net is as before.
        """
        self._resizer.reshape_first(layers, inputs)

    def lend(self, blobs: Mapping[str, Blob]) -> None:
        """Let tops of sources lie in the caller's memory from the next reshape on.

        Views that the caller has of it are then the net's inputs.

        Args:
            blobs: C-contiguous arrays of the net's float type, by name; one whose
                shape is not that which the top gets is passed over.
        """
        self._lent = dict(blobs)

    def load(self, weights: str | PathLike[str], **options: Any) -> Report:
        """Load weights by layer name; options are those of :class:`Loader`'s load."""
        self.ops.use()
        loader = Loader(self.graph, self.param_blobs, self.seed, self.ops)
        self._repeater.forget()
        return loader.load(weights, **options)

    def share_params(self, owner: Net) -> None:
        """Compute with the values of *owner*'s parameters from now on, by layer name.

        Gradients stay this net's own. Caffe's ShareTrainedLayersWith.

        Raises:
            UsageError: a parameter of a layer that both have differs in shape.
        """
        lent = self._borrow(owner)
        mine, theirs = self.graph.params, {p.key: p for p in owner.graph.params}
        for i, param in enumerate(mine):
            if i not in lent and param.key in theirs:
                raise _unequal(param.key, param.shape, theirs[param.key].shape)
        for i, blob in lent.items():
            self.param_blobs[i] = Blob(blob.data, self.param_blobs[i].diff)
        for node, run in self._steps:
            run.param[:] = [p.data for p in node_params(node, self.param_blobs)]
        self._repeater.forget()

    # What solvers and timers use -------------------------------------------------

    def scale_gradients(self, factor: float) -> None:
        """Have the gradient of the loss times *factor* computed from now on."""
        for weight, top in self._losses:
            diff = self._blobs[top].diff
            if diff is not None:
                self.ops.fill(diff, weight * factor)

    def begin_pass(
        self,
        iteration: int = 0,
        first_sample: int = 0,
        normalizers: Mapping[str, float] | None = None,
        checked: Collection[str] = (),
    ) -> None:
        """Say which iteration and which rows of its global batch come next.

        *normalizers* gives, for losses that divide by a count of labels, the count
        over the global batch, by layer name; *checked* names layers whose labels are
        known to be classes.
        """
        normalizers = normalizers or {}
        for node, run in self._steps:
            if run.key.iteration != iteration:
                run.key = run.key.at(iteration)
            run.first_sample = first_sample
            run.normalizer = normalizers.get(node.name)
            run.labels_checked = node.name in checked

    @property
    def forward_steps(self) -> list[tuple[Node, Run]]:
        """What a forward pass runs, in order; layers that are fused are left out."""
        return self._forward_steps

    @property
    def backward_steps(self) -> list[tuple[Node, Run]]:
        """What a backward pass runs, in order."""
        return self._backward_steps

    def forward_pass(self) -> float:
        """Run all layers forward; returns the weighted sum of the losses."""
        return self.begin_forward()()

    def begin_forward(self) -> Callable[[], float]:
        """The same without waiting for the device; what is returned gives the loss."""
        self.run_all_forward()
        return self.begin_loss()

    def run_all_forward(self) -> None:
        """The same without the loss."""
        self.ops.use()
        steps = self._forward_steps
        for step in self._repeater.joined("forward", steps, self.run_forward):
            step()

    def run_forward(self, node: Node, run: Run) -> None:
        """Run one step of :attr:`forward_steps`."""
        self.ops.use()
        try:
            self._repeater.run(node.layer, run, "forward")
        except NetspecError as error:
            raise error.at(node.place, (node.name, node.type)) from None
        except MemoryError as error:
            where = node.place, (node.name, node.type)
            raise no_room(self, error).at(*where) from None

    @property
    def loss(self) -> float:
        """Weighted sum of the losses of the last forward pass."""
        return self.begin_loss()()

    def begin_loss(self) -> Callable[[], float]:
        """The same, asked for now; what is returned waits for it and gives it."""
        begin = self.ops.begin_download
        parts = [(w, begin(self._blobs[top].data)) for w, top in self._losses]
        return lambda: float(sum(w * float(part().sum()) for w, part in parts))

    def backward_pass(self) -> None:
        """Run all layers that need it backward, last first.

        Raises:
            UsageError: the net keeps nothing for it.
        """
        if not self.plan.backward and self.lean and self.graph.phase == TEST:
            raise UsageError("a lean net of phase test has no backward pass.", FULL)
        self.ops.use()
        steps, one = self._backward_steps, self.run_backward
        alone = [partial(one, *step) for step in steps] if self._again else None
        for step in alone or self._repeater.joined("backward", steps, one):
            step()

    def run_backward(self, node: Node, run: Run) -> None:
        """Run one step of :attr:`backward_steps`."""
        for again in self._again.get(id(run), ()):
            self._repeat(*again)
        self.ops.use()
        try:
            self._repeater.run(node.layer, run, "backward")
        except NetspecError as error:
            raise error.at(node.place, (node.name, node.type)) from None
        except MemoryError as error:
            where = node.place, (node.name, node.type)
            raise no_room(self, error).at(*where) from None

    def _repeat(self, node: Node, run: Run) -> None:
        """Run a step forward once more, as if it had never been run before."""
        gathered = [
            array
            for index, array in zip(node.params, run.param)
            if not self.graph.params[index].trainable
        ]
        before = [array.copy() for array in gathered]
        self.run_forward(node, run)
        for array, values in zip(gathered, before):
            array[...] = values


def _phase(name: str) -> int:
    if name not in PHASES:
        raise UsageError(f"unknown phase {name!r}.", suggest(name, PHASES))
    return PHASES[name]


def _unequal(key: str, mine: Shape, theirs: Shape) -> UsageError:
    return UsageError(
        f"parameter {key!r} is {describe(mine)} here and {describe(theirs)} in the "
        "other net.",
        "Nets share the parameters of layers that have one name and one shape.",
    )


def _same_params(old: Graph, new: Graph) -> None:
    """Refuse a shape of the input under which the parameters would have others."""
    for a, b in zip(old.params, new.params):
        if a.shape != b.shape:
            raise UsageError(
                f"the new input shape would make parameter {a.key!r} "
                f"{describe(b.shape)}; it is {describe(a.shape)}.",
                "Layers such as InnerProduct fix the size of their input.",
            )

"""Older spellings of nets and solvers, rewritten as today's.

The steps and their order are Caffe's, and so are the messages they end in; what Caffe
only warns about (a V0 setting without meaning) is noted here as well. Spots follow
their fields, so that errors still point at the line as the user wrote it.
"""

from __future__ import annotations

from dataclasses import replace

from netspec.errors import SpecError
from netspec.proto import LayerParameter, NetParameter, SolverParameter
from netspec.spec.locate import Located, Spot
from netspec.spec.upgrade_v0 import upgrade_v0
from netspec.spec.upgrade_v1 import upgrade_transforms, upgrade_v1

_SOLVER_TYPES = ("SGD", "Nesterov", "AdaGrad", "RMSProp", "AdaDelta", "Adam")

# Early releases of NVIDIA's fork warmed up along a straight line too, late ones along a
# parabola.
_NVIDIAS_NAMES = {"rampup_interval": "warmup_iter", "rampup_lr": "warmup_start_lr"}


def upgrade_net(net: Located[NetParameter]) -> Located[NetParameter]:
    """Bring a net to today's spelling.

    Works on the message it is given, which may hold weights of any size.

    Returns:
        The same message, with what was rewritten in ``upgraded``.

    Raises:
        SpecError: where formats are mixed or an old net cannot be translated.
    """
    notes: list[str] = []
    upgrade_v0(net, notes)
    upgrade_transforms(net, notes)
    upgrade_v1(net, notes)
    _upgrade_inputs(net, notes)
    _upgrade_batch_norm(net, notes)
    return replace(net, upgraded=(*net.upgraded, *notes))


def upgrade_solver(solver: Located[SolverParameter]) -> Located[SolverParameter]:
    """Replace the enum solver_type by type, and forks' names by ours, in place.

    Raises:
        SpecError: where both spellings are given.
    """
    notes: list[str] = []
    _upgrade_type(solver, notes)
    _upgrade_local_rates(solver, notes)
    for old, new in _NVIDIAS_NAMES.items():
        _rename(solver, old, new, notes)
    return replace(solver, upgraded=(*solver.upgraded, *notes)) if notes else solver


def _upgrade_type(solver: Located[SolverParameter], notes: list[str]) -> None:
    message, root = solver.message, solver.places.root
    if not message.HasField("solver_type"):
        return
    if message.HasField("type"):
        raise SpecError(
            "both type and the old solver_type are given.",
            "Remove solver_type.",
            place=solver.place("solver_type"),
        )
    message.type = _SOLVER_TYPES[message.solver_type]
    message.ClearField("solver_type")
    root.fields["type"] = root.fields.pop("solver_type", [])
    notes.append(f'solver_type, now type: "{message.type}".')


def _upgrade_local_rates(solver: Located[SolverParameter], notes: list[str]) -> None:
    """Turn local_lr_auto: true, which is a kind of SGD, into type LARS."""
    message, root = solver.message, solver.places.root
    if not message.HasField("local_lr_auto"):
        return
    if message.local_lr_auto and message.type not in ("SGD", "LARS"):
        raise SpecError(
            f"local_lr_auto is given, and type is {message.type!r}.",
            'Remove it; rates for each parameter are those of type "LARS", a kind of '
            "SGD.",
            place=solver.place("local_lr_auto"),
        )
    if message.local_lr_auto:
        message.type = "LARS"
        root.fields["type"] = root.fields.get("local_lr_auto", [])
        notes.append('local_lr_auto, now type: "LARS".')
    message.ClearField("local_lr_auto")
    root.fields.pop("local_lr_auto", None)


def _rename(
    solver: Located[SolverParameter], old: str, new: str, notes: list[str]
) -> None:
    message, root = solver.message, solver.places.root
    if not message.HasField(old):
        return
    if message.HasField(new):
        raise SpecError(
            f"both {new} and NVIDIA's name for it, {old}, are given.",
            f"Remove {old}.",
            place=solver.place(old),
        )
    setattr(message, new, getattr(message, old))
    message.ClearField(old)
    root.fields[new] = root.fields.pop(old, [])
    notes.append(f"{old}, now {new}.")


def _upgrade_inputs(net: Located[NetParameter], notes: list[str]) -> None:
    """Turn input with input_shape or input_dim into one Input layer at the front.

    Inputs without any shape are what old weight files hold; they are dropped.
    """
    message, root = net.message, net.places.root
    if not message.input:
        return
    if message.input_shape or message.input_dim:
        spots = root.fields.get("input", [Spot(-1)])
        layers = root.fields.setdefault("layer", [])
        layers[:0] = [_input_spot(root, spots)]
        message.layer.insert(0, _input_layer(net))
        notes.append("input fields, now an Input layer.")
    elif net.places.text:
        raise _no_shape(net)
    for name in ("input", "input_shape", "input_dim"):
        message.ClearField(name)
        root.fields.pop(name, None)


def _input_layer(net: Located[NetParameter]) -> LayerParameter:
    layer = LayerParameter(name="input", type="Input", top=net.message.input)
    for i in range(len(net.message.input)):
        layer.input_param.shape.add(dim=_input_dims(net, i))
    return layer


def _input_dims(net: Located[NetParameter], index: int) -> list[int]:
    message = net.message
    if index < len(message.input_shape):
        return list(message.input_shape[index].dim)
    dims = list(message.input_dim[4 * index : 4 * index + 4])
    if message.input_shape or len(dims) < 4:
        raise _too_few(net, index)
    return dims


def _input_spot(root: Spot, inputs: list[Spot]) -> Spot:
    """The spot of the new layer: its tops stood at input, its shapes at theirs."""
    place = Spot(inputs[0].offset)
    place.fields["top"] = inputs
    shapes = root.fields.get("input_shape") or root.fields.get("input_dim", [])[::4]
    holder = place.add("input_param", place.offset)
    holder.fields["shape"] = shapes
    return place


def _too_few(net: Located[NetParameter], index: int) -> SpecError:
    message = net.message
    given, wanted = f"{len(message.input_dim)} input_dim", "four input_dim"
    if message.input_shape:
        given, wanted = f"{len(message.input_shape)} input_shape", "one input_shape"
    return SpecError(
        f"input {message.input[index]!r} has no shape: {len(message.input)} inputs, "
        f"{given}.",
        f"Give {wanted} for each input.",
        place=net.place("input", index),
    )


def _no_shape(net: Located[NetParameter]) -> SpecError:
    name = net.message.input[0]
    return SpecError(
        f"input {name!r} has no shape.",
        "Add input_shape { dim: ... } for it, or an Input layer.",
        place=net.place("input", 0),
    )


def _upgrade_batch_norm(net: Located[NetParameter], notes: list[str]) -> None:
    """Freeze the statistics of BatchNorm layers that declare three params.

    Statistics are not learned; before 2017 files had to say so themselves.
    """
    changed = False
    for layer in net.message.layer:
        if layer.type == "BatchNorm" and len(layer.param) == 3:
            changed |= any(p.lr_mult or p.decay_mult for p in layer.param)
            for param in layer.param:
                param.lr_mult = param.decay_mult = 0
    if changed:
        notes.append("BatchNorm's three param entries, now lr_mult and decay_mult 0.")

"""Refuses solver files that ask for what cannot be, before anything is built."""

from __future__ import annotations

from collections.abc import Callable

from netspec.errors import SpecError
from netspec.layers.average_precision import VERSIONS
from netspec.proto import SolverParameter
from netspec.registry import suggest
from netspec.solver.loss_scale import GREATEST
from netspec.solver.schedules import POLICIES
from netspec.solver.updates import LARC_POLICIES, REGULARIZATIONS, RULES
from netspec.solver.varying import DECAY_POLICIES, MOMENTUM_POLICIES, varies
from netspec.spec import Located

Solver = Located[SolverParameter]
Check = Callable[[Solver], None]

# Least allowed value of fields that count something.
_LEAST = {
    "average_loss": 1,
    "iter_size": 1,
    "test_interval": 0,
    "max_iter": 0,
    "display": 0,
    "snapshot": 0,
    "snapshot_keep": 0,
    "plateau_patience": 1,
    "plateau_drops": 0,
    "plateau_min_delta": 0,
    "warmup_iter": 0,
    "warmup_start_lr": 0,
    "min_lr": 0,
    "loss_scale_window": 0,
}
# Policies that divide by a field, or subtract from it.
_POSITIVE = {
    "step": "stepsize",
    "sigmoid": "stepsize",
    "poly": "max_iter",
    "cosine": "max_iter",
}
_TRAIN_NETS = ("net", "net_param", "train_net", "train_net_param")


def check_solver(solver: Solver) -> None:
    """Check every field that can be judged without the nets.

    Raises:
        SpecError: at the field, or at the file where a field is missing.
    """
    for check in _CHECKS:
        check(solver)


def fault(solver: Solver, field: str, problem: str, remedy: str) -> SpecError:
    """An error at a field of the solver; where it is not given, at the file."""
    return SpecError(problem, remedy, place=solver.place(field), field=field)


def _check_type(solver: Solver) -> None:
    message = solver.message
    if message.HasField("solver_type") and message.HasField("type"):
        raise fault(
            solver,
            "solver_type",
            "both type and the old solver_type are given.",
            "Remove solver_type.",
        )
    if message.type not in RULES:
        raise fault(
            solver,
            "type",
            f"unknown solver type {message.type!r}.",
            suggest(message.type, RULES),
        )


def _check_counts(solver: Solver) -> None:
    for field, least in _LEAST.items():
        value = getattr(solver.message, field)
        if not value >= least:
            raise fault(
                solver, field, f"{field} is {value:g}.", f"It is at least {least}."
            )


def _check_policy(solver: Solver) -> None:
    name = solver.message.lr_policy
    if not name:
        raise fault(
            solver, "lr_policy", "the solver has no lr_policy.", _one_of(POLICIES)
        )
    if name not in POLICIES:
        raise fault(
            solver, "lr_policy", f"unknown lr_policy {name!r}.", suggest(name, POLICIES)
        )
    for field in POLICIES[name].needs:
        if not _given(solver.message, field):
            raise fault(
                solver,
                "lr_policy",
                f"lr_policy {name!r} needs {field}, which is not given.",
                f"Add it; its formula uses {', '.join(POLICIES[name].needs)}.",
            )


def _given(message: SolverParameter, field: str) -> bool:
    """Whether a field, single or repeated, is given."""
    return any(descriptor.name == field for descriptor, _ in message.ListFields())


def _one_of(names: object) -> str:
    return f"Give one of: {', '.join(names)}."  # type: ignore[arg-type]


def _check_policy_values(solver: Solver) -> None:
    message = solver.message
    name = message.lr_policy
    field = _POSITIVE.get(name)
    if field and getattr(message, field) <= 0:
        raise fault(
            solver,
            field,
            f"lr_policy {name!r} takes a {field} above 0; it is "
            f"{getattr(message, field)}.",
            "Give a number of iterations.",
        )
    if name != "fixed" and message.gamma < 0:
        raise fault(
            solver,
            "gamma",
            f"lr_policy {name!r} takes a gamma of at least 0; it is {message.gamma:g}.",
            "Give the factor or slope as a positive number.",
        )


def _check_warmup(solver: Solver) -> None:
    if solver.message.HasField("warmup_start_lr") and not solver.message.warmup_iter:
        raise fault(
            solver,
            "warmup_start_lr",
            "warmup_start_lr is given, and warmup_iter is not.",
            "Add warmup_iter, the number of iterations from there to base_lr.",
        )


def _check_min_rate(solver: Solver) -> None:
    name = solver.message.lr_policy
    if solver.message.HasField("min_lr") and not POLICIES[name].has_min:
        having = " or ".join(n for n in POLICIES if POLICIES[n].has_min)
        raise fault(
            solver,
            "min_lr",
            f"lr_policy {name!r} does not end at a min_lr.",
            f"Remove it, or choose {having}.",
        )


def _check_regularization(solver: Solver) -> None:
    kind = solver.message.regularization_type
    if kind not in REGULARIZATIONS:
        raise fault(
            solver,
            "regularization_type",
            f"unknown regularization_type {kind!r}.",
            suggest(kind, REGULARIZATIONS),
        )


def _check_constants(solver: Solver) -> None:
    message = solver.message
    if message.type in ("AdaGrad", "RMSProp") and message.momentum:
        raise fault(
            solver,
            "momentum",
            f"solver type {message.type!r} has no momentum; it is "
            f"{message.momentum:g}.",
            "Remove it, or choose a type with momentum.",
        )
    if message.type == "RMSProp" and not 0 <= message.rms_decay < 1:
        raise _not_below_one(solver, "rms_decay")
    if message.type in ("Adam", "AdamW"):
        for field in ("momentum", "momentum2"):
            if not 0 <= getattr(message, field) < 1:
                raise _not_below_one(solver, field)


def _not_below_one(solver: Solver, field: str) -> SpecError:
    return fault(
        solver,
        field,
        f"solver type {solver.message.type!r} takes a {field} from 0 to below 1; it "
        f"is {getattr(solver.message, field):g}.",
        "It is the share that a running mean keeps.",
    )


def _check_lars(solver: Solver) -> None:
    message = solver.message
    if message.HasField("local_gw_ratio") and message.type != "LARS":
        raise fault(
            solver,
            "local_gw_ratio",
            f"solver type {message.type!r} has no local_gw_ratio.",
            'Remove it, or choose type: "LARS".',
        )
    if message.type == "LARS" and not message.local_gw_ratio > 0:
        raise fault(
            solver,
            "local_gw_ratio",
            f"local_gw_ratio is {message.local_gw_ratio:g}.",
            "It is above 0; the paper's is 0.001.",
        )
    if message.type == "LARS" and message.regularization_type == "L1":
        raise fault(
            solver,
            "regularization_type",
            "solver type 'LARS' has no weight decay of type L1.",
            "Choose L2: its rates follow from the weights' L2 norms.",
        )


_VARYING = ("SGD", "Nesterov", "LARS")
_WORDS = {
    "eval_type": ("classification", "detection"),
    "ap_version": ("", *VERSIONS),
    "momentum_policy": MOMENTUM_POLICIES,
    "weight_decay_policy": DECAY_POLICIES,
    "larc_policy": LARC_POLICIES,
}
# What a field acts with.
_WITH = {
    "max_momentum": ("momentum_policy", ("poly", "opt")),
    "momentum_power": ("momentum_policy", ("poly",)),
    "max_weight_decay": ("weight_decay_policy", ("poly",)),
    "weight_decay_power": ("weight_decay_policy", ("poly",)),
    "larc_policy": ("larc", (True,)),
    "larc_eta": ("larc", (True,)),
}


def _check_varying(solver: Solver) -> None:
    """Words of NVIDIA's and SSD's forks; policies of momentum and decay, and LARC."""
    message = solver.message
    for field, known in _WORDS.items():
        if getattr(message, field) not in known:
            raise fault(
                solver,
                field,
                f"unknown {field} {getattr(message, field)!r}.",
                suggest(getattr(message, field), known),
            )
    for field, (other, values) in _WITH.items():
        if message.HasField(field) and getattr(message, other) not in values:
            told = " or ".join(f"{other}: {str(v).lower()}" for v in values)
            raise fault(
                solver, field, f"{field} acts with {told}.", "Add that, or remove it."
            )
    _check_varying_type(solver)


def _check_varying_type(solver: Solver) -> None:
    message = solver.message
    for asked, field, types in (
        (varies(message), "momentum_policy", _VARYING),
        (message.larc, "larc", _VARYING[:2]),
    ):
        if asked and message.type not in types:
            raise fault(
                solver,
                field,
                f"solver type {message.type!r} has no larc, and no momentum or weight "
                "decay that changes.",
                f"Remove them, or choose {', '.join(types)}.",
            )
    if varies(message) and message.max_iter < 1:
        raise fault(
            solver,
            "max_iter",
            "momentum or weight decay follow from max_iter, which is not given.",
            "Give a number of iterations.",
        )
    if message.larc and not message.larc_eta > 0:
        raise fault(
            solver,
            "larc_eta",
            f"larc_eta is {message.larc_eta:g}.",
            "It is above 0; 0.001 is common.",
        )


def _check_average(solver: Solver) -> None:
    decay = solver.message.ema_decay
    if not 0 <= decay < 1:
        raise fault(
            solver,
            "ema_decay",
            f"ema_decay is {decay:g}.",
            "It is from 0 to below 1, such as 0.999; 0 keeps no mean of the weights.",
        )


def _check_precision(solver: Solver) -> None:
    message = solver.message
    for field in ("loss_scale", "loss_scale_window"):
        if message.HasField(field) and message.precision != SolverParameter.FP16:
            raise fault(
                solver,
                field,
                f"{field} is given, and precision is not FP16.",
                "Remove it: only the numbers of FP16 need a scale.",
            )
    if not 1 <= message.loss_scale <= GREATEST:
        raise fault(
            solver,
            "loss_scale",
            f"loss_scale is {message.loss_scale:g}.",
            f"It is from 1 to {GREATEST:.0f}; 65536 is the usual start.",
        )


def _check_shards(solver: Solver) -> None:
    shards = solver.message.shards
    if shards & (shards - 1):
        raise fault(
            solver,
            "shards",
            f"shards is {shards}, which is no power of two.",
            "Give 1, 2, 4, 8 ..., or 0 for the default.",
        )


def _check_train_net(solver: Solver) -> None:
    given = [f for f in _TRAIN_NETS if solver.message.HasField(f)]
    if not given:
        raise fault(solver, "net", "the solver names no net.", _one_of(_TRAIN_NETS))
    if len(given) > 1:
        raise fault(
            solver,
            given[1],
            f"both {given[0]} and {given[1]} are given.",
            "Exactly one of them makes the training net.",
        )


def _check_test_nets(solver: Solver) -> None:
    message = solver.message
    named = len(message.test_net_param) + len(message.test_net)
    generic = message.HasField("net") or message.HasField("net_param")
    tests = len(message.test_iter)
    fits = tests >= named if generic else tests == named
    if tests and not fits:
        raise fault(
            solver,
            "test_iter",
            f"{named} test nets are named, and test_iter is given {tests} times.",
            "Give it once for each test net, or not at all: then every test sees the "
            "whole set once.",
        )
    if tests and not message.test_interval:
        raise fault(
            solver,
            "test_iter",
            "test_iter is given, and test_interval is not.",
            "Add test_interval, the number of iterations between tests.",
        )


def _check_test_iter(solver: Solver) -> None:
    for i, batches in enumerate(solver.message.test_iter):
        if batches < 1:
            raise SpecError(
                f"test_iter is {batches}.",
                "Give a number of batches, or leave test_iter out to see the whole set "
                "once.",
                place=solver.place("test_iter", i),
            )


def _check_not_ours(solver: Solver) -> None:
    if solver.message.snapshot_diff:
        raise fault(
            solver,
            "snapshot_diff",
            "snapshots do not hold gradients.",
            "Remove snapshot_diff; nothing that netspec or Caffe does reads them.",
        )


_CHECKS: tuple[Check, ...] = (
    _check_type,
    _check_counts,
    _check_policy,
    _check_policy_values,
    _check_warmup,
    _check_min_rate,
    _check_regularization,
    _check_constants,
    _check_lars,
    _check_varying,
    _check_average,
    _check_precision,
    _check_shards,
    _check_train_net,
    _check_test_nets,
    _check_test_iter,
    _check_not_ours,
)

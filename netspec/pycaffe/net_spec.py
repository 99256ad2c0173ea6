"""Nets written in Python: ``layers as L``, ``params as P``, ``NetSpec``.

    n = caffe.NetSpec()
    n.data, n.label = L.HDF5Data(source="train.txt", batch_size=10, ntop=2)
    n.score = L.InnerProduct(n.data, num_output=2)
    n.loss = L.SoftmaxWithLoss(n.score, n.label)
    text = str(n.to_proto())

A layer of one phase takes ``include=dict(phase=caffe.TRAIN)``.  Assigned to one name
after another, layers that no phase has both of are all kept: one net for training and
testing comes from two data layers that are both assigned to ``n.data, n.label``.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from netspec import proto
from netspec.proto import LayerParameter, NetParameter
from netspec.pycaffe.assign import assign, assign_proto, param_name_dict
from netspec.pycaffe.faults import NotATopError, UnknownAttributeError
from netspec.registry import suggest

__all__ = [
    "Function",
    "Layers",
    "NetSpec",
    "Parameters",
    "Top",
    "assign_proto",
    "layers",
    "param_name_dict",
    "params",
    "to_proto",
]

Names = dict[Any, str]


class Top:
    """One blob that a layer makes: number *n* of the layer *fn*."""

    def __init__(self, fn: Function, n: int) -> None:
        self.fn, self.n = fn, n

    def to_proto(self) -> NetParameter:
        """The net of all layers that this blob needs."""
        return to_proto(self)


class Function:
    """A layer: its type, the blobs that it reads, and its fields.

    Attributes:
        tops: the blobs that it makes.
        params: fields by name; ``ntop`` and ``in_place`` are taken out.
    """

    def __init__(
        self, type_name: str, inputs: Sequence[Top], params: dict[str, Any]
    ) -> None:
        for i, given in enumerate(inputs):
            if not isinstance(given, Top):
                raise NotATopError(
                    f"{type_name} input {i} is not a Top (type is {type(given)})"
                )
        self.type_name, self.inputs, self.params = type_name, inputs, params
        self.ntop: int = params.pop("ntop", 1)
        self.in_place: bool = params.pop("in_place", False)
        self.tops = tuple(Top(self, n) for n in range(self.ntop))

    def to_proto(self) -> NetParameter:
        """The net of all layers that this one needs, and itself."""
        return to_proto(self)


class NetSpec:
    """Blobs under the names that they are assigned to."""

    tops: OrderedDict[str, Top | Function]
    _before: dict[str, list[Top | Function]]

    def __init__(self) -> None:
        super().__setattr__("tops", OrderedDict())
        super().__setattr__("_before", {})

    def __setattr__(self, name: str, value: Top | Function) -> None:
        old = self.tops.get(name)
        if old is not None and _apart(_function(old), _function(value)):
            self._before.setdefault(name, []).append(old)
        self.tops[name] = value

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name not in self.tops:
            remedy = suggest(name, self.tops)
            raise UnknownAttributeError(f"nothing is assigned to {name!r}.", remedy)
        return self.tops[name]

    def __setitem__(self, name: str, value: Top | Function) -> None:
        self.__setattr__(name, value)

    def __getitem__(self, name: str) -> Any:
        return self.__getattr__(name)

    def to_proto(self) -> NetParameter:
        """The net of all layers that the assigned blobs need, under their names."""
        named = [
            (name, thing)
            for name, last in self.tops.items()
            for thing in (*self._before.get(name, ()), last)
        ]
        return _net([thing for _, thing in named], {t: name for name, t in named})


def to_proto(*tops: Top | Function) -> NetParameter:
    """The net of all layers that some blobs need; names are made up."""
    return _net(tops, {})


def _net(things: Iterable[Top | Function], names: Names) -> NetParameter:
    writer = _Writer(names)
    for thing in things:
        writer.add(_function(thing))
    net = NetParameter()
    net.layer.extend(writer.layers.values())
    return net


def _function(thing: Top | Function) -> Function:
    return thing.fn if isinstance(thing, Top) else thing


def _apart(one: Function, other: Function) -> bool:
    """Whether no phase has both layers."""
    mine, theirs = _phases(one), _phases(other)
    return one is not other and bool(mine) and bool(theirs) and not mine & theirs


def _phases(function: Function) -> set[int]:
    """The phases that a layer's include rules name; empty: it may be in any."""
    layer = LayerParameter()
    assign(layer, "include", function.params.get("include", []))
    if not all(rule.HasField("phase") for rule in layer.include):
        return set()
    return {rule.phase for rule in layer.include}


class _Writer:
    """Writes layers in the order in which they are needed.

    Attributes:
        layers: what is written so far.
    """

    def __init__(self, names: Names) -> None:
        self.layers: dict[Function, LayerParameter] = {}
        self._names = names
        self._made_up: Counter[str] = Counter()

    def add(self, function: Function) -> None:
        """Write a layer behind all that it needs; nets may be of any depth."""
        waiting = [(function, _needed(function))]
        while waiting:
            present, needed = waiting[-1]
            missing = next((f for f in needed if f not in self.layers), None)
            if missing is not None:
                waiting.append((missing, _needed(missing)))
                continue
            waiting.pop()
            if present not in self.layers:
                self.layers[present] = self._layer(present)

    def _layer(self, function: Function) -> LayerParameter:
        layer = LayerParameter(type=function.type_name)
        layer.bottom.extend(
            self.layers[given.fn].top[given.n] for given in function.inputs
        )
        tops = [self._name(top, function) for top in function.tops]
        layer.top.extend(layer.bottom if function.in_place else tops)
        layer.name = tops[0] if tops else self._name(function, function)
        for name, value in function.params.items():
            assign(layer, name, value)
        return layer

    def _name(self, thing: Top | Function, function: Function) -> str:
        if thing not in self._names:
            kind = function.type_name
            self._made_up[kind] += 1
            self._names[thing] = f"{kind}{self._made_up[kind]}"
        return self._names[thing]


def _needed(function: Function) -> Iterator[Function]:
    return (given.fn for given in function.inputs)


class Layers:
    """``L``: ``L.Convolution(bottom, num_output=4)`` makes the layer's tops.

    One top comes as it is, several as a tuple; a layer without tops comes itself.
    """

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("__"):
            raise AttributeError(name)

        def make(*inputs: Top, **params: Any) -> Any:
            function = Function(name, inputs, params)
            if function.ntop == 0:
                return function
            return function.tops[0] if function.ntop == 1 else function.tops

        return make


class Parameters:
    """``P``: ``P.Pooling.MAX`` is the value of an enum of a layer's parameter."""

    def __getattr__(self, name: str) -> Any:
        found = getattr(proto, f"{name}Parameter", None)
        if found is None:
            ends = len("Parameter")
            known = [n[:-ends] for n in dir(proto) if n.endswith("Parameter")]
            raise UnknownAttributeError(f"no parameter {name!r}.", suggest(name, known))
        return found


layers = Layers()
params = Parameters()

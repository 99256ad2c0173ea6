"""Which layers are in a net: include and exclude rules against a state.

A rule is met when every part of it that is given holds; a layer with include rules is
in when one of them is met, one with exclude rules is out when one is (Caffe's
Net::FilterNet).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from netspec.errors import SpecError
from netspec.proto import LayerParameter, NetParameter, NetState, NetStateRule, Phase
from netspec.spec.hints import layer_of
from netspec.spec.locate import Located, Places, Spot


def filter_net(
    net: Located[NetParameter],
    phase: int,
    level: int = 0,
    stages: Iterable[str] = (),
) -> Located[NetParameter]:
    """The net as it is in one phase.

    Args:
        net: an upgraded net; left as it is.
        phase: netspec.proto.TRAIN or TEST; replaces that of the net's own state.
        level: replaces the level of the net's own state, as in Caffe.
        stages: added to the stages of the net's own state.

    Returns:
        A new net with the layers that are in, whose ``state`` is what they were
        tested against.

    Raises:
        SpecError: at a layer that has both include and exclude rules.
    """
    state = NetState(phase=Phase.Name(phase), level=level)
    state.stage.extend(dict.fromkeys([*net.message.state.stage, *stages]))
    kept = [
        i
        for i, layer in enumerate(net.message.layer)
        if _included(net, i, layer, state)
    ]
    message, places = _copy(net.message, kept, state), _places(net, kept)
    return replace(net, message=message, places=places)


def _included(
    net: Located[NetParameter], index: int, layer: LayerParameter, state: NetState
) -> bool:
    if layer.include and layer.exclude:
        raise SpecError(
            "it has include rules and exclude rules.",
            "Keep one kind: a layer is in when one of its include rules is met, or "
            "when none of its exclude rules is.",
            place=net.place("layer", index),
            layer=layer_of(layer),
        )
    if layer.include:
        return any(meets(state, rule) for rule in layer.include)
    return not any(meets(state, rule) for rule in layer.exclude)


def meets(state: NetState, rule: NetStateRule) -> bool:
    """Whether a state meets every part of a rule that is given."""
    has = set(state.stage)
    return (
        (not rule.HasField("phase") or state.phase == rule.phase)
        and (not rule.HasField("min_level") or state.level >= rule.min_level)
        and (not rule.HasField("max_level") or state.level <= rule.max_level)
        and has.issuperset(rule.stage)
        and has.isdisjoint(rule.not_stage)
    )


def _copy(net: NetParameter, kept: list[int], state: NetState) -> NetParameter:
    new = NetParameter()
    for field, value in net.ListFields():
        if field.name == "layer":
            new.layer.extend(net.layer[i] for i in kept)
        elif field.message_type is not None:
            held = getattr(new, field.name)
            held.MergeFrom(value)
        elif not field.has_presence:
            getattr(new, field.name).extend(value)
        else:
            setattr(new, field.name, value)
    new.state.CopyFrom(state)
    return new


def _places(net: Located[NetParameter], kept: list[int]) -> Places:
    """The same spots, without those of the layers that are out."""
    old = net.places.root
    new = Spot(old.offset)
    new.fields = dict(old.fields)
    layers = old.fields.get("layer", [])
    new.fields["layer"] = [layers[i] for i in kept if i < len(layers)]
    return Places(net.file, net.places.text, new)

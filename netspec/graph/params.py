"""Parameters of a net: one entry for each distinct blob, shared by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from netspec.errors import SpecError
from netspec.graph.graph import Param
from netspec.layers.base import ParamSpec
from netspec.proto import LayerParameter
from netspec.proto import ParamSpec as ParamProto
from netspec.shapes import count, describe


@dataclass
class ParamTable:
    """Collects parameters while layers are added."""

    params: list[Param] = field(default_factory=list)
    _by_name: dict[str, int] = field(default_factory=dict)
    _rates: dict[str, dict[str, float]] = field(default_factory=dict)

    def add_layer(
        self, layer: LayerParameter, specs: Sequence[ParamSpec]
    ) -> tuple[int, ...]:
        """Indices of a layer's parameters, adding those that nobody owns yet.

        Raises:
            SpecError: more ``param`` entries than parameters, or a shared parameter
                whose shape or multipliers differ from its owner's.
        """
        if len(layer.param) > len(specs):
            raise SpecError(
                f"has {len(layer.param)} param entries for {len(specs)} parameters.",
                "Remove the surplus entries.",
                field=f"param.{len(specs)}",
            )
        blank = ParamProto()
        entries = [*layer.param, *(blank for _ in specs[len(layer.param) :])]
        return tuple(
            self._add(layer, i, spec, entry)
            for i, (spec, entry) in enumerate(zip(specs, entries))
        )

    def _add(
        self, layer: LayerParameter, index: int, spec: ParamSpec, entry: ParamProto
    ) -> int:
        if entry.name and entry.name in self._by_name:
            return self._share(layer, index, spec, entry)
        self.params.append(
            Param(
                layer=layer.name,
                index=index,
                name=entry.name,
                shape=spec.shape,
                filler=spec.filler,
                lr_mult=entry.lr_mult if spec.trainable else 0.0,
                decay_mult=entry.decay_mult if spec.trainable else 0.0,
                trainable=spec.trainable,
            )
        )
        if entry.name:
            self._by_name[entry.name] = len(self.params) - 1
            self._rates[entry.name] = _given_rates(entry)
        return len(self.params) - 1

    def _share(
        self, layer: LayerParameter, index: int, spec: ParamSpec, entry: ParamProto
    ) -> int:
        at = self._by_name[entry.name]
        owner = self.params[at]
        permissive = entry.share_mode == ParamProto.PERMISSIVE
        fits = (
            count(spec.shape) == owner.size if permissive else spec.shape == owner.shape
        )
        if not fits:
            raise SpecError(
                f"parameter {index} has shape {describe(spec.shape)}; {entry.name!r}, "
                f"owned by layer {owner.layer!r}, has {describe(owner.shape)}.",
                "A shared parameter has one shape"
                + (
                    " count."
                    if permissive
                    else "; share_mode: PERMISSIVE asks only for an equal count."
                ),
                field=f"param.{index}",
            )
        self._merge_rates(at, index, entry)
        return at

    def _merge_rates(self, at: int, index: int, entry: ParamProto) -> None:
        """A multiplier may be given by any one sharer, or alike by several."""
        known = self._rates[entry.name]
        for what, value in _given_rates(entry).items():
            if known.setdefault(what, value) != value:
                raise SpecError(
                    f"{what} of shared parameter {entry.name!r} is {value:g} here and "
                    f"{known[what]:g} before.",
                    "A shared parameter has one rate: give it once.",
                    field=f"param.{index}.{what}",
                )
        self.params[at] = replace(
            owner := self.params[at],
            lr_mult=known.get("lr_mult", owner.lr_mult),
            decay_mult=known.get("decay_mult", owner.decay_mult),
        )


def _given_rates(entry: ParamProto) -> dict[str, float]:
    rates = ("lr_mult", "decay_mult")
    return {r: getattr(entry, r) for r in rates if entry.HasField(r)}

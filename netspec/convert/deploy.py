"""From the net that is trained to the net that is used.

Data layers become Inputs; losses give way to the probabilities behind them; what only
measures goes; and so does everything that nothing needs any more: labels, and the
auxiliary classifiers whose loss counts less than that of the main one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from netspec.convert.losses import (
    MEASURES,
    PREDICTIONS,
    auxiliary_losses,
    drop_fillers,
    is_constant,
    prediction,
)
from netspec.convert.preprocessing import of_layer
from netspec.data.preprocess import Preprocess
from netspec.errors import OpenShapeError, SpecError
from netspec.layers import LAYERS
from netspec.proto import TEST, TRAIN, BlobShape, LayerParameter, NetParameter
from netspec.shapes import Shape
from netspec.spec import Located, filter_net
from netspec.spec.locate import Places, Spot

# Fields of a layer that only training reads.
_TRAINING = ("include", "exclude", "loss_weight", "propagate_down", "phase", "blobs")


@dataclass(frozen=True)
class Deployed:
    """A net ready for use.

    Attributes:
        net: Input layers and the layers that lead to the outputs.
        preprocess: what its data layer did to images, or None.
        notes: what was changed, one sentence each.
    """

    net: Located[NetParameter]
    preprocess: Preprocess | None = None
    notes: tuple[str, ...] = ()


def deploy(
    net: Located[NetParameter],
    level: int = 0,
    stages: Sequence[str] = (),
    batch: int = 0,
    shapes: Mapping[str, Shape] | None = None,
) -> Deployed:
    """The net as it is used, from the net as it is trained.

    A net without data layers, losses and measures stays as it is, but for the batch.

    Args:
        batch: of the inputs; 0: 1 for what was a data layer, the file's for an Input.
        shapes: of data tops that the file leaves open, by name.

    Raises:
        SpecError: the shape of an image is not known, or nothing is left.
    """
    work = _Work(_chosen_phase(net, level, stages), batch, dict(shapes or {}))
    return work.run()


def _chosen_phase(
    net: Located[NetParameter], level: int, stages: Sequence[str]
) -> Located[NetParameter]:
    """The layers of TEST; of TRAIN where TEST has no source of data."""
    test = filter_net(net, TEST, level, stages)
    if any(_kind(layer).is_source for layer in test.message.layer):
        return test
    train = filter_net(net, TRAIN, level, stages)
    has_source = any(_kind(layer).is_source for layer in train.message.layer)
    return train if has_source else test


def _kind(layer: LayerParameter):  # type: ignore[no-untyped-def]
    return LAYERS[layer.type]


@dataclass
class _Work:
    """One derivation."""

    net: Located[NetParameter]
    batch: int
    shapes: dict[str, Shape]
    notes: list[str] = field(default_factory=list)
    preprocess: Preprocess | None = None

    def run(self) -> Deployed:
        layers = list(enumerate(self.net.message.layer))
        outputs = self._outputs(layers)
        kept = self._needed(self._predictions(layers), outputs)
        if not any(not _kind(layer).is_source for _, layer in kept):
            raise SpecError(
                "nothing is left of this net: it has no layer that leads from its "
                "data to a prediction.",
                "Name the net that is trained.",
                place=self.net.place(),
            )
        made = [(i, new) for i, layer in kept for new in [self._clean(layer)]]
        self._note_dropped(layers, kept)
        return Deployed(self._net(made), self.preprocess, tuple(self.notes))

    # What the net is for ------------------------------------------------------------

    def _outputs(self, layers: list[tuple[int, LayerParameter]]) -> set[str]:
        """Blobs that nobody reads although they are not losses or labels."""
        unread: set[str] = set()
        for _, layer in layers:
            kind = _kind(layer)
            if not kind.judges:  # what is judged is what the net is for
                unread -= set(layer.bottom)
            if not kind.is_source and not kind.is_loss and layer.type not in MEASURES:
                unread.update(layer.top)
        return unread

    def _predictions(
        self, layers: list[tuple[int, LayerParameter]]
    ) -> list[tuple[int, LayerParameter, bool]]:
        """The layers without measures and losses; True marks what must be kept."""
        auxiliary = auxiliary_losses([layer for _, layer in layers])
        taken = {layer.name for _, layer in layers}
        found: list[tuple[int, LayerParameter, bool]] = []
        asked: set[tuple[str, str]] = set()
        for i, layer in layers:
            if layer.type in MEASURES or layer.name in auxiliary:
                continue
            if not _kind(layer).is_loss:
                found.append((i, layer, False))
                continue
            if layer.type not in PREDICTIONS:
                raise SpecError(
                    f"what a {layer.type} predicts is not known.",
                    "Remove the layer, and let the blob that is wanted be an output.",
                    place=self.net.place("layer", i),
                    layer=(layer.name, layer.type),
                )
            key = (PREDICTIONS[layer.type] or "", layer.bottom[0])
            if key not in asked:
                found.append((i, prediction(layer, taken), True))
            asked.add(key)
        return found

    def _needed(
        self, layers: list[tuple[int, LayerParameter, bool]], outputs: set[str]
    ) -> list[tuple[int, LayerParameter]]:
        """The layers that an output needs, in order; placeholders are dropped."""
        wanted = set(outputs)
        kept: list[tuple[int, LayerParameter]] = []
        for i, layer, is_prediction in reversed(layers):
            if is_prediction:
                wanted.update(layer.bottom)
            elif not wanted & set(layer.top):
                continue
            wanted.update(layer.bottom)
            if layer.type:
                kept.append((i, layer))
        kept.reverse()
        self.wanted = wanted
        return kept

    # The new layers ------------------------------------------------------------------

    def _clean(self, layer: LayerParameter) -> LayerParameter:
        kind = _kind(layer)
        if kind.is_source and not is_constant(layer):
            return self._input(layer)
        new = LayerParameter()
        new.CopyFrom(layer)
        for name in _TRAINING:
            new.ClearField(name)
        names = [param.name for param in new.param]
        del new.param[:]
        if any(names):
            for name in names:
                new.param.add(name=name) if name else new.param.add()
        drop_fillers(new)
        return new

    def _input(self, layer: LayerParameter) -> LayerParameter:
        """An Input with the tops that are wanted, each with its shape."""
        shapes = self._shapes(layer)
        new = LayerParameter(name=layer.name, type="Input")
        for top in layer.top:
            if top in self.wanted:
                new.top.append(top)
                new.input_param.shape.append(BlobShape(dim=shapes[top]))
        self._note_source(layer, shapes)
        names = {other.name for other in self.net.message.layer} - {layer.name}
        if len(new.top) == 1 and layer.type != "Input" and new.top[0] not in names:
            new.name = new.top[0]
        return new

    def _shapes(self, layer: LayerParameter) -> dict[str, Shape]:
        known = {top: self.shapes.get(top) for top in layer.top}
        missing = [top for top in layer.top if known[top] is None]
        if missing and set(missing) & self.wanted:
            try:
                inferred = _kind(layer)(layer, TEST, self.net.file).infer_shapes(())
            except OpenShapeError as error:
                error.remedy += f" Or give --input {missing[0]}=3,224,224."
                raise error.at(layer=(layer.name, layer.type)) from None
            known.update({t: s for t, s in zip(layer.top, inferred) if t in missing})
        batch = self.batch or (0 if layer.type == "Input" else 1)
        return {
            top: ((batch, *shape[1:]) if batch and shape else shape)
            for top, shape in known.items()
            if shape is not None
        }

    def _note_source(self, layer: LayerParameter, shapes: dict[str, Shape]) -> None:
        if layer.type == "Input":
            return
        self.notes.append(f"data layer {layer.name!r} ({layer.type}) is now an Input.")
        image = next(
            (shapes[t] for t in layer.top if len(shapes.get(t, ())) == 4), None
        )
        if image and not self.preprocess:
            self.preprocess, note = of_layer(layer, self.net.file, image[1])
            self.notes += [note] if note else []

    def _note_dropped(
        self,
        before: list[tuple[int, LayerParameter]],
        after: list[tuple[int, LayerParameter]],
    ) -> None:
        kept = {i for i, _ in after}
        for i, layer in after:
            old = dict(before)[i]
            if old.type != layer.type and not _kind(old).is_source:
                self.notes.append(
                    f"loss {old.name!r} gives way to {layer.name!r} ({layer.type})."
                )
        gone = [layer.name for i, layer in before if i not in kept]
        if gone:
            self.notes.append(f"left out: {', '.join(dict.fromkeys(gone))}.")

    def _net(self, layers: list[tuple[int, LayerParameter]]) -> Located[NetParameter]:
        old = self.net.message
        new = NetParameter()
        if old.HasField("name"):
            new.name = old.name
        spots = self.net.places.root.fields.get("layer", [])
        root = Spot(self.net.places.root.offset)
        for i, layer in layers:
            new.layer.append(layer)
            root.fields.setdefault("layer", []).append(
                spots[i] if i < len(spots) else Spot(-1)
            )
        places = Places(self.net.file, self.net.places.text, root)
        return Located(new, places, self.net.upgraded)

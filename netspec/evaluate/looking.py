"""Every look that a protocol takes at a picture, through every model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from netspec.data.preprocess import Window
from netspec.data.rescale import OPENCV, Resize, Size
from netspec.errors import DataError, UsageError
from netspec.evaluate.choice import resize_of
from netspec.evaluate.looks import looks
from netspec.evaluate.model import Model
from netspec.evaluate.protocols import Protocol, paper_scales
from netspec.evaluate.reading import Picture, Want
from netspec.evaluate.runner import Form

REDUCED = "the mean image is reduced to its mean pixel: pictures are of other sizes"


class Seen(NamedTuple):
    """One look, before its pixels are taken.

    Attributes:
        model: its number.
        form: how the net is run on it.
        want: the resized picture that it is a part of.
        weight: of its posterior in that of the picture.
    """

    model: int
    form: Form
    want: Want
    window: Window
    weight: float


class Looking:
    """A protocol for some models.

    Args:
        as_stored: pictures may be taken as they are where nobody knows how whole
            pictures were resized.

    Attributes:
        protocol: with the scales that the paper would take, where it needs several and
            the models' training scale is known.
        wants: the sizes at which each model looks at a picture.
        notes: what a reader of the numbers should know, once there was cause.

    Raises:
        UsageError: scales are lacking, or smaller than what the nets take.
    """

    def __init__(
        self, models: Sequence[Model], protocol: Protocol, as_stored: bool
    ) -> None:
        self._models = models
        self.protocol = _with_scales(protocol, models)
        self.protocol.check_scales()
        self._check_scales()
        self.wants = [list(self._wants(model, as_stored)) for model in models]
        self.notes: dict[str, None] = {}

    def _wants(self, model: Model, as_stored: bool) -> Iterator[Want]:
        p = model.preprocess
        if not self.protocol.scales:
            yield Want(p.depth, resize_of(p, as_stored))
        filter_ = p.resize.filter if p.resize else OPENCV
        for scale in self.protocol.scales:
            yield Want(p.depth, Resize("short-side", (scale,), filter_))

    def _check_scales(self) -> None:
        for model in self._models:
            least = min(model.crop)
            for scale in self.protocol.scales:
                if scale < least:
                    raise UsageError(
                        f"scale {scale} is smaller than the input of the net, "
                        f"{model.crop.height} x {model.crop.width}.",
                        f"Choose scales from {least} on.",
                    )

    def at(self, picture: Picture) -> list[Seen]:
        """Every look at a picture; all of them are known to be possible.

        Raises:
            DataError: the picture is smaller than a net's input, or too large to be
                run; the problem begins with its verb.
        """
        return [
            seen for m in range(len(self._models)) for seen in self._through(m, picture)
        ]

    def _through(self, number: int, picture: Picture) -> Iterator[Seen]:
        model, kinds = self._models[number], self.protocol.kinds
        share = 1 / (len(self._models) * len(kinds) * len(self.wants[number]))
        for want in self.wants[number]:
            size = Size(*picture.pixels[want].shape[1:])
            check_room(size, model.crop)
            if model.preprocess.reduces_mean(size):
                self.notes[REDUCED] = None
            for kind in kinds:
                for window, weight in looks(
                    kind, size, model.crop, self.protocol.mirror
                ):
                    form = Form(window.height, window.width, kind == "dense")
                    model.runner.rows(form)  # refuses what is too large
                    yield Seen(number, form, want, window, weight * share)


def _with_scales(protocol: Protocol, models: Sequence[Model]) -> Protocol:
    trained = {model.preprocess.train_scale for model in models}
    if protocol.scales or not protocol.least_scales or len(trained) != 1:
        return protocol
    (scale,) = trained
    return protocol.at(scales=paper_scales(*scale)) if scale else protocol


def check_room(size: Size, crop: Size) -> None:
    """Refuse a picture that the net's input does not fit into.

    Raises:
        DataError: the problem begins with its verb.
    """
    if size.height < crop.height or size.width < crop.width:
        raise DataError(
            f"is {size.height} x {size.width} pixels, and the net takes at least "
            f"{crop.height} x {crop.width}.",
            "Choose a larger --scales or another --resize.",
        )

"""Test protocols: how a net looks at a picture, and how its answers are averaged.

One *look* is one array that goes through the net; its posterior is the softmax of its
scores.  Over the kinds of look of a protocol, the shorter sides Q and the looks of one
kind at one Q, the posterior of an image is::

    p = mean over kinds of (mean over Q of (mean over looks of softmax(scores)))

so that kinds count alike, whatever their numbers of looks, and so do scales.  A dense
look gives a map of scores, which is averaged over its places before the softmax: in
section 3.2 of the VGG paper the map of class scores is averaged over space, and then
the softmax posteriors of the image and its mirror image are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from netspec.errors import UsageError
from netspec.evaluate.looks import GRID
from netspec.registry import Registry

AVERAGES = ("scores", "posteriors")


@dataclass(frozen=True)
class Protocol:
    """A way to test.

    Attributes:
        kinds: keys of :data:`netspec.evaluate.looks.KINDS`.
        mirror: look at the mirrored picture too.
        scales: shorter sides Q that pictures are rescaled to; (): the preprocessing's
            own resize rule decides.
        least_scales: scales without which the name would be wrong.
        average: what of a map of places is averaged: ``scores``, as in the paper, or
            ``posteriors``.
    """

    name: str
    kinds: tuple[str, ...]
    mirror: bool
    scales: tuple[int, ...] = ()
    least_scales: int = 0
    average: str = "scores"

    def __post_init__(self) -> None:
        scales = self.scales
        if any(q < 1 for q in scales) or len(set(scales)) != len(scales):
            raise UsageError(
                f"cannot test at the scales {', '.join(map(str, scales))}.",
                "Give each shorter side once, in pixels.",
            )
        if not self.mirror and "ten-crop" in self.kinds:
            raise UsageError(
                "ten-crop without mirrors is five crops.", "Leave --no-mirror out."
            )
        if self.average not in AVERAGES:
            raise UsageError(
                f"cannot average a map of {self.average!r}.",
                f"Choose from: {', '.join(AVERAGES)}.",
            )

    def at(
        self,
        scales: Sequence[int] = (),
        mirror: bool | None = None,
        average: str | None = None,
    ) -> Protocol:
        """The same at other scales, with or without mirrors; what is not given stays.

        Raises:
            UsageError: scales that are no sizes or come twice; ten crops without
                mirrors; an unknown average.
        """
        return replace(
            self,
            scales=tuple(sorted(scales)) or self.scales,
            mirror=self.mirror if mirror is None else mirror,
            average=average or self.average,
        )

    def check_scales(self) -> None:
        """Refuse too few scales.

        Raises:
            UsageError.
        """
        if len(self.scales) < self.least_scales:
            raise UsageError(
                f"protocol {self.name} averages over several scales; "
                f"{len(self.scales) or 'none'} is given.",
                "Give them: --scales 256,384,512.",
            )

    @property
    def mirrors(self) -> int:
        """2 where mirrored pictures are looked at too."""
        return 1 + self.mirror

    @property
    def crops(self) -> str:
        """Crops a scale, mirrored ones included: ``50``, ``whole image``, or both."""
        return " + ".join(
            "whole image" if kind == "dense" else str(_PLACES[kind] * self.mirrors)
            for kind in self.kinds
        )


_PLACES = {"single": 1, "ten-crop": 5, "multi-crop": GRID * GRID}

PROTOCOLS: Registry[Protocol] = Registry("protocol", UsageError)
for _protocol in (
    Protocol("single", ("single",), mirror=False),
    Protocol("ten-crop", ("ten-crop",), mirror=True),
    Protocol("dense", ("dense",), mirror=True),
    Protocol("multi-scale", ("dense",), mirror=True, least_scales=2),
    Protocol("multi-crop", ("multi-crop",), mirror=True),
    Protocol("dense+multi-crop", ("dense", "multi-crop"), mirror=True),
):
    PROTOCOLS(_protocol.name)(_protocol)


def paper_scales(smallest: int, largest: int) -> tuple[int, int, int]:
    """The three Q of the paper for a net trained at S in [smallest, largest].

    S - 32, S, S + 32 for a fixed S; the ends and the middle of a range.
    """
    if smallest == largest:
        return smallest - 32, smallest, smallest + 32
    return smallest, (smallest + largest) // 2, largest

"""Places for the boxes of a diagram: in layers, with few crossings.

Sugiyama's way: boxes get the rank of the longest path to them; an arrow over several
ranks gets a point in each; points are ordered in their ranks by the mean place of
their neighbours, back and forth; then moved towards those means as far as the gaps
between them allow.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from netspec.draw.diagram import Arrow, Box, Diagram

CHARACTER, LINE, PAD = 6.6, 15.0, 8.0  # of the font, and around it, in pixels
_GAP, _RANK_GAP, _MARGIN = 18.0, 34.0, 12.0
_SWEEPS = 6

Point = tuple[float, float]
Node = str | tuple[int, int]  # a box, or where an arrow passes a rank


@dataclass(frozen=True)
class Place:
    """A box at its place: the centre, width and height in pixels."""

    box: Box
    centre: Point
    size: Point


@dataclass(frozen=True)
class Route:
    """An arrow from box to box through points."""

    arrow: Arrow
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Layout:
    """A whole picture: y points down; places are by the keys of the boxes."""

    size: Point
    places: dict[str, Place]
    routes: tuple[Route, ...]


def size_of(box: Box) -> Point:
    """Width and height of a box, by its text."""
    longest = max(map(len, box.lines), default=0)
    return longest * CHARACTER + 2 * PAD, len(box.lines) * LINE + 2 * PAD


def lay_out(diagram: Diagram) -> Layout:
    """Find places and routes."""
    return _Layouter(diagram).layout()


class _Layouter:
    def __init__(self, diagram: Diagram) -> None:
        self.diagram = diagram
        self.sideways = diagram.direction in ("LR", "RL")
        self.label_room = self._label_room()
        self.rank = _ranks(diagram)
        self.chains = [self._chain(i, a) for i, a in enumerate(diagram.arrows)]
        self.rows: dict[int, list[Node]] = defaultdict(list)
        for node, rank in self.rank.items():
            self.rows[rank].append(node)
        self.above, self.below = self._neighbours()
        self.across: dict[Node, float] = {}

    def _chain(self, number: int, arrow: Arrow) -> list[Node]:
        """The nodes that an arrow passes, new ones where it skips ranks."""
        tail, head = self.rank[arrow.tail], self.rank[arrow.head]
        step = 1 if head > tail else -1
        passed: list[Node] = [(number, rank) for rank in range(tail + step, head, step)]
        self.rank.update({node: node[1] for node in passed})  # type: ignore[misc]
        return [arrow.tail, *passed, arrow.head]

    def _neighbours(self) -> tuple[dict[Node, list[Node]], dict[Node, list[Node]]]:
        above: dict[Node, list[Node]] = defaultdict(list)
        below: dict[Node, list[Node]] = defaultdict(list)
        for chain in self.chains:
            for one, other in pairwise(chain):
                first, second = sorted((one, other), key=self.rank.__getitem__)
                below[first].append(second)
                above[second].append(first)
        return above, below

    def layout(self) -> Layout:
        ranks = sorted(self.rows)
        for row in self.rows.values():
            for i, node in enumerate(row):
                self.across[node] = float(i)
        for _ in range(_SWEEPS):
            for rank in ranks[1:]:
                self._order(rank, self.above)
            for rank in reversed(ranks[:-1]):
                self._order(rank, self.below)
        for rank in ranks:
            self._spread(rank, [0.0] * len(self.rows[rank]))
        for _ in range(_SWEEPS):
            for rank in (*ranks, *reversed(ranks)):
                self._spread(rank, [self._mean(n) for n in self.rows[rank]])
        return self._picture(ranks)

    def _order(self, rank: int, neighbours: dict[Node, list[Node]]) -> None:
        """Order a row by the mean place of its neighbours on one side."""

        def mean(node: Node) -> float:
            near = neighbours[node] or [node]
            return sum(self.across[n] for n in near) / len(near)

        self.rows[rank].sort(key=mean)
        for i, node in enumerate(self.rows[rank]):
            self.across[node] = float(i)

    def _mean(self, node: Node) -> float:
        near = self.above[node] + self.below[node] or [node]
        return sum(self.across[n] for n in near) / len(near)

    def _spread(self, rank: int, wanted: Sequence[float]) -> None:
        """Move a row's nodes towards where they are wanted, with gaps between them."""
        row = self.rows[rank]
        extents = [self._extent(node)[0] for node in row]
        gaps = [(a + b) / 2 + _GAP for a, b in pairwise(extents)]
        low, high = list(wanted), list(wanted)
        for i, gap in enumerate(gaps):
            low[i + 1] = max(low[i + 1], low[i] + gap)
        for i in reversed(range(len(gaps))):
            high[i] = min(high[i], high[i + 1] - gaps[i])
        self.across.update({n: (a + b) / 2 for n, a, b in zip(row, low, high)})

    def _extent(self, node: Node) -> Point:
        """Extents across and along the flow."""
        if not isinstance(node, str):
            return 0.0, 0.0
        width, height = size_of(self.diagram.boxes[node])
        if self.sideways:
            return height, width
        return max(width, self.label_room.get(node, 0.0)), height

    def _label_room(self) -> dict[str, float]:
        """Width that boxes need so that labels side by side do not meet.

        A label stands halfway to its box, where two arrows from one box are half as
        far apart as at their heads.
        """
        arrows = self.diagram.arrows
        beside = Counter(arrow.tail for arrow in arrows if arrow.label)
        return {
            a.head: 2 * (len(a.label) * CHARACTER + PAD)
            for a in arrows
            if beside[a.tail] > 1
        }

    def _rank_gaps(self) -> dict[int, float]:
        """Room behind each rank; sideways the labels there must fit into it."""
        gaps: dict[int, float] = defaultdict(lambda: _RANK_GAP)
        for arrow, chain in zip(self.diagram.arrows, self.chains):
            if self.sideways:
                at = (len(chain) - 1) // 2  # see `shapes.label_place`
                rank = min(self.rank[node] for node in chain[at : at + 2])
                gaps[rank] = max(gaps[rank], len(arrow.label) * CHARACTER + 2 * PAD)
        return gaps

    def _picture(self, ranks: list[int]) -> Layout:
        along, end = {}, _MARGIN
        gaps = self._rank_gaps()
        for rank in ranks:
            thick = max(self._extent(node)[1] for node in self.rows[rank])
            along[rank] = end + thick / 2
            end += thick + gaps[rank]
        edges = [(self.across[n], self._extent(n)[0] / 2) for n in self.rank]
        least = min((x - half for x, half in edges), default=0.0) - _MARGIN
        wide = max((x + half for x, half in edges), default=0.0) + _MARGIN - least
        total = end - gaps[ranks[-1]] + _MARGIN if ranks else end

        def point(node: Node) -> Point:
            x, y = self.across[node] - least, along[self.rank[node]]
            y = total - y if self.diagram.direction in ("BT", "RL") else y
            return (y, x) if self.sideways else (x, y)

        places = {
            key: Place(box, point(key), size_of(box))
            for key, box in self.diagram.boxes.items()
        }
        routes = tuple(
            Route(arrow, tuple(map(point, chain)))
            for arrow, chain in zip(self.diagram.arrows, self.chains)
        )
        return Layout((total, wide) if self.sideways else (wide, total), places, routes)


def _ranks(diagram: Diagram) -> dict[Node, int]:
    """Longest path to each box along arrows that lead on, not back."""
    number = {key: i for i, key in enumerate(diagram.boxes)}
    onward = defaultdict(list)
    for arrow in diagram.arrows:
        if number[arrow.tail] < number[arrow.head]:
            onward[arrow.tail].append(arrow.head)
    rank: dict[Node, int] = dict.fromkeys(diagram.boxes, 0)
    for key in diagram.boxes:
        for head in onward[key]:
            rank[head] = max(rank[head], rank[key] + 1)
    return rank

"""The layer protocol.

A layer knows geometry, not devices, and keeps no state about a batch: it parses its
message once, infers shapes as pure functions of tuples, declares its parameters and
scratch, and computes through the operations (``ops``) it is handed.

Life of a layer::

    Layer(proto, phase, file)    setup(): read the message, refuse what is wrong in it
      .infer_shapes(bottom)      shapes of the tops
      .params(bottom)            shapes and fillers of the parameters
      .scratch(bottom, in_place) arrays that must live from forward to backward
      .geometry(bottom)          frozen arithmetic for one set of shapes
      .forward(ops, run)         fills run.top
      .backward(ops, run)        fills run.bottom_diff, adds to run.param_diff

Shapes are tuples in logical order (N, C, H, W for images).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import Any, ClassVar

from netspec.backends.base import Epilogue
from netspec.errors import SpecError
from netspec.plugins import OpenRegistry
from netspec.proto import TRAIN, FillerParameter, LayerParameter
from netspec.random import Key
from netspec.shapes import Shape, count

Shapes = tuple[Shape, ...]
Array = Any  # numpy.ndarray or cupy.ndarray


@dataclass(frozen=True)
class Arity:
    """How many bottoms or tops a layer takes; *most* None is no limit."""

    least: int
    most: int | None

    def __contains__(self, number: int) -> bool:
        return self.least <= number and (self.most is None or number <= self.most)

    def __str__(self) -> str:
        if self.most is None:
            return f"at least {self.least}"
        if self.least == self.most:
            return f"exactly {self.least}"
        return f"{self.least} to {self.most}"


def exactly(number: int) -> Arity:
    """Arity of one fixed number."""
    return Arity(number, number)


def at_least(number: int) -> Arity:
    """Arity without an upper limit."""
    return Arity(number, None)


def between(least: int, most: int) -> Arity:
    """Arity from *least* to *most*, both allowed."""
    return Arity(least, most)


class Alias(Enum):
    """Which arrays of a top are the bottom's own memory under another shape."""

    NONE = "none"
    DATA = "data"  # Split: each top has a diff of its own
    BOTH = "both"  # Flatten, Reshape


class Stage(IntEnum):
    """What a layer may do to its outputs, for layers after it, before it stores them;
    in this order."""

    NORMALISE = 1
    SCALE = 2
    ADD = 3
    RECTIFY = 4
    POOL = 5


@dataclass(frozen=True)
class ParamSpec:
    """One parameter blob: its shape, how it starts, and its default multipliers.

    ``trainable=False`` marks statistics (BatchNorm): the layer itself updates them,
    their rate is 0 whatever the file says, as in Caffe.
    """

    shape: Shape
    filler: FillerParameter = field(default_factory=FillerParameter)
    trainable: bool = True


@dataclass(frozen=True)
class Scratch:
    """An array that lives from a layer's forward to its backward.

    *dtype* is a NumPy name, or ``"float"`` for the net's own float type.
    *training* scratch is only needed where a backward pass will follow.  *lasting*
    scratch keeps its values from one pass to the next, and is 0 before the first.
    """

    shape: Shape
    dtype: str = "float"
    training: bool = False
    lasting: bool = False


def _refuse_to_resize(tops: Shapes) -> None:
    raise RuntimeError("only a layer that declares `resizes` may resize its tops")


@dataclass
class Run:
    """What the net hands a layer for one pass.

    A diff that is None is not wanted.  ``bottom_diff`` is overwritten by backward,
    ``param_diff`` is added to.  ``bottom[i] is top[i]`` where a layer works in place.

    Attributes:
        geometry: what :meth:`Layer.geometry` returned for the present shapes.
        key: random key of this layer at this iteration; see :mod:`netspec.random`.
        first_sample: number, within the iteration's global batch, of row 0.
        shards: equal parts the global batch is cut into; a loss that averages over
            the batch divides by its own rows times this.
        normalizer: valid labels of the global batch, where the net has counted them
            because the batch is cut; None: the layer counts its own.
        labels_checked: whether whoever fed the labels has seen that they are classes.
        loss_weight: weight of each top in the net's loss.
        followers: layers after this one, with what they are handed, that the plan has
            made part of it: ``top`` is that of the last.
        resize: gives the tops the shapes that this batch's data asks for; ``top`` and
            ``top_diff`` are then other views.  Only for layers that declare
            ``resizes``, which call it whenever the tops have other shapes.
    """

    bottom: list[Array] = field(default_factory=list)
    top: list[Array] = field(default_factory=list)
    bottom_diff: list[Array | None] = field(default_factory=list)
    top_diff: list[Array | None] = field(default_factory=list)
    param: list[Array] = field(default_factory=list)
    param_diff: list[Array | None] = field(default_factory=list)
    scratch: dict[str, Array] = field(default_factory=dict)
    geometry: Any = None
    key: Key = field(default_factory=lambda: Key(0, ""))
    first_sample: int = 0
    shards: int = 1
    normalizer: float | None = None
    labels_checked: bool = False
    loss_weight: tuple[float, ...] = ()
    followers: Sequence[tuple[Layer, Run]] = ()
    resize: Callable[[Shapes], None] = _refuse_to_resize


class Layer:
    """Base of all layers; subclasses register with ``@layer("Type")``.

    Class attributes are facts a planner needs before any array exists.

    Args:
        file: the net's own file; a file that the layer names may stand beside it.
    """

    bottoms: ClassVar[Arity] = exactly(1)
    tops: ClassVar[Arity] = exactly(1)
    allows_in_place: ClassVar[bool] = False
    alias: ClassVar[Alias] = Alias.NONE
    is_loss: ClassVar[bool] = False  # its first top has loss_weight 1 unless told
    is_source: ClassVar[bool] = False  # fed from outside: see `netspec.data`
    fills_itself: ClassVar[bool] = False  # a source that nobody needs to feed
    resizes: ClassVar[bool] = False  # data decides the tops' shapes: see `Run.resize`
    runs_code: ClassVar[bool] = False  # the file names code: see `layers.python`
    # Whether every pass calls the same operations on the same arrays, whatever they
    # hold, and does nothing else; may depend on the file.  A class that has a forward
    # or backward of its own says it for itself.
    repeats: bool = False
    judges: ClassVar[bool] = False  # a test reports `judge` of its tops, not their mean
    # Only so many of the first bottoms get a gradient unasked; None: all.
    open_bottoms: ClassVar[int | None] = None
    # What backward reads beside diffs, parameters and scratch; may depend on the file.
    backward_reads_bottom: bool = True
    backward_reads_top: bool = False

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if vars(cls).keys() & {"forward", "backward", "join"}:
            cls.repeats = vars(cls).get("repeats", False)

    def __init__(
        self, proto: LayerParameter, phase: int = TRAIN, file: str = ""
    ) -> None:
        self.proto = proto
        self.file = file
        self.name: str = proto.name
        self.type: str = proto.type
        self.training = phase == TRAIN
        self.setup()

    def setup(self) -> None:
        """Read the layer's message.  Raises SpecError, with ``field=`` where known."""

    def check_arity(self, bottoms: int, tops: int) -> None:
        """Refuse wrong numbers of bottoms and tops."""
        for what, arity, found in (
            ("bottom", self.bottoms, bottoms),
            ("top", self.tops, tops),
        ):
            if found not in arity:
                raise SpecError(
                    f"takes {arity} {what}(s), and has {found}.",
                    f"Give it {arity}.",
                    field=what,
                )

    def infer_shapes(self, bottom: Shapes) -> Shapes:
        """Shapes of the tops; by default the first bottom's.

        Raises:
            SpecError: the bottoms do not fit the layer or each other.
        """
        return (bottom[0],)

    def params(self, bottom: Shapes) -> tuple[ParamSpec, ...]:
        """The layer's parameters, in Caffe's order."""
        return ()

    def start(self, ops: Any, params: Sequence[Array]) -> None:
        """Set parameters that no filler describes, after the fillers."""

    def scratch(self, bottom: Shapes, in_place: bool) -> Mapping[str, Scratch]:
        """Arrays to keep from forward to backward, by name."""
        return {}

    def geometry(self, bottom: Shapes) -> Any:
        """Anything worth computing once for a set of shapes; handed back in the run."""
        return None

    def couples_batch(self, bottom: Shapes) -> bool:
        """Whether the output for one image depends on the others of its batch.

        Such a layer forbids cutting the batch into shards by default.
        """
        return False

    def adds_once(self, bottom: Shapes) -> bool:
        """Whether backward adds to each parameter's gradient once.

        By one operation of ``ops``, that is, each of which adds complete sums: what
        backward adds to a gradient then has the bits of what it would add to zeros.
        """
        return True

    def allows_force_backward(self, bottom: int) -> bool:
        """Whether ``force_backward`` asks for the gradient of that bottom."""
        return True

    def stage(self, bottom: Shapes) -> Stage | None:
        """Which part of the layer before this one may be; None: it cannot be one."""
        return None

    def absorbs(self, stage: Stage, bottom: Shapes) -> bool:
        """Whether a layer that only reads the top may be part of this one.

        Forward then finds it in ``Run.followers``, and computes it.
        """
        return False

    def parts_top(self, ops: Any, bottom: Shapes, dtype: str) -> bool:
        """Whether the top may be some of the channels of a larger array."""
        return False

    def joins_channels(self, bottom: Shapes) -> bool:
        """Whether the top consists of the bottoms' channels in order.

        Forward is then handed None for a bottom that lies there already.
        """
        return False

    def join(self, ops: Any, run: Run, after: Epilogue) -> None:
        """Say what the layer before must do, as part of which this one is computed."""
        raise NotImplementedError(type(self).__name__)

    def macs(self, bottom: Shapes, top: Shapes) -> int:
        """Multiply-accumulates of one forward pass (0 for element-wise layers)."""
        return 0

    def receptive(self, bottom: Shapes) -> Window | None:
        """The window that slides over the spatial axes; None: position by position."""
        return None

    def gathered(self, run: Run) -> Sequence[Array]:
        """Statistics that the last forward pass has added to the parameters."""
        return ()

    def gather(self, ops: Any, run: Run, found: Sequence[Array]) -> None:
        """Add statistics to the parameters, as forward does with what it finds."""

    def judge(self, rows: Array) -> Array:
        """What a test reports of the rows of a top, over all batches."""
        raise NotImplementedError(type(self).__name__)

    def forward(self, ops: Any, run: Run) -> None:
        """Fill ``run.top`` from ``run.bottom`` and ``run.param``."""
        raise NotImplementedError(type(self).__name__)

    def backward(self, ops: Any, run: Run) -> None:
        """Fill the wanted ``run.bottom_diff``, add to the wanted ``run.param_diff``."""
        raise NotImplementedError(type(self).__name__)


@dataclass(frozen=True)
class Window:
    """A sliding window, one entry a spatial axis: for receptive fields."""

    kernel: Shape
    stride: Shape
    pad: Shape
    dilation: Shape


def epilogue(ops: Any, run: Run) -> Epilogue | None:
    """What a layer must do to its outputs on behalf of its followers, if it has any."""
    if not run.followers:
        return None
    after = Epilogue()
    for follower, own in run.followers:
        follower.join(ops, own, after)
    return after


LAYERS: OpenRegistry[Layer] = OpenRegistry("layer type", Layer, "netspec.layers")
layer = LAYERS


def same_shape(bottom: Shapes, first: int = 0) -> None:
    """Refuse bottoms whose shapes differ from that of bottom *first*."""
    for i, shape in enumerate(bottom):
        if shape != bottom[first]:
            raise SpecError(
                f"bottom {i} has shape {'x'.join(map(str, shape))}, bottom {first} "
                f"has {'x'.join(map(str, bottom[first]))}.",
                "All bottoms must have one shape.",
                field="bottom",
            )


def split_at(shape: Shape, axis: int) -> tuple[int, int, int]:
    """A shape as (outer, axis, inner) element counts around one axis."""
    return count(shape, 0, axis), shape[axis], count(shape, axis + 1)

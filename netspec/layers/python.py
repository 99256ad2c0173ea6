"""Python: a layer whose arithmetic the user wrote."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from netspec.errors import OpenShapeError
from netspec.layers.base import Array, Layer, ParamSpec, Run, Shapes, at_least, layer
from netspec.layers.user_code import UserBlob, UserCode, UserLayer
from netspec.proto import TRAIN, LayerParameter


@layer("Python")
class Python(Layer):
    """Caffe's Python: an object of a user's class does all the work, on the host.

    Its ``reshape`` is called before every ``forward``, and may give the tops other
    shapes each time.
    """

    bottoms, tops = at_least(0), at_least(0)
    allows_in_place = True
    backward_reads_top = True
    resizes = True
    runs_code = True

    def __init__(
        self,
        proto: LayerParameter,
        phase: int = TRAIN,
        file: str = "",
        code: UserCode | None = None,
    ) -> None:
        if code is None:
            raise _not_allowed(proto)
        self._code = code
        self._user = code.layer(proto, phase)
        self._bottom: list[UserBlob] = []
        self._top = [UserBlob() for _ in proto.top]
        super().__init__(proto, phase, file)

    @property
    def user(self) -> UserLayer:
        """The object of the user's class."""
        return self._user

    def infer_shapes(self, bottom: Shapes) -> Shapes:
        """What the user's setup, called once, and reshape make of the bottoms."""
        self._bottom = [UserBlob(*shape) for shape in bottom]
        self._top = [UserBlob() for _ in self.proto.top]
        if self._code.is_new(self.name):
            self._call("setup", self._bottom, self._top)
        self._call("reshape", self._bottom, self._top)
        return self._top_shapes()

    def _top_shapes(self) -> Shapes:
        return tuple(blob.shape for blob in self._top)

    def params(self, bottom: Shapes) -> tuple[ParamSpec, ...]:
        """The blobs that the user's setup added."""
        return tuple(ParamSpec(blob.shape) for blob in self._user.blobs)

    def start(self, ops: Any, params: Sequence[Array]) -> None:
        """Let the parameters begin with the values that setup gave them."""
        for param, blob in zip(params, self._user.blobs):
            ops.upload(blob.data, param)

    def couples_batch(self, bottom: Shapes) -> bool:
        """Nobody knows."""
        return True

    def adds_once(self, bottom: Shapes) -> bool:
        """Nobody knows either."""
        return False

    def forward(self, ops: Any, run: Run) -> None:
        """Call reshape and forward."""
        _show(ops, self._bottom, run.bottom)
        _show(ops, self._top, run.top)
        _show(ops, self._user.blobs, run.param)
        self._call("reshape", self._bottom, self._top)
        if self._resized(run):
            _show(ops, self._top, run.top)
        self._call("forward", self._bottom, self._top)
        self._resized(run)  # data layers often give shapes only here
        for blob, top in zip(self._top, run.top):
            _hand_back(ops, blob.data, top)

    def _resized(self, run: Run) -> bool:
        """Whether the user has given the tops other shapes; the net's then follow."""
        shapes = self._top_shapes()
        changed = shapes != tuple(top.shape for top in run.top)
        if changed:
            run.resize(shapes)
        return changed

    def backward(self, ops: Any, run: Run) -> None:
        """Call backward; a diff that nobody wants is there, and is dropped."""
        wanted = [diff is not None for diff in run.bottom_diff]
        _show(ops, self._bottom, run.bottom, run.bottom_diff)
        _show(ops, self._top, run.top, run.top_diff)
        _show(ops, self._user.blobs, run.param, run.param_diff)
        self._call("backward", self._top, wanted, self._bottom)
        for blobs, diffs in (
            (self._bottom, run.bottom_diff),
            (self._user.blobs, run.param_diff),
        ):
            for blob, diff in zip(blobs, diffs):
                if diff is not None:
                    _hand_back(ops, blob.diff, diff)

    def _call(self, method: str, *args: Any) -> None:
        with _told(self.proto, method):
            getattr(self._user, method)(*args)


def _show(
    ops: Any,
    blobs: Iterable[UserBlob],
    data: Sequence[Array],
    diff: Sequence[Array | None] = (),
) -> None:
    """Let blobs show a net's arrays, as arrays of the host."""
    for i, blob in enumerate(blobs):
        above = diff[i] if i < len(diff) else None
        below = None if above is None else ops.download(above)
        blob.show(ops.download(data[i]), below)


def _hand_back(ops: Any, host: Array, array: Array) -> None:
    """Copy what the user wrote to a net's array, unless that is what he wrote to."""
    if host is not array:
        ops.upload(host, array)


@contextmanager
def _told(proto: LayerParameter, method: str) -> Iterator[None]:
    """Add to an exception of the user's code where it was called from."""
    try:
        yield
    except Exception as error:
        error.add_note(f"in {method}() of the Python layer {proto.name!r}")
        raise


def _not_allowed(proto: LayerParameter) -> OpenShapeError:
    param = proto.python_param
    return OpenShapeError(
        f"would run {param.layer!r} of the Python module {param.module!r}, and nobody "
        "has allowed it.",
        "If you trust the file and the module, pass --allow-python (allow_python=True "
        "in Python).",
        field="python_param.module",
    )

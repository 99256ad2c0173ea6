"""Which operations run on the device, and which do not, and why."""

from __future__ import annotations

import inspect

from netspec.backends.numpy_ops import NumpyOps

# Operations that are the reference's own on a GPU too.
INHERITED = {
    # Nothing but calls of operations that are the device's own.
    "convolution_backward",
    "deconvolution_backward",
    # Every pass asks for its operations anew.
    "recorded",
}


def public(kind: type) -> set[str]:
    return {
        name
        for name, member in inspect.getmembers(kind, callable)
        if not name.startswith("_")
    }


def owner(kind: type, name: str) -> str:
    """The module that an operation comes from."""
    return inspect.unwrap(getattr(kind, name)).__module__


def test_every_operation_has_a_kernel(standin):
    from netspec.backends.cuda import CudaOps

    inherited = {
        name
        for name in public(NumpyOps)
        if not owner(CudaOps, name).startswith("netspec.backends.cuda")
    }
    assert inherited == INHERITED


def test_arguments_and_defaults_are_the_references(standin):
    from netspec.backends.cuda import CudaOps

    for name in public(NumpyOps) - INHERITED:
        ours = inspect.signature(getattr(CudaOps, name)).parameters.values()
        theirs = inspect.signature(getattr(NumpyOps, name)).parameters.values()
        assert [(p.name, p.default) for p in ours] == [
            (p.name, p.default) for p in theirs
        ], name

"""The stand-in refuses what CuPy refuses, and shows what a GPU would do too late."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.cudasim.standin import SyncError, World, install, real
from tests.cudasim.standin.world import ORDERS

pytestmark = [pytest.mark.cudasim, pytest.mark.usefixtures("compiler")]

AXPY = r"""
extern "C" __global__ void axpy(const float* x, float* y, float a, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) y[i] += a * x[i];
}
extern "C" __global__ void shifted(const float* x, float* y) {
  y[threadIdx.x] = x[threadIdx.x + 1];
}
"""

# A copy from pinned memory, and the kinds of it, as the CUDA runtime numbers them.
TO_DEVICE, TO_HOST = 1, 2


def kernel(name: str = "axpy") -> Any:
    import cupy

    return cupy.RawModule(code=AXPY, options=("-std=c++17",)).get_function(name)


def axpy(x: Any, y: Any, a: object = np.float32(2), n: object = None) -> None:
    size = np.int32(x.size) if n is None else n
    kernel()((1,), (64,), (x, y, a, size))


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("mode", ["fast", "check"])
def test_arithmetic_and_launches(order: str, mode: str) -> None:
    with install(order=order, mode=mode) as world:
        import cupy

        x, y = cupy.arange(6, dtype="float32"), cupy.full(6, 3, "float32")
        axpy(x, y)
        z = cupy.matmul(x.reshape(2, 3), y.reshape(3, 2))
        z += 1
        z[0] = np.float32(5)
        out = cupy.empty((2, 2), "float32")
        np.multiply(z, 2, out=out)
        np.testing.assert_array_equal(y.get(), 2 * np.arange(6) + 3)
        np.testing.assert_array_equal(out.get(), [[10, 10], [186, 234]])
        assert [launched.kernel for launched in world.launches] == ["axpy"]
        assert z.sum(axis=0).T.dtype == np.float32


def test_views_share_memory_in_every_order() -> None:
    for order in ORDERS:
        with install(order=order):
            import cupy

            x = cupy.zeros((3, 4), "float32")
            x[1:, ::2] += 2
            x.reshape(-1)[0] = 7
            x.T[3] = 1
            expected = [[7, 0, 0, 1], [2, 0, 2, 1], [2, 0, 2, 1]]
            np.testing.assert_array_equal(x.get(), expected)
            assert x[1].data.ptr == x.data.ptr + 16
            assert not x[:, 1].flags.c_contiguous


REFUSED: list[tuple[Callable[[Any, Any], object], type[Exception], str]] = [
    (lambda cp, x: np.asarray(x), TypeError, "Implicit conversion"),
    (lambda cp, x: x + np.ones(6, "f"), TypeError, "Unsupported type"),
    (lambda cp, x: np.ones(6, "f") + x, TypeError, "Unsupported type"),
    (lambda cp, x: cp.add(x, np.ones(6, "f")), TypeError, "Unsupported type"),
    (lambda cp, x: cp.add(x, x, where=x > 0), TypeError, "wrong arguments"),
    (lambda cp, x: cp.no_such_function, AttributeError, "no_such_function"),
    (lambda cp, x: x.no_such_method(), AttributeError, "no_such_method"),
    (lambda cp, x: x.set(np.zeros(6)), TypeError, "cannot be set"),
    (lambda cp, x: x.set(np.zeros(5, "f")), ValueError, "Shape mismatch"),
    (lambda cp, x: np.divmod(x, x, out=(x, x)), ValueError, "exactly one"),
    (lambda cp, x: axpy(x[::2], x), ValueError, "array with gaps"),
    (lambda cp, x: axpy(np.ones(6, "f"), x), TypeError, "Unsupported type"),
    (lambda cp, x: axpy(x, x, 2.0), TypeError, "'a' is float64"),
    (lambda cp, x: axpy(x, x, n=6), TypeError, "'n' is int64"),
    (lambda cp, x: kernel("nothing"), RuntimeError, "CUDA_ERROR_NOT_FOUND"),
    (lambda cp, x: cp.cuda.Device(1).use(), RuntimeError, "invalid device ordinal"),
]


@pytest.mark.parametrize(("act", "error", "text"), REFUSED)
def test_what_is_refused(
    standin: World, act: Callable[[Any, Any], object], error: type, text: str
) -> None:
    import cupy

    with pytest.raises(error, match=text):
        act(cupy, cupy.arange(6, dtype="float32"))


@pytest.mark.skipif(real.CUPY is None, reason="CuPy is not installed")
def test_settings_that_only_numpy_has(standin: World) -> None:
    import cupy

    x = cupy.arange(6, dtype="float32")
    with pytest.raises(TypeError, match="initial"):
        x.sum(initial=3)


def test_fault_of_a_kernel_is_an_error_in_mode_check(checked: World) -> None:
    import cupy

    x = cupy.zeros(64, "float32")
    with pytest.raises(RuntimeError, match="'x' at byte 256"):
        kernel("shifted")((1,), (64,), (x, cupy.empty(64, "float32")))


def test_shared_memory_needs_leave(standin: World) -> None:
    import cupy

    x, function = cupy.zeros(64, "float32"), kernel("shifted")
    with pytest.raises(RuntimeError, match="invalid argument"):
        function((1,), (1,), (x, x), shared_mem=50_000)
    function.max_dynamic_shared_size_bytes = 50_000
    function((1,), (1,), (x, x), shared_mem=50_000)
    with pytest.raises(RuntimeError, match="invalid argument"):
        function.max_dynamic_shared_size_bytes = 1 << 20


def test_waits_of_the_host_are_known(standin: World) -> None:
    import cupy

    x = cupy.zeros(3, "float32")
    waits: list[Callable[[], object]] = [
        x.get,
        x[0].item,
        lambda: bool(x[0]),
        lambda: float(x[0]),
        lambda: x[x > 0],
        lambda: cupy.nonzero(x),
        cupy.cuda.get_current_stream().synchronize,
        cupy.cuda.Device(0).synchronize,
        cupy.cuda.get_current_stream().record().synchronize,
    ]
    for number, wait in enumerate(waits):
        wait()
        assert len(standin.syncs) == number + 1
        assert standin.syncs[-1].file == __file__
        with standin.forbid_syncs(), pytest.raises(SyncError):
            wait()
        standin.syncs.pop()
    with standin.forbid_syncs():
        x += 1
        axpy(x, x)


def pinned(size: int) -> np.ndarray:
    import cupy

    return np.frombuffer(cupy.cuda.alloc_pinned_memory(4 * size), np.float32, size)


def copy_to(device: Any, host: np.ndarray, stream: Any) -> None:
    import cupy

    address = host.ctypes.data
    copy = cupy.cuda.runtime.memcpyAsync
    copy(device.data.ptr, address, host.nbytes, TO_DEVICE, stream.ptr)


@pytest.mark.parametrize("waits", [False, True])
def test_missing_wait_between_streams_shows(waits: bool) -> None:
    with install(order="late"):
        import cupy

        x, host = cupy.zeros(4, "float32"), pinned(4)
        host[:] = [1, 2, 3, 4]
        cupy.cuda.get_current_stream().synchronize()
        copying = cupy.cuda.Stream(non_blocking=True)
        copy_to(x, host, copying)
        if waits:
            cupy.cuda.get_current_stream().wait_event(copying.record())
        doubled = (x * 2).get()
        assert np.array_equal(doubled, [2, 4, 6, 8]) is waits


@pytest.mark.parametrize("waits", [False, True])
def test_overtaking_copy_shows(waits: bool) -> None:
    """A copy into what the other stream still reads."""
    with install(order="others first"):
        import cupy

        x, host = cupy.zeros(4, "float32"), pinned(4)
        host[:] = 9
        cupy.cuda.get_current_stream().synchronize()
        copying = cupy.cuda.Stream(non_blocking=True)
        doubled = x * 2
        if waits:
            copying.wait_event(cupy.cuda.get_current_stream().record())
        copy_to(x, host, copying)
        assert np.array_equal(doubled.get(), [0, 0, 0, 0]) is waits


def test_pinned_memory_is_read_when_the_copy_runs() -> None:
    with install(order="late"):
        import cupy

        stream = cupy.cuda.get_current_stream()
        x, y = cupy.zeros(4, "float32"), cupy.zeros(4, "float32")
        host, ordinary = pinned(4), np.ones(4, np.float32)
        host[:] = 1
        copy_to(x, host, stream)
        copy_to(y, ordinary, stream)
        host[:] = 2
        ordinary[:] = 2
        np.testing.assert_array_equal(x.get(), 2)
        np.testing.assert_array_equal(y.get(), 1)


def test_freed_memory_is_given_out_again_at_once() -> None:
    with install(order="late"):
        import cupy

        x = cupy.full(100, 3, "float32")
        other = cupy.cuda.Stream(non_blocking=True)
        other.wait_event(cupy.cuda.get_current_stream().record())
        with other:
            doubled = x * 2
        address = x.data.ptr
        del x  # while the other stream has not read it yet
        fresh = cupy.empty(100, "float32")
        assert fresh.data.ptr == address
        assert np.isnan(fresh.get()).all()
        with other:
            assert np.isnan(doubled.get()).all()


def test_default_stream_and_blocking_streams_wait_for_each_other() -> None:
    with install(order="late"):
        import cupy

        x = cupy.full(4, 1, "float32")
        blocking = cupy.cuda.Stream()
        with blocking:
            y = x + 1
        z = y + 1
        assert np.array_equal(z.get(), [3, 3, 3, 3])


def test_pool(standin: World) -> None:
    import cupy

    pool = cupy.get_default_memory_pool()
    x = cupy.empty(129, "float32")
    assert np.isnan(x.get()).all()
    assert (pool.used_bytes(), pool.total_bytes()) == (1024, 1024)
    del x
    assert (pool.used_bytes(), pool.free_bytes()) == (0, 1024)
    pool.set_limit(2048)
    text = "Out of memory allocating 4,096 bytes .* limit set to: 2,048 bytes"
    with pytest.raises(MemoryError, match=text):
        cupy.empty(1024, "float32")
    pool.free_all_blocks()
    assert pool.total_bytes() == 0


def test_copies_that_leave_their_memory(standin: World) -> None:
    import cupy

    x, host = cupy.zeros(4, "float32"), pinned(400)
    with pytest.raises(RuntimeError, match="no device memory in use"):
        copy_to(x, host, cupy.cuda.get_current_stream())


def test_several_devices() -> None:
    with install(devices=2):
        import cupy

        x = cupy.zeros(4, "float32")
        with cupy.cuda.Device(1):
            y = cupy.zeros(4, "float32")
            with pytest.raises(ValueError, match="Array device must be same"):
                x + y
            stream = cupy.cuda.Stream()
        assert (x.device.id, y.device.id) == (0, 1)
        with stream, pytest.raises(RuntimeError, match="stream of device 1"):
            x + 1


def test_events_measure_time(standin: World) -> None:
    import cupy

    start, end = cupy.cuda.Event(), cupy.cuda.Event()
    start.record()
    end.record()
    end.synchronize()
    assert cupy.cuda.get_elapsed_time(start, end) >= 0
    untimed = cupy.cuda.Event(disable_timing=True)
    untimed.record()
    with pytest.raises(RuntimeError, match="disable_timing"):
        cupy.cuda.get_elapsed_time(start, untimed)


def test_everything_is_as_before_afterwards() -> None:
    before = {n for n in sys.modules if n.startswith(("cupy", "netspec.backends"))}
    with install():
        import netspec.backends.cuda.launch as inside
    after = {n for n in sys.modules if n.startswith(("cupy", "netspec.backends"))}
    assert {n for n in after - before if "cuda" in n} <= {
        "netspec.backends.cuda_support"
    }
    assert sys.modules.get("netspec.backends.cuda.launch") is not inside


# -- NCCL


def ranks(size: int, act: Callable[[Any, int, Any], Any], **settings: Any) -> list[Any]:
    """What each rank returns, every one on a thread and a GPU of its own."""
    with install(devices=size, **settings):
        import cupy
        from cupy.cuda import nccl

        name, found = nccl.get_unique_id(), {}

        def run(rank: int) -> None:
            cupy.cuda.Device(rank).use()
            try:
                found[rank] = act(nccl.NcclCommunicator(size, name, rank), rank, nccl)
            except Exception as error:  # handed to the test
                found[rank] = error

        threads = [threading.Thread(target=run, args=(r,)) for r in range(size)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        return [found[rank] for rank in range(size)]


@pytest.mark.parametrize("order", ORDERS)
def test_collectives(order: str) -> None:
    def act(own: Any, rank: int, nccl: Any) -> list[Any]:
        import cupy

        stream = cupy.cuda.get_current_stream().ptr
        x = cupy.full(2, rank + 1, "float32")
        y, z, w = (cupy.empty(n, "float32") for n in (2, 2, 6))
        kind = 2, nccl.NCCL_FLOAT32
        own.allReduce(x.data.ptr, y.data.ptr, *kind, nccl.NCCL_SUM, stream)
        own.broadcast(x.data.ptr, z.data.ptr, *kind, 1, stream)
        own.allGather(x.data.ptr, w.data.ptr, *kind, stream)
        return [a.get().tolist() for a in (y, z, w)]

    expected = [[6, 6], [2, 2], [1, 1, 2, 2, 3, 3]]
    assert ranks(3, act, order=order) == [expected] * 3


@pytest.mark.parametrize("order", ORDERS)
def test_exchange_in_a_group(order: str) -> None:
    def act(own: Any, rank: int, nccl: Any) -> Any:
        import cupy

        stream = cupy.cuda.get_current_stream().ptr
        x, y = cupy.full(3, rank, "float32"), cupy.empty(3, "float32")
        nccl.groupStart()
        own.send(x.data.ptr, 3, nccl.NCCL_FLOAT32, 1 - rank, stream)
        own.recv(y.data.ptr, 3, nccl.NCCL_FLOAT32, 1 - rank, stream)
        nccl.groupEnd()
        return y.get().tolist()

    assert ranks(2, act, order=order) == [[1, 1, 1], [0, 0, 0]]


def test_exchange_without_a_group_never_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.cudasim.standin import nccl as pretended

    monkeypatch.setattr(pretended, "_PATIENCE", 0.3)

    def act(own: Any, rank: int, nccl: Any) -> Any:
        import cupy

        stream = cupy.cuda.get_current_stream().ptr
        x = cupy.full(3, rank, "float32")
        own.send(x.data.ptr, 3, nccl.NCCL_FLOAT32, 1 - rank, stream)
        own.recv(x.data.ptr, 3, nccl.NCCL_FLOAT32, 1 - rank, stream)
        return x.get()

    errors = ranks(2, act)
    assert all("the other ranks do not call" in str(error) for error in errors)


def wait_for_another_host(own: Any, rank: int, nccl: Any) -> Any:
    """Rank 0's host waits until rank 1 has what rank 0's GPU is to send."""
    import cupy

    stream = cupy.cuda.get_current_stream().ptr
    x = cupy.full(3, rank, "float32")
    if rank == 0:
        own.send(x.data.ptr, 3, nccl.NCCL_FLOAT32, 1, stream)
        return ARRIVED.wait(20)
    own.recv(x.data.ptr, 3, nccl.NCCL_FLOAT32, 0, stream)
    found = x.get().tolist()
    ARRIVED.set()
    return found


ARRIVED = threading.Event()


def test_a_gpu_works_while_its_host_waits_for_another_host() -> None:
    ARRIVED.clear()
    assert ranks(2, wait_for_another_host, order="late") == [True, [0, 0, 0]]


def test_no_gpu_works_when_its_machine_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.cudasim.standin import streams

    go_on = streams.go_on

    def slowly(device: int, pointer: int) -> bool:
        done = go_on(device, pointer)
        time.sleep(0.5)
        return done

    monkeypatch.setattr(streams, "go_on", slowly)
    ARRIVED.clear()
    ranks(2, wait_for_another_host, order="late")
    assert not [each for each in threading.enumerate() if "_work" in each.name]


def test_what_goes_wrong_meanwhile_is_told_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from tests.cudasim.standin import nccl as pretended

    monkeypatch.setattr(pretended, "_PATIENCE", 1.0)
    given_up = threading.Event()

    def act(own: Any, rank: int, nccl: Any) -> Any:
        import cupy

        stream = cupy.cuda.get_current_stream()
        x = cupy.full(3, rank, "float32")
        if rank == 0:
            stream.launch_host_func(lambda _: 1 / 0, None)
            own.send(x.data.ptr, 3, nccl.NCCL_FLOAT32, 1, stream.ptr)
            assert given_up.wait(20)
            return x.get()
        own.recv(x.data.ptr, 3, nccl.NCCL_FLOAT32, 0, stream.ptr)
        try:
            return x.get()
        finally:
            given_up.set()

    first, second = ranks(2, act, order="late")
    assert isinstance(first, ZeroDivisionError)
    assert "the other ranks do not call" in str(second)


def test_whoever_asks_an_event_does_not_wait_for_other_ranks() -> None:
    asked = threading.Event()

    def act(own: Any, rank: int, nccl: Any) -> Any:
        import cupy

        stream = cupy.cuda.get_current_stream()
        x = cupy.full(3, rank, "float32")
        if rank == 1:
            assert asked.wait(20)
            own.send(x.data.ptr, 3, nccl.NCCL_FLOAT32, 0, stream.ptr)
            return x.get().tolist()
        own.recv(x.data.ptr, 3, nccl.NCCL_FLOAT32, 1, stream.ptr)
        event = stream.record()
        answers = [event.done for _ in range(5)]
        asked.set()
        return [*answers, x.get().tolist(), event.done]

    found, _ = ranks(2, act, order="late")
    assert found[:-2] == [False] * 5
    assert found[-2] == [1, 1, 1]


def test_different_collectives() -> None:
    def act(own: Any, rank: int, nccl: Any) -> Any:
        import cupy

        stream = cupy.cuda.get_current_stream().ptr
        x = cupy.full(3, rank, "float32")
        count = 3 - rank
        own.bcast(x.data.ptr, count, nccl.NCCL_FLOAT32, 0, stream)

    errors = ranks(2, act)
    assert all("different collectives" in str(error) for error in errors)


IN_A_PROCESS = """
import sys
from tests.cudasim.standin import install

name, rank = tuple(map(int, sys.argv[1].split(","))), int(sys.argv[2])
with install(order="late"):
    import cupy
    from cupy.cuda import nccl

    own = nccl.NcclCommunicator(2, name, rank)
    x = cupy.full(3, rank + 1, "float32")
    stream = cupy.cuda.get_current_stream().ptr
    own.allReduce(x.data.ptr, x.data.ptr, 3, 7, nccl.NCCL_SUM, stream)
    print(x.get().tolist())
"""


def test_ranks_in_processes(standin: World) -> None:
    from cupy.cuda import nccl

    name = ",".join(map(str, nccl.get_unique_id()))
    commands = [[sys.executable, "-c", IN_A_PROCESS, name, str(r)] for r in range(2)]
    root = Path(__file__).parents[2]
    pipe = subprocess.PIPE
    started = [
        subprocess.Popen(command, stdout=pipe, text=True, cwd=root)
        for command in commands
    ]
    for process in started:
        assert process.communicate(timeout=60)[0].strip() == "[3.0, 3.0, 3.0]"

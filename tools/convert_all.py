"""Carry every model that is at hand to ONNX, PyTorch and Keras, at full size, and print
how it compares: a table of the worst blob of each.

    python tools/convert_all.py [--to onnx] [--only vgg16] [--shared ../shared/data]

It takes minutes and a few GB of memory; the tests convert thinner nets instead.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from netspec.convert.converting import convert
from netspec.convert.request import Request
from netspec.errors import NetspecError

ROOT = Path(__file__).resolve().parent.parent
SUFFIX = {"onnx": "onnx", "pytorch": "py", "keras": "py"}
SHARED = {
    "lenet_mnist_v1": ("lenet", "lenet_iter_10000"),
    "lenet_caffe_tensorflow": ("lenet", "lenet_iter_10000"),
    "cifar10_quick_v1": ("cifar10_quick", "cifar10_quick_iter_5000"),
    "mtcnn_v1/det1": ("", ""),
    "mtcnn_v1/det2": ("", ""),
    "mtcnn_v1/det3": ("", ""),
    "squeezenet_trafficlights": ("deploy", "squeezenet_scratch_iter_8000"),
    "ultralight_rfb320": ("RFB-320", "RFB-320"),
    "vdsr": ("VDSR_net_deploy", "VDSR_Adam"),
    "vgg16_keras_imagenet": ("vgg16_to_relu3_3", "vgg16_to_relu3_3"),
    "yufacedetect_v1": ("yufacedetectnet-open-v1", "yufacedetectnet-open-v1"),
}


def models(shared: Path) -> Iterator[tuple[str, Path, Path | None]]:
    """Names, nets and weights of all models; None where weights are drawn."""
    for net in sorted((ROOT / "models").glob("*_deploy.prototxt")):
        yield net.stem.removesuffix("_deploy"), net, None
    for folder, (net, weights) in SHARED.items():
        base = shared / "models" / folder
        if not net:
            yield folder, base.with_suffix(".prototxt"), base.with_suffix(".caffemodel")
        else:
            yield folder, base / f"{net}.prototxt", base / f"{weights}.caffemodel"


def row(name: str, net: Path, weights: Path | None, to: str, folder: Path) -> str:
    """One line: what came of one conversion."""
    start = time.perf_counter()
    out = folder / f"net.{SUFFIX[to]}"
    request = Request(str(net), out, str(weights) if weights else None)
    try:
        outcome = convert(request, to)
    except NetspecError as error:
        return f"{name:<24} {to:<8} refused: {' '.join(str(error).split())[:120]}"
    seconds = time.perf_counter() - start
    certificate = outcome.certificate
    if certificate is None or certificate.not_run:
        return f"{name:<24} {to:<8} not verified"
    blobs = certificate.worst()
    worst = max(blobs, key=lambda blob: blob.max_rel)
    return (
        f"{name:<24} {to:<8} {certificate.verdict:<5} {len(blobs):>4} blobs, worst "
        f"{worst.max_rel:.1e} ({worst.name}), {seconds:.1f} s"
    )


def main() -> None:
    """Convert, and print a line each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--to", choices=SUFFIX, action="append")
    parser.add_argument("--only", default="", help="part of a model's name")
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared" / "data")
    args = parser.parse_args()
    for name, net, weights in models(args.shared):
        if args.only not in name or not net.exists():
            continue
        for to in args.to or SUFFIX:
            with tempfile.TemporaryDirectory() as folder:
                print(row(name, net, weights, to, Path(folder)), flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory {peak:.0f} MB")


if __name__ == "__main__":
    main()

"""Which random weights train a very deep net? Measure it.

The paper draws weights from a normal distribution of variance 1e-2. This tool starts
one net with each of several fillers and prints, for each, how large the activations
and the first update are in every layer, and how the loss goes from there. What it
found is in models/vgg11.md.

    netspec data create LIST FOLDER train_lmdb --resize 64   # any colour images
    python tools/init_study.py train_lmdb --classes 10 --side 64 --batch 32
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import netspec
from netspec.errors import DivergedError
from netspec.proto import FillerParameter, NetParameter, SolverParameter
from netspec.spec import read_net, read_solver, to_text

MODELS = Path(__file__).resolve().parent.parent / "models"
FILLERS = {
    "std-0.1": FillerParameter(type="gaussian", std=0.1),  # variance 1e-2
    "std-0.01": FillerParameter(type="gaussian", std=0.01),  # variance 1e-4
    "glorot": FillerParameter(type="xavier", variance_norm=FillerParameter.AVERAGE),
    "xavier": FillerParameter(type="xavier"),  # Caffe's default: inputs only
    "msra": FillerParameter(type="msra"),
}
AUGMENTATION = ("short_side", "color_shift_std")  # small pictures stay as they are
Sizes = dict[str, float]


def net_with(args: argparse.Namespace, filler: FillerParameter) -> NetParameter:
    """The training net of a model, on other images and with other first weights."""
    net = read_net(MODELS / f"{args.model}_train_val.prototxt").message
    for layer in net.layer:
        for product in (layer.convolution_param, layer.inner_product_param):
            if product.HasField("weight_filler"):
                product.weight_filler.CopyFrom(filler)
        if layer.type == "Data":
            layer.data_param.source = str(args.images.resolve())
            layer.data_param.batch_size = args.batch
            layer.transform_param.crop_size = args.side
            for field in AUGMENTATION:
                layer.transform_param.ClearField(field)
        if layer.name == "fc8":
            layer.inner_product_param.num_output = args.classes
    return net


def solver_with(args: argparse.Namespace, net: Path) -> SolverParameter:
    """The model's solver at a fixed rate, without tests or snapshots."""
    model = read_solver(MODELS / f"{args.model}_solver.prototxt").message
    return SolverParameter(
        net=str(net),
        base_lr=args.rate or model.base_lr,
        momentum=model.momentum,
        weight_decay=model.weight_decay,
        lr_policy="fixed",
        max_iter=args.iterations,
        random_seed=args.seed,
        shards=1,  # so that the net holds the activations of the whole batch
        snapshot_after_train=False,
    )


def open_solver(args: argparse.Namespace, filler: FillerParameter) -> netspec.Solver:
    """A solver of the model with other first weights, at iteration 0."""
    with tempfile.TemporaryDirectory() as folder:
        net, solver = Path(folder, "net.prototxt"), Path(folder, "solver.prototxt")
        net.write_text(to_text(net_with(args, filler)))
        solver.write_text(to_text(solver_with(args, net)))
        return netspec.Solver(str(solver))


def rms(array: np.ndarray) -> float:
    """Root of the mean square, summed in float64."""
    return float(np.sqrt(np.mean(np.square(array, dtype=np.float64))))


def weights(solver: netspec.Solver) -> dict[str, np.ndarray]:
    """A copy of every layer's weights, by layer name."""
    return {name: blobs[0].data.copy() for name, blobs in solver.net.params.items()}


def first_step(solver: netspec.Solver) -> tuple[float, Sizes, Sizes]:
    """Run one iteration.

    Returns:
        The loss; by layer, the size of its activations after the ReLU; by layer, the
        size of its update relative to its weights.
    """
    before = weights(solver)
    (loss,) = solver.step(1)
    after = weights(solver)
    activations = {name: rms(solver.net.blobs[name].data) for name in before}
    updates = {name: rms(after[name] - old) / rms(old) for name, old in before.items()}
    return loss, activations, updates


def losses(solver: netspec.Solver, iterations: int, every: int) -> list[str]:
    """Mean losses of each *every* iterations from here on, or how it ended."""
    found: list[str] = []
    try:
        for _ in range(iterations // every):
            found.append(f"{np.mean(solver.step(every)):.3f}")
            print(
                f"  to iteration {solver.iteration}: mean loss {found[-1]}", flush=True
            )
    except DivergedError as error:
        print(f"  {error}", flush=True)
    return found


def study(args: argparse.Namespace, name: str) -> None:
    """Measure one filler and print what was found."""
    solver = open_solver(args, FILLERS[name])
    try:
        loss, activations, updates = first_step(solver)
    except DivergedError as error:
        print(f"{args.model}, {name}: {error}")
        return
    print(f"{args.model}, {name}: first loss {loss:.4g}")
    print("  layer     activation rms   first update / weight")
    for layer, size in activations.items():
        print(f"  {layer:8} {size:16.3g} {updates[layer]:23.3g}", flush=True)
    losses(solver, args.iterations - 1, args.every)


def main(argv: Sequence[str] | None = None) -> None:
    """Study each filler in turn."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("images", type=Path, help="LMDB of colour images")
    parser.add_argument("--model", default="vgg11", help="a VGG model")
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--side", type=int, default=224, help="pixels of the crop")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--rate", type=float, help="default: the model's base_lr")
    parser.add_argument("--iterations", type=int, default=101)
    parser.add_argument("--every", type=int, default=10, help="iterations a line")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--fillers", nargs="+", default=list(FILLERS), choices=FILLERS)
    args = parser.parse_args(argv)
    for name in args.fillers:
        study(args, name)


if __name__ == "__main__":
    main()

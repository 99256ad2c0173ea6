"""Does the paper's augmentation help? Train one net with it and without, and test both.

    python tools/augment_study.py cifar10_jpg.tar --inside cifar10_jpg_dev

The archive (or folder) holds train/CLASS/ and test/CLASS/ with images of about 32 x 32
pixels. A VGG-style net of eight layers is trained from the same first weights, on the
same images in the same order: as they are, and with scale jitter, random crops, mirrors
and colour shift; and once more with these, from another seed, for an ensemble. All are
tested by the paper's protocols. What it found is in docs/data.md. Run again, it goes on
where it was interrupted.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from netspec.cli.main import main as netspec

CHANNELS = (24, 48, 96)
PLAIN, AUGMENTED = "plain", "augmented"
SIDES = (32, 40)  # S is drawn from these; a crop has the first
TRANSFORMS = {
    PLAIN: "",
    AUGMENTED: f"short_side_min: {SIDES[0]} short_side_max: {SIDES[1]} "
    f"crop_size: {SIDES[0]} mirror: true color_shift_std: 0.1 ",
}
AGAIN = "again"
SEEDS = {PLAIN: (PLAIN, 1), AUGMENTED: (AUGMENTED, 1), AGAIN: (AUGMENTED, 2)}
COLUMNS = {  # the nets whose answers are averaged
    PLAIN: [PLAIN],
    AUGMENTED: [AUGMENTED],
    AGAIN: [AGAIN],
    "plain+augm.": [PLAIN, AUGMENTED],
    "augm.+again": [AUGMENTED, AGAIN],
}
TESTS = {  # protocol and scales
    "one crop, Q = 32": ("single", "32"),
    "one crop, Q = 36": ("single", "36"),
    "ten crops, Q = 36": ("ten-crop", "36"),
    "dense, Q = 36": ("dense", "36"),
    "dense, Q = 32, 36, 40": ("multi-scale", "32,36,40"),
}
LEARNING = "param { lr_mult: 1 decay_mult: 1 } param { lr_mult: 2 decay_mult: 0 }"


def net_text(means: str, axes: str) -> str:
    """The net with a training layer for each stage."""
    parts = ['name: "small_vgg"']
    for stage, transform in TRANSFORMS.items():
        shifts = axes if "color_shift" in transform else ""
        rule, asked = f'phase: TRAIN stage: "{stage}"', transform + shifts + means
        parts.append(_data(rule, "train", asked, "batch_size: 64 shuffle: true"))
    parts.append(_data("phase: TEST", "test", means, "batch_size: 100"))
    bottom = "data"
    for block, channels in enumerate(CHANNELS, 1):
        for index in (1, 2):
            name = f"conv{block}_{index}"
            parts += _convolution(name, bottom, channels)
            bottom = name
        parts.append(_layer(f"pool{block}", "Pooling", bottom,
                            "pooling_param { kernel_size: 2 stride: 2 }"))  # fmt: skip
        bottom = f"pool{block}"
    return "\n".join([*parts, *_classifier(bottom)]) + "\n"


def _data(rule: str, database: str, transform: str, options: str) -> str:
    return (
        f'layer {{ name: "data" type: "Data" top: "data" top: "label" '
        f"include {{ {rule} }} transform_param {{ force_color: true {transform} }} "
        f'data_param {{ source: "{database}_lmdb" backend: LMDB {options} }} }}'
    )


def _layer(name: str, kind: str, bottom: str, more: str = "", top: str = "") -> str:
    return (
        f'layer {{ name: "{name}" type: "{kind}" bottom: "{bottom}" '
        f'top: "{top or name}" {more} }}'
    )


def _convolution(name: str, bottom: str, channels: int) -> list[str]:
    geometry = f"num_output: {channels} kernel_size: 3 pad: 1"
    param = f'convolution_param {{ {geometry} weight_filler {{ type: "msra" }} }}'
    return [
        _layer(name, "Convolution", bottom, f"{LEARNING} {param}"),
        _layer(f"relu_{name}", "ReLU", name, top=name),
    ]


def _classifier(bottom: str) -> list[str]:
    def product(name: str, below: str, outputs: int) -> str:
        filler = 'weight_filler { type: "xavier" }'
        param = f"inner_product_param {{ num_output: {outputs} {filler} }}"
        return _layer(name, "InnerProduct", below, f"{LEARNING} {param}")

    ratio = "dropout_param { dropout_ratio: 0.5 }"
    loss = 'bottom: "label"'
    accuracy = 'bottom: "label" include { phase: TEST }'
    return [
        product("fc4", bottom, 256),
        _layer("relu4", "ReLU", "fc4", top="fc4"),
        _layer("drop4", "Dropout", "fc4", ratio, top="fc4"),
        product("fc5", "fc4", 10),
        _layer("loss", "SoftmaxWithLoss", "fc5", loss),
        _layer("accuracy", "Accuracy", "fc5", accuracy),
    ]


def solver_text(name: str, iterations: int, tests: int) -> str:
    """SGD; the rate falls twice, at 60 % and at 85 % of the way."""
    stage, seed = SEEDS[name]
    drops = [iterations * 6 // 10, iterations * 85 // 100]
    return (
        f'net: "net.prototxt"\ntrain_state {{ stage: "{stage}" }}\n'
        "base_lr: 0.01 momentum: 0.9 weight_decay: 0.0005\n"
        'lr_policy: "multistep" gamma: 0.1 '
        f"stepvalue: {drops[0]} stepvalue: {drops[1]}\nmax_iter: {iterations}\n"
        f"test_iter: {tests} test_interval: {max(1, iterations // 8)}\n"
        "display: 100 average_loss: 100 "
        f"random_seed: {seed}\n"
        f'snapshot_prefix: "{name}" snapshot_after_train: true\n'
    )


def run(*arguments: str) -> None:
    code = netspec(list(arguments))
    if code:
        raise SystemExit(code)


def prepare(options: argparse.Namespace) -> None:
    """Databases, net and solvers, in the working folder."""
    for part in ("train", "test"):
        inside = f"{options.inside}/{part}".strip("/")
        classes = ("--classes", "train_lmdb") if part == "test" else ()
        run("data", "folder", str(options.images), f"{part}_lmdb", "--inside", inside,
            *classes)  # fmt: skip
    told = json.loads(Path("train_lmdb/contents.json").read_text())
    means = " ".join(f"mean_value: {m:.4f}" for m in told["mean_pixel_bgr"])
    Path("net.prototxt").write_text(net_text(f" {means} scale: 0.016", _axes()))
    images = json.loads(Path("test_lmdb/contents.json").read_text())["records"]
    for name in SEEDS:
        text = solver_text(name, options.iterations, images // 100)
        Path(f"{name}_solver.prototxt").write_text(text)


def _axes() -> str:
    """The principal axes of the training images, as a field of transform_param."""
    from netspec.data.database import Database
    from netspec.data.decode import Channels
    from netspec.data.statistics import colour_sums

    database = Database(Path("train_lmdb"), Channels.COLOR)
    values = colour_sums(database, range(len(database))).axes.ravel()
    return " ".join(f"color_shift_axis: {v:.4f}" for v in values)


def test(iterations: int) -> dict[str, dict[str, float]]:
    """Top-1 error in percent, by test, of each net and of two together."""
    found: dict[str, dict[str, float]] = {}
    files = {name: f"{name}_iter_{iterations}.caffemodel" for name in SEEDS}
    for title, (protocol, scales) in TESTS.items():
        found[title] = {
            column: _error([files[name] for name in names], protocol, scales)
            for column, names in COLUMNS.items()
        }
    return found


def _error(weights: list[str], protocol: str, scales: str) -> float:
    named = [word for file in weights for word in ("--weights", file)]
    run("test", "--model", "net.prototxt", *named, "--protocol", protocol,
        "--scales", scales, "--json", "result.json")  # fmt: skip
    return float(json.loads(Path("result.json").read_text())["top1_error"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("images", type=Path, metavar="DIR|TAR")
    parser.add_argument("--inside", default="", metavar="PATH")
    parser.add_argument("--iterations", type=int, default=2000)
    options = parser.parse_args()
    options.images = options.images.resolve()
    prepare(options)
    for name in SEEDS:
        run("train", "--solver", f"{name}_solver.prototxt", "--resume", "auto",
            "--json", f"{name}.jsonl")  # fmt: skip
    found = test(options.iterations)
    print(f"{'top-1 error, %':24}" + "".join(f"{column:>13}" for column in COLUMNS))
    for title, errors in found.items():
        print(f"{title:24}" + "".join(f"{errors[c]:13.2f}" for c in COLUMNS))
    Path("study.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()

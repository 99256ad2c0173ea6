"""The input pipeline: netspec beside a torch-DataLoader-style pipeline on Pillow.

    python tools/bench/data.py --photos ../shared/data/images --json data.json

Both turn the same JPEGs into the same kind of batch (3 x 224 x 224 floats, rescaled by
the shorter side, cropped at random, mirrored, less the mean), in this process, on one
thread, in turn, round by round. Figures are images per second of processor time, so
that a busy machine does not favour whoever ran while it was quiet; wall time is
reported beside it. Photos are cut to 500 x 375, the commonest size in ImageNet.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import json
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from netspec.data.feed import Feed  # noqa: E402
from netspec.data.speed import measure  # noqa: E402
from netspec.data.writer import DatabaseWriter  # noqa: E402
from netspec.proto import Datum, LayerParameter  # noqa: E402

CROP, SIZE = 224, (500, 375)
MEAN = (103.939, 116.779, 123.68)  # blue, green, red
CASES = {"S = 256": (256, 256), "S in [256; 512]": (256, 512)}
_BATCHES = 8  # read ahead on threads
PIECE = 8  # images that a worker of netspec reads in one go
Work = Callable[[int], object]  # reads the images of one round


@dataclass(frozen=True)
class Rate:
    """Medians over the rounds, in images a second."""

    cpu: float
    wall: float


@dataclass(frozen=True)
class Comparison:
    """One case; *ratio* is the median of the rounds' ratios of processor time."""

    case: str
    netspec: Rate
    pillow: Rate
    ratio: float
    ratios: list[float]


def photos(folder: Path, count: int, quality: int) -> list[bytes]:
    """JPEGs of 500 x 375 cut from the photos in a folder, each several times."""
    names = sorted(p for p in folder.rglob("*") if p.suffix in (".jpg", ".png"))
    if not names:
        raise SystemExit(f"no photos in {folder}: name another with --photos")
    rng = np.random.default_rng(0)
    return [_cut(names[i % len(names)], rng, quality) for i in range(count)]


def _cut(path: Path, rng: np.random.Generator, quality: int) -> bytes:
    with Image.open(path) as opened:
        image = opened.convert("RGB")
    width = min(image.width, image.height * 4 / 3) * rng.uniform(0.75, 1)
    height = width * 3 / 4
    x, y = rng.uniform(0, image.width - width), rng.uniform(0, image.height - height)
    box = (x, y, x + width, y + height)
    out = io.BytesIO()
    image.resize(SIZE, Image.Resampling.LANCZOS, box).save(
        out, "JPEG", quality=quality, subsampling="4:2:0"
    )
    return out.getvalue()


def netspecs(files: list[bytes], sides: tuple[int, int], folder: Path) -> Work:
    """Reading a database through a feed, as training does, in pieces, into arrays."""
    path = folder / "lmdb"
    if not path.exists():
        with DatabaseWriter(path) as writer:
            for i, file in enumerate(files):
                record = Datum(data=file, label=i, encoded=True)
                writer.put(f"{i:08d}", record.SerializeToString())
    feed = Feed(layer(path, sides, len(files)), seed=1)
    out = tuple(np.empty(shape, np.float32) for shape in feed.shapes(len(files)))

    def work(number: int) -> object:
        for at in range(0, len(files), PIECE):
            part = tuple(array[at : at + PIECE] for array in out)
            feed.read(number * len(files) + at, len(part[0]), part)
        return out

    return work


def layer(path: Path, sides: tuple[int, int], batch: int) -> LayerParameter:
    """The data layer of a VGG net in training."""
    found = LayerParameter(name="data", type="Data", top=["data", "label"])
    found.data_param.source, found.data_param.batch_size = str(path), batch
    param = found.transform_param
    param.crop_size, param.mirror, param.force_color = CROP, True, True
    param.short_side_min, param.short_side_max = sides
    param.mean_value.extend(MEAN)
    return found


def pillows(files: list[bytes], sides: tuple[int, int]) -> Work:
    """What torchvision's transforms do to a PIL image, and what collates a batch.

    Resize, RandomCrop, RandomHorizontalFlip, ToTensor, Normalize: by torch where it is
    installed, else by the same operations of NumPy.
    """
    finish, stack = _torch() if importlib.util.find_spec("torch") else _numpy()
    rng = np.random.default_rng(1)

    def one(file: bytes) -> object:
        with Image.open(io.BytesIO(file)) as opened:
            image = opened.convert("RGB")
        side = int(rng.integers(sides[0], sides[1] + 1))
        shrink = side / min(image.size)
        width, height = (round(s * shrink) for s in image.size)
        image = image.resize((width, height), Image.Resampling.BILINEAR)
        x = int(rng.integers(width - CROP + 1))
        y = int(rng.integers(height - CROP + 1))
        image = image.crop((x, y, x + CROP, y + CROP))
        if rng.random() < 0.5:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        return finish(image)

    return lambda number: stack([one(file) for file in files])


def _torch() -> tuple[Callable[[Image.Image], object], Callable[[list], object]]:
    import torch

    torch.set_num_threads(1)
    mean = torch.tensor([m / 255 for m in MEAN[::-1]]).view(-1, 1, 1)

    def finish(image: Image.Image) -> object:
        pixels = torch.from_numpy(np.array(image, copy=True))
        planes = pixels.permute(2, 0, 1).contiguous().to(torch.float32).div(255)
        return planes.sub_(mean).div_(torch.full((3, 1, 1), 1 / 255))

    return finish, torch.stack


def _numpy() -> tuple[Callable[[Image.Image], object], Callable[[list], object]]:
    mean = np.float32(MEAN[::-1]).reshape(-1, 1, 1)

    def finish(image: Image.Image) -> object:
        planes = np.ascontiguousarray(np.array(image).transpose(2, 0, 1))
        return planes.astype(np.float32) - mean

    return finish, np.stack


def compare(case: str, works: dict[str, Work], images: int, rounds: int) -> Comparison:
    """Let both work in turn, the one first that was second before."""
    names = list(works)
    cpu: dict[str, list[float]] = {name: [] for name in names}
    wall: dict[str, list[float]] = {name: [] for name in names}
    for work in works.values():
        work(0)  # compiles, and brings files into memory
    for number in range(1, rounds + 1):
        for name in names if number % 2 else names[::-1]:
            start = time.perf_counter(), time.thread_time()
            works[name](number)
            wall[name].append(images / (time.perf_counter() - start[0]))
            cpu[name].append(images / (time.thread_time() - start[1]))
    rates = {name: Rate(median(cpu[name]), median(wall[name])) for name in names}
    ratios = [a / b for a, b in zip(cpu["netspec"], cpu["pillow"], strict=True)]
    return Comparison(case, rates["netspec"], rates["pillow"], median(ratios), ratios)


def on_workers(folder: Path, images: int, workers: int) -> float:
    """Images a second by the clock, read ahead on so many threads."""
    feed = Feed(layer(folder / "lmdb", CASES["S = 256"], images), seed=1)
    return measure(feed, _BATCHES, workers).rate


def conditions(files: list[bytes], rounds: int) -> dict[str, object]:
    """What the figures were measured on."""
    torch = importlib.util.find_spec("torch") is not None
    return {
        "images": len(files),
        "bytes_an_image": round(sum(map(len, files)) / len(files)),
        "size": SIZE,
        "rounds": rounds,
        "tensors_by": "torch" if torch else "numpy",
        "machine": platform.processor() or platform.machine(),
        "python": platform.python_version(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--photos", type=Path, default=ROOT.parent / "shared" / "data" / "images")
    add("--images", type=int, default=64, metavar="N", help="a round")
    add("--quality", type=int, default=96, help="of the JPEGs")
    add("--rounds", type=int, default=9)
    add("--workers", type=int, nargs="*", default=[], help="time whole batches too")
    add("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    files = photos(options.photos, options.images, options.quality)
    result = conditions(files, options.rounds)
    print(", ".join(f"{k} {v}" for k, v in result.items()))
    with tempfile.TemporaryDirectory() as name:
        found = []
        for case, sides in CASES.items():
            works = {
                "netspec": netspecs(files, sides, Path(name)),
                "pillow": pillows(files, sides),
            }
            found.append(compare(case, works, len(files), options.rounds))
            print(as_line(found[-1]))
        threads = {n: on_workers(Path(name), len(files), n) for n in options.workers}
    for workers, rate in threads.items():
        print(f"{workers} workers: {rate:.0f} images/s by the clock")
    if options.json:
        result |= {"cases": [asdict(c) for c in found], "workers": threads}
        options.json.write_text(json.dumps(result, indent=2) + "\n")


def as_line(c: Comparison) -> str:
    return (
        f"{c.case}: netspec {c.netspec.cpu:.0f} images/s a core, Pillow "
        f"{c.pillow.cpu:.0f}: {c.ratio:.2f} times (rounds {min(c.ratios):.2f} to "
        f"{max(c.ratios):.2f}); by the clock {c.netspec.wall:.0f} and "
        f"{c.pillow.wall:.0f}"
    )


if __name__ == "__main__":
    main()

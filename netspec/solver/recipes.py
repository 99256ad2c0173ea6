"""The recipes that come with netspec: the VGG paper's, net by net, and a small one.

Section 3.1 of the paper: network A trains from random weights; the deeper ones start
from its first convolutions and fully connected layers. S = 384 goes on from S = 256 at
a tenth of the rate, and S drawn from [256; 512] from S = 384. Section 4: tests are
dense, on one scale and on three.
"""

from __future__ import annotations

from dataclasses import dataclass

from netspec.errors import UsageError
from netspec.registry import Registry
from netspec.solver.recipe import Step

FROM_A = ("vgg13", "vgg16_1x1", "vgg16", "vgg19")  # networks B to E
SCALED = ("vgg16_1x1", "vgg16", "vgg19")  # and those trained at several scales
_WITHOUT_A = ("vgg11", "vgg11_lrn")


@dataclass(frozen=True)
class Source:
    """Where a recipe's raw data is, and how it runs.

    Attributes:
        train, val, devkit: of ILSVRC 2012, as ``netspec data imagenet`` takes them.
        device: as ``netspec train`` takes it.
    """

    train: str = "ILSVRC2012_img_train.tar"
    val: str = "ILSVRC2012_img_val.tar"
    devkit: str = "ILSVRC2012_devkit_t12.tar.gz"
    device: str = "cpu"


def steps_of(name: str, source: Source) -> list[Step]:
    """The steps of a recipe.

    Raises:
        UsageError: there is none of that name.
    """
    return RECIPES[name](name, source)


RECIPES: Registry = Registry("recipe", UsageError)


def _vgg(name: str, source: Source) -> list[Step]:
    steps = [_imagenet(source)]
    if name in FROM_A:
        steps.append(_training("vgg11", source, "network A from random weights"))
        options = ("--weights", _best("vgg11"), "--transplant", "paper")
        steps.append(
            _training(name, source, "S = 256, from network A's layers", options)
        )
    else:
        steps.append(_training(name, source, "S = 256, from random weights"))
    steps += _tests(name, name, "256", "224,256,288", source)
    if name in SCALED:
        scaled = f"{name}_s384"
        steps.append(_training(scaled, source, "S = 384, from S = 256"))
        steps += _tests(name, scaled, "384", "352,384,416", source)
        jittered = f"{name}_jitter"
        steps.append(_training(jittered, source, "S in [256; 512], from S = 384"))
        steps += _tests(name, jittered, "384", "256,384,512", source)
    return steps


for _name in (*_WITHOUT_A, *FROM_A):
    RECIPES(_name)(_vgg)


@RECIPES("digits")
def _digits(name: str, source: Source) -> list[Step]:
    solver = "models/digits_solver.prototxt"
    weights = "snapshots/digits_iter_600.caffemodel"
    train = (
        "train", "--solver", solver, "--device", source.device, "--resume", "auto",
        "--json", _log(name),
    )  # fmt: skip
    test = ("test", "--model", "models/digits_train_val.prototxt", "--weights", weights)
    result = "snapshots/digits_test.json"
    return [
        Step(
            "train", "a small net; its data is included", train, (weights,), _log(name)
        ),
        Step("test", "the whole test set once", (*test, "--json", result), (result,)),
    ]


def _imagenet(source: Source) -> Step:
    arguments = (
        "data", "imagenet", "--train", source.train, "--val", source.val,
        "--devkit", source.devkit, "--output", "data",
    )  # fmt: skip
    databases = ("data/ilsvrc12_train_lmdb", "data/ilsvrc12_val_lmdb")
    return Step(
        "data", "databases of ImageNet's files as they are", arguments, databases
    )


def _training(
    name: str, source: Source, about: str, more: tuple[str, ...] = ()
) -> Step:
    arguments = (
        "train", "--solver", f"models/{name}_solver.prototxt", *more,
        "--device", source.device, "--resume", "auto",
        "--json", _log(name),
    )  # fmt: skip
    return Step(f"train {name}", about, arguments, (_best(name),), _log(name))


def _tests(net: str, trained: str, one: str, three: str, source: Source) -> list[Step]:
    """Dense on one scale and, but for network A, on three, as the paper's tables."""
    scales = [one, three] if net in FROM_A else [one]
    return [_test(net, trained, q, source) for q in scales]


def _test(net: str, trained: str, scales: str, source: Source) -> Step:
    many = "," in scales
    result = f"snapshots/{trained}_{'multi' if many else 'dense'}.json"
    arguments = (
        "test", "--model", f"models/{net}_train_val.prototxt",
        "--weights", _best(trained), "--device", source.device,
        "--protocol", "dense", "--scales", scales, "--json", result,
    )  # fmt: skip
    name = f"test {trained} {'multi-scale' if many else 'one scale'}"
    return Step(name, f"dense, mirrored, Q = {scales}", arguments, (result,))


def _log(name: str) -> str:
    return f"snapshots/{name}.jsonl"


def _best(name: str) -> str:
    return f"snapshots/{name}_best.caffemodel"

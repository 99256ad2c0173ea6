"""What the arguments of Caffe's tools are for the netspec command."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Sequence

from netspec.cli.main import main
from netspec.errors import UsageError
from netspec.registry import suggest

Mapping = Callable[[list[str]], list[str]]

_CONVERT_SWITCHES = ("gray", "shuffle", "check_size", "encoded")
_CONVERT_VALUES = ("backend", "resize_width", "resize_height", "encode_type")
_CHARTS = (
    *(("test:accuracy", x) for x in ("iterations", "seconds")),
    *(("test:loss", x) for x in ("iterations", "seconds")),
    *(("train:lr", x) for x in ("iterations", "seconds")),
    *(("train:SmoothedLoss", x) for x in ("iterations", "seconds")),
)


def go(mapping: Mapping) -> int:
    """Run the netspec command that a tool's arguments stand for; its exit code."""
    try:
        arguments = mapping(sys.argv[1:])
    except UsageError as error:
        print(f"{mapping.__name__}: {error}", file=sys.stderr)
        return error.exit_code
    return main(arguments)


def flags(
    argv: Sequence[str], switches: Collection[str] = (), values: Collection[str] = ()
) -> tuple[list[str], dict[str, str]]:
    """Positional arguments, and flags by name: ``-a``, ``--a``, ``--noa``, ``--a=x``.

    Raises:
        UsageError: an unknown flag, or one without its value.
    """
    rest, found = [], {}
    words = iter(argv)
    for word in words:
        name, given, value = word.lstrip("-").partition("=")
        if not word.startswith("-") or len(word) == 1:
            rest.append(word)
        elif name in switches:
            found[name] = value if given else "true"
        elif name.startswith("no") and name[2:] in switches:
            found[name[2:]] = "false"
        elif name in values:
            found[name] = value if given else _next(words, word)
        else:
            known = [*switches, *values]
            raise UsageError(f"unknown flag {word!r}.", suggest(name, known))
    return rest, found


def _next(words, flag: str) -> str:  # type: ignore[no-untyped-def]
    value = next(words, None)
    if value is None:
        raise UsageError(f"flag {flag!r} has no value.", "Write one behind it.")
    return value


def _on(found: dict[str, str], name: str) -> bool:
    return found.get(name, "false").lower() in ("true", "t", "yes", "y", "1")


def _expect(rest: Sequence[str], least: int, most: int, usage: str) -> None:
    if not least <= len(rest) <= most:
        raise UsageError(f"takes {usage}, and {len(rest)} are given.", f"Give {usage}.")


def convert_imageset(argv: list[str]) -> list[str]:
    """[FLAGS] ROOTFOLDER/ LISTFILE DB_NAME."""
    rest, found = flags(argv, _CONVERT_SWITCHES, _CONVERT_VALUES)
    _expect(rest, 3, 3, "ROOTFOLDER LISTFILE DB_NAME")
    on = [f"--{n.replace('_', '-')}" for n in _CONVERT_SWITCHES if _on(found, n)]
    values = [
        f"--{name.replace('_', '-')}={found[name]}"
        for name in _CONVERT_VALUES
        if found.get(name) not in (None, "", "0")
    ]
    return ["data", "create", *rest, *on, *values]


def compute_image_mean(argv: list[str]) -> list[str]:
    """[FLAGS] INPUT_DB [OUTPUT_FILE]; the kind of database is seen from its files."""
    rest, _ = flags(argv, values=("backend",))
    _expect(rest, 1, 2, "INPUT_DB and perhaps OUTPUT_FILE")
    return ["data", "mean", rest[0], *(["-o", rest[1]] if len(rest) > 1 else [])]


def extract_features(argv: list[str]) -> list[str]:
    """WEIGHTS NET BLOBS DATASETS BATCHES DB_TYPE [CPU|GPU [NUMBER]]."""
    rest, _ = flags(argv)
    _expect(rest, 6, 8, "WEIGHTS NET BLOBS DATASETS BATCHES DB_TYPE and perhaps GPU 0")
    weights, net, blobs, datasets, batches, kind = rest[:6]
    if kind.lower() != "lmdb":
        raise UsageError(f"cannot write a {kind} database.", "Choose lmdb.")
    on_gpu = [word.upper() for word in rest[6:7]] == ["GPU"]
    return [
        *("extract", "--weights", weights, "--model", net, "--blob", blobs),
        *("--batches", batches, "-o", datasets),
        *(["--gpu", *(rest[7:] or ["0"])] if on_gpu else []),
    ]


def upgrade_text(argv: list[str]) -> list[str]:
    """IN OUT, as text."""
    rest, _ = flags(argv)
    _expect(rest, 2, 2, "IN OUT")
    return ["upgrade", *rest, "--text"]


def upgrade_binary(argv: list[str]) -> list[str]:
    """IN OUT, in binary."""
    rest, _ = flags(argv)
    _expect(rest, 2, 2, "IN OUT")
    return ["upgrade", *rest, "--binary"]


def draw_net(argv: list[str]) -> list[str]:
    """NET IMAGE [--rankdir LR] [--phase ALL] [--display_lrm]."""
    rest, found = flags(argv, ("display_lrm",), ("rankdir", "phase"))
    _expect(rest, 2, 2, "NET IMAGE")
    return [
        *("draw", *rest, "--rankdir", found.get("rankdir", "LR")),
        *("--phase", found.get("phase", "ALL").lower()),
        *(["--rates"] if _on(found, "display_lrm") else []),
    ]


def parse_log(argv: list[str]) -> list[str]:
    """LOG FOLDER [--delimiter C]."""
    rest, found = flags(argv, ("verbose",), ("delimiter",))
    _expect(rest, 2, 2, "LOG FOLDER")
    return ["log", "parse", *rest, f"--delimiter={found.get('delimiter', ',')}"]


def plot_training_log(argv: list[str]) -> list[str]:
    """CHART IMAGE LOG...; the charts are numbered from 0 to 7."""
    rest, _ = flags(argv)
    if len(rest) < 3 or rest[0] not in map(str, range(len(_CHARTS))):
        names = ", ".join(f"{i}: {y} by {x}" for i, (y, x) in enumerate(_CHARTS))
        raise UsageError("takes CHART IMAGE LOG...", f"Charts are {names}.")
    show, x = _CHARTS[int(rest[0])]
    return ["log", "plot", *rest[2:], "-o", rest[1], "--show", show, "--x", x]


def summarize(argv: list[str]) -> list[str]:
    """NET."""
    return ["summary", *argv]


def resize_and_crop_images(argv: list[str]) -> list[str]:
    """--input LIST --output_folder FOLDER [--output_side_length 256]."""
    names = ("input", "output_folder", "output_side_length", "num_clients", "image_lib")
    rest, found = flags(argv, values=names)
    _expect(rest, 0, 0, "flags alone")
    if "input" not in found or "output_folder" not in found:
        raise UsageError("--input and --output_folder are needed.", "Give both.")
    side = found.get("output_side_length", "256")
    return ["data", "resize", found["input"], found["output_folder"], "--side", side]


def detect(argv: list[str]) -> list[str]:
    """WINDOWS OUT with the flags of ``netspec detect``, under their old names."""
    values = ("model_def", "pretrained_model", "crop_mode", "mean_file", "input_scale",
              "raw_scale", "channel_swap", "context_pad")  # fmt: skip
    rest, found = flags(argv, ("gpu",), values)
    if found.pop("crop_mode", "list") != "list":
        raise UsageError("only listed windows are taken.", "Write --crop_mode=list.")
    if _on(found, "gpu"):
        rest.append("--gpu=0")
    found.pop("gpu", None)
    found.setdefault("context_pad", "16")
    return ["detect", *rest, *(f"--{name}={value}" for name, value in found.items())]


def device_query(argv: list[str]) -> list[str]:
    """[-gpu N], which says nothing here."""
    flags(argv, values=("gpu",))
    return ["devices"]


def caffe(argv: list[str]) -> list[str]:
    """train, test, time or device_query, with its flags."""
    if argv[:1] == ["device_query"]:
        return device_query(argv[1:])
    return argv

"""Window files, where windows are cut, and what a batch of them holds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from netspec.data.feed import Feed
from netspec.data.resize import resize
from netspec.data.window_cut import Cut, Place
from netspec.data.windows import read_windows
from netspec.errors import DataError, SpecError
from netspec.net import Net
from netspec.proto import TRAIN, BlobProto, LayerParameter
from netspec.spec import parse_net
from tests.layers.harness import infer

FILE = """# 0
a.png
3 40 60
3
7 0.9 5 6 24 25
2 0.5 0 0 59 39
4 0.1 10 8 30 20
# 1
b.png
3
30
50
2 1 0.35 3 3 9 9
0 0.25 1 2 3 4
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    from PIL import Image

    for name, (height, width) in (("a", (40, 60)), ("b", (30, 50))):
        rows, columns = np.mgrid[:height, :width]
        pixels = np.stack([rows * 4, columns * 3, 250 - rows - columns], axis=-1)
        Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / f"{name}.png")
    (tmp_path / "windows.txt").write_text(FILE)
    return tmp_path


def bgr(folder: Path, name: str) -> np.ndarray:
    from PIL import Image

    return np.asarray(Image.open(folder / f"{name}.png"))[:, :, ::-1]


@pytest.mark.smoke
def test_foreground_and_background(folder):
    found = read_windows(folder / "windows.txt", 0.5, 0.3)
    assert found.images == ["a.png", "b.png"]
    assert found.foreground.tolist() == [[0, 7, 5, 6, 24, 25], [0, 2, 0, 0, 59, 39]]
    # Between the thresholds is neither; a background window has label 0.
    assert found.background.tolist() == [[0, 0, 10, 8, 30, 20], [1, 0, 1, 2, 3, 4]]


HEAD = "# 0 a.png 3 9 9 "
BROKEN = {
    "": "window file '{path}' is empty.",
    "a.png 3": "{path}:1: image 0 must begin here, with '# 0'.",
    "# 1 a.png": "{path}:1: image 0 must begin here, with '# 0'.",
    HEAD + "1\n1 0.9 0 0 5 5\n# 0": "{path}:3: image 1 must begin here, with '# 1'.",
    HEAD + "x": "{path}:1: 'x' stands where a number must.",
    HEAD + "-1": "{path}:1: '-1' stands where a number must.",
    HEAD + "2\n1 0.9 0 0 5 5\n": "{path}:2: the file ends too early.",
    HEAD + "1\n1 0.9 0 0 5 five": "{path}:2: a window has a word that is no number, up "
    "to here.",
    HEAD
    + "1\n1 0.9 0 0 5 5.5": "{path}:2: labels and corners are whole numbers, up to "
    "here.",
    HEAD + "1\n1 0.9 0 0 5 1e300": "{path}:2: labels and corners are whole numbers, up "
    "to here.",
    HEAD
    + "1\n0 0.9 0 0 5 5": "{path}:2: a foreground window has a label below 1, up to "
    "here.",
    HEAD + "1\n1 0.2 0 0 5 5": "window file '{path}' has no foreground window "
    "(fg_threshold 0.5).",
    HEAD + "1\n1 0.9 0 0 5 5": "window file '{path}' has no background window "
    "(bg_threshold 0.5).",
    HEAD + "999999999": "{path}:1: the file ends too early.",
}


@pytest.mark.parametrize("text", BROKEN)
def test_broken_files(tmp_path, text):
    path = tmp_path / "w.txt"
    path.write_text(text)
    with pytest.raises(DataError) as caught:
        read_windows(path, 0.5, 0.5)
    assert str(caught.value).split("\n")[0] == BROKEN[text].format(path=path)


# Worked by hand from the size 20 of a sample; images are 60 wide and 40 high.
CUTS = {
    "the window alone": (Cut(20, 0, False), (5, 6, 24, 15), False,
                         Place(5, 6, 25, 16, 20, 20, 0, 0)),
    # 16 of 20 pixels are the window's: the sides grow by 20 / 16, about the middle.
    "context": (Cut(20, 2, False), (20, 10, 35, 25), False,
                Place(18, 8, 39, 29, 20, 20, 0, 0)),
    # 4 of 12 rows and columns are missing on the left and above.
    "over the left corner": (Cut(12, 2, False), (0, 0, 15, 15), False,
                             Place(0, 0, 21, 21, 10, 10, 2, 2)),
    "mirrored, what is missing is on the right": (
        Cut(12, 2, False), (0, 0, 15, 15), True, Place(0, 0, 21, 21, 10, 11, 2, 1)),
    "a square": (Cut(20, 0, True), (10, 10, 19, 29), False,
                 Place(5, 10, 26, 31, 20, 20, 0, 0)),
}  # fmt: skip


@pytest.mark.parametrize("case", ["the window alone", "context", "a square"])
def test_where_windows_are_cut(case):
    cut, corners, mirror, place = CUTS[case]
    assert cut.place(corners, (40, 60), mirror) == place


def loops(cut: Cut, corners, pixels: np.ndarray, mirror: bool) -> np.ndarray:
    """A sample by padding the image with zeros first and cutting from that.

    Without context nor square the window itself is cut, which is a pixel less.
    """
    x1, y1, x2, y2 = corners
    grow = cut.size / (cut.size - 2 * cut.context)
    hx, hy = (x2 - x1 + 1) / 2, (y2 - y1 + 1) / 2
    if cut.square:
        hx = hy = max(hx, hy)
    low_x, high_x = (
        round(x1 + (x2 - x1 + 1) / 2 - hx * grow),
        round(x1 + (x2 - x1 + 1) / 2 + hx * grow),
    )
    low_y, high_y = (
        round(y1 + (y2 - y1 + 1) / 2 - hy * grow),
        round(y1 + (y2 - y1 + 1) / 2 + hy * grow),
    )
    if not (cut.context or cut.square):
        high_x, high_y = high_x - 1, high_y - 1
    pad = 100
    wide = np.pad(pixels.astype(float), ((pad, pad), (pad, pad), (0, 0)))
    part = wide[low_y + pad : high_y + pad + 1, low_x + pad : high_x + pad + 1]
    out = resize(part.astype(np.uint8), cut.size, cut.size)
    return (out[:, ::-1] if mirror else out).transpose(2, 0, 1)


def layer(folder: Path, param: str = "", transform: str = "") -> LayerParameter:
    text = f"""layer {{ name: "d" type: "WindowData" top: "data" top: "label"
      window_data_param {{ source: "{folder / "windows.txt"}" batch_size: 8
        root_folder: "{folder}/" bg_threshold: 0.3 {param} }}
      transform_param {{ crop_size: 12 {transform} }} }}"""
    return parse_net(text).message.layer[0]


def sources(folder: Path) -> dict[int, list[tuple[str, list[int]]]]:
    """Image and corners of the windows by label."""
    found = read_windows(folder / "windows.txt", 0.5, 0.3)
    by_label: dict = {}
    for image, label, *corners in [
        *found.foreground.tolist(),
        *found.background.tolist(),
    ]:
        by_label.setdefault(label, []).append(("ab"[image], corners))
    return by_label


@pytest.mark.smoke
def test_a_batch_is_background_then_foreground(folder):
    feed = Feed(layer(folder, "fg_fraction: 0.4"), TRAIN, seed=3)
    data, labels = feed.read(0, 16)
    assert data.shape == (16, 3, 12, 12)
    for start in (0, 8):
        assert (labels[start : start + 5] == 0).all()  # 0.4 of 8 are 3
        assert set(labels[start + 5 : start + 8]) <= {2, 7}
    by_label = sources(folder)
    for sample, label in zip(data, labels):
        candidates = [
            resize(bgr(folder, name)[y1 : y2 + 1, x1 : x2 + 1], 12, 12)
            for name, (x1, y1, x2, y2) in by_label[int(label)]
        ]
        assert any((sample == c.transpose(2, 0, 1)).all() for c in candidates)


def test_samples_are_a_function_of_seed_and_number(folder):
    feed = Feed(layer(folder, transform="mirror: true"), TRAIN, seed=3)
    whole = feed.read(0, 24)
    for first, count in ((3, 7), (8, 8), (20, 4)):
        for part, all_of_it in zip(feed.read(first, count), whole):
            np.testing.assert_array_equal(part, all_of_it[first : first + count])
    other = Feed(layer(folder, transform="mirror: true"), TRAIN, seed=4).read(0, 24)
    assert (other[0] != whole[0]).any()
    far = Feed(layer(folder), TRAIN, seed=3).read(2**32 - 2, 4)[1]
    assert len(far) == 4


@pytest.mark.parametrize("mode", ["warp", "square"])
@pytest.mark.parametrize("context", [0, 2, 4])
def test_context_and_square_against_an_image_padded_first(folder, mode, context):
    """What lies beyond the image is 0; elsewhere both ways resize the same pixels, but
    rounding moves the border between the two by a pixel at most."""
    param = f'crop_mode: "{mode}" context_pad: {context} fg_fraction: 1'
    feed = Feed(layer(folder, param), TRAIN, seed=1)
    cut = Cut(12, context, mode == "square")
    data, labels = feed.read(0, 8)
    for sample, label in zip(data, labels):
        errors = [
            np.abs(sample - loops(cut, corners, bgr(folder, name), False))
            for name, corners in sources(folder)[int(label)]
        ]
        assert min(np.quantile(error, 0.75) for error in errors) < 12


def test_a_window_whose_context_is_missing_on_two_sides(tmp_path):
    from PIL import Image

    Image.fromarray(np.full((40, 60, 3), 200, np.uint8)).save(tmp_path / "a.png")
    (tmp_path / "windows.txt").write_text(
        "# 0\na.png\n3 40 60\n2\n5 1 0 0 15 15\n0 0 30 20 35 25\n"
    )
    param = "context_pad: 3 fg_fraction: 1"
    (sample, *_), _ = Feed(layer(tmp_path, param), TRAIN).read(0, 1)
    # The window is half of 12: from -8 to 24, of which 8 of 33 are outside, 3 of 12.
    assert (sample[:, :3] == 0).all()
    assert (sample[:, :, :3] == 0).all()
    assert (sample[:, 3:, 3:] == 200).all()


def test_mean_scale_and_mirror(folder):
    plain = Feed(layer(folder), TRAIN, seed=2).read(0, 32)[0]
    values = Feed(
        layer(folder, "scale: 0.5", "mean_value: 10 mean_value: 20 mean_value: 30"),
        TRAIN,
        seed=2,
    ).read(0, 32)[0]
    mean = np.array([10, 20, 30], np.float32).reshape(3, 1, 1)
    np.testing.assert_allclose(values, (plain - mean) / 2)
    flipped = Feed(layer(folder, transform="mirror: true"), TRAIN, seed=2).read(0, 32)[
        0
    ]
    turned = [(a == b[:, :, ::-1]).all() for a, b in zip(flipped, plain)]
    straight = [(a == b).all() for a, b in zip(flipped, plain)]
    assert all(t or s for t, s in zip(turned, straight))
    assert 6 < sum(turned) < 26


def test_the_middle_of_a_mean_image(folder):
    image = np.random.default_rng(5).uniform(0, 255, (1, 3, 20, 18)).astype(np.float32)
    blob = BlobProto(num=1, channels=3, height=20, width=18, data=image.ravel())
    (folder / "mean.binaryproto").write_bytes(blob.SerializeToString())
    transform = f'mean_file: "{folder / "mean.binaryproto"}"'
    plain = Feed(layer(folder), TRAIN, seed=2).read(0, 8)[0]
    found = Feed(layer(folder, transform=transform), TRAIN, seed=2).read(0, 8)[0]
    # It starts where the middle one starts across, 3, in both directions.
    np.testing.assert_allclose(found, plain - image[0, :, 3:15, 3:15], rtol=1e-6)


def test_images_are_kept_where_asked(folder):
    kept = Feed(layer(folder, "cache_images: true"), TRAIN, seed=2)
    expected = Feed(layer(folder), TRAIN, seed=2).read(0, 64)
    kept.read(0, 64)
    for name in "ab":
        (folder / f"{name}.png").unlink()
    for found, wanted in zip(kept.read(0, 64), expected):
        np.testing.assert_array_equal(found, wanted)


def test_damaged_images_and_windows_are_named(folder):
    (folder / "a.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"a\.png' is not an image of a known format"):
        Feed(layer(folder, "fg_fraction: 1"), TRAIN).read(0, 8)
    text = FILE.replace("5 6 24 25", "5 6 60 25").replace("0 0 59 39", "0 0 59 40")
    (folder / "windows.txt").write_text(text)
    (folder / "a.png").write_bytes((folder / "b.png").read_bytes())
    with pytest.raises(DataError, match="and is 50 pixels wide and 30 high"):
        Feed(layer(folder, "fg_fraction: 1"), TRAIN).read(0, 8)


def test_a_net_is_fed(folder):
    net = """name: "w"
layer { name: "d" type: "WindowData" top: "data" top: "label"
  window_data_param { source: "windows.txt" batch_size: 8 }
  transform_param { crop_size: 12 } }
layer { name: "s" type: "Silence" bottom: "data" bottom: "label" }"""
    net = Net(parse_net(net))
    assert net.blobs["data"].shape == (8, 3, 12, 12)
    assert net.blobs["label"].shape == (8,)


@pytest.mark.parametrize(
    ("param", "transform", "message"),
    [
        ("batch_size: 0", "crop_size: 9", "batch_size is 0.\n  Give a number above 0."),
        ("batch_size: 2", "", "crop_size is 0.\n  Give a number above 0."),
        (
            "batch_size: 2 context_pad: 5",
            "crop_size: 9",
            "context_pad 5 on both sides leaves nothing of crop_size 9.\n"
            "  Choose less than 4.5.",
        ),
        (
            'batch_size: 2 crop_mode: "squared"',
            "crop_size: 9",
            "unknown crop_mode 'squared'.\n  Did you mean 'square'?",
        ),
        (
            "batch_size: 2 fg_fraction: 1.5",
            "crop_size: 9",
            "fg_fraction is 1.5.\n  Choose a share from 0 to 1.",
        ),
        (
            "batch_size: 2",
            "crop_size: 9 scale: 0.5",
            "Caffe's WindowData reads no scale in transform_param, where upgrading old "
            "files puts it.\n"
            "  Put it into window_data_param of a layer in today's format.",
        ),
        (
            "batch_size: 2 crop_size: 9",
            "mirror: true",
            "crop_size in window_data_param is read in old files only.\n"
            "  Put it into transform_param.",
        ),
    ],
)
def test_what_the_layer_refuses(param, transform, message):
    text = (
        f'type: "WindowData" window_data_param {{ {param} }} '
        f"transform_param {{ {transform} }}"
    )
    with pytest.raises(SpecError) as caught:
        infer(text, (), tops=2)
    assert str(caught.value) == message

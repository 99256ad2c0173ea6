from __future__ import annotations

import numpy as np
import pytest

from netspec.data.resize import resize

# What OpenCV 5.0 makes of random bytes with cv2.resize: source, size, result, size.
OPENCV = [
    (
        "a8e5b8abeeab14cef599cc05", (3, 4),
        "a8bee0ceb7afabc4c7cda27ba1b9eed6b060218ccef2d5a6917f6555f5d49fb2be4c05",
        (5, 7),
    ),
    (
        "2535d5cec0ad06783f60ec83760457a17c472a49ed10c2fa0a67ce0d8f022647857624",
        (7, 5), "307385328d68", (3, 2),
    ),
    (
        "c423399232b39168ce358d21b527970bb48a4200a5627b0c", (4, 6),
        "787465486a71", (2, 3),
    ),
    ("90b8182681", (1, 5), "9d18629d18639d1862", (3, 3)),
    ("5536e4307f", (5, 1), "3e3e3e3e44444444", (2, 4)),
    (
        "6df710c04edc083cbdb5404808b9586fbf8a6343304464f943287f2d2133cee5d95535cc78861fd8"
        "0e7fa01dd0a174645397c6a0adc1", (6, 9),
        "c3aac26c6c105bab4f42e24926bbc96e81c183608555c1b5", (6, 4),
    ),
]  # fmt: skip


def image(text: str, size: tuple[int, int]) -> np.ndarray:
    return np.frombuffer(bytes.fromhex(text), np.uint8).reshape(size)


@pytest.mark.smoke
@pytest.mark.parametrize(("source", "size", "result", "target"), OPENCV)
def test_equals_opencv(source, size, result, target):
    one = image(source, size)
    found = resize(np.stack([one, 255 - one, one], axis=2), *target)
    np.testing.assert_array_equal(found[:, :, 0], image(result, target))
    np.testing.assert_array_equal(found[:, :, 2], found[:, :, 0])
    np.testing.assert_array_equal(
        found[:, :, 1:2], resize(255 - one[:, :, None], *target)
    )


def test_the_same_size_is_the_same_picture():
    picture = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    assert resize(picture, 2, 4) is picture


def test_a_view_resizes_like_its_copy():
    picture = np.random.default_rng(0).integers(0, 256, (9, 14, 3), np.uint8)
    view = picture[::2, ::-1, ::-1]
    np.testing.assert_array_equal(resize(view, 7, 5), resize(view.copy(), 7, 5))


def test_one_colour_stays():
    np.testing.assert_array_equal(resize(np.full((5, 7, 1), 255, np.uint8), 11, 3), 255)

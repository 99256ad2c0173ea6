from __future__ import annotations

import numpy as np
import pytest

from netspec.data.database import Database
from netspec.data.mean import mean_image, read_mean, write_mean
from netspec.errors import DataError
from netspec.proto import BlobProto
from tests.data.making import (
    datum,
    encoded,
    image_file,
    pictures,
    pictures_lmdb,
    smooth,
    write_lmdb,
)


def test_the_mean_of_a_database(tmp_path):
    images = pictures(31, (3, 4, 5))
    told = []
    found = mean_image(
        Database(pictures_lmdb(tmp_path / "db", images)),
        workers=3,
        progress=lambda done, total: told.append((done, total)),
    )
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, images.mean(0), rtol=1e-6)
    assert told == [(i, 31) for i in range(1, 32)]
    write_mean(tmp_path / "mean", found)
    np.testing.assert_array_equal(read_mean(tmp_path / "mean"), found)


def test_images_are_decoded(tmp_path):
    image = smooth(6, 7)
    wires = [encoded(image_file("PNG", image), 0), encoded(image_file("BMP", image), 0)]
    path = write_lmdb(tmp_path / "db", enumerate_keys(wires))
    wanted = np.asarray(image)[:, :, ::-1].transpose(2, 0, 1)
    np.testing.assert_array_equal(mean_image(Database(path)), wanted)


def enumerate_keys(wires):
    return ((b"%d" % i, wire) for i, wire in enumerate(wires))


def test_pictures_of_different_sizes_have_no_mean(tmp_path):
    wires = [datum(pictures(1, (1, 4, 4 + i))[0], 0) for i in range(2)]
    path = write_lmdb(tmp_path / "db", enumerate_keys(wires))
    with pytest.raises(DataError) as raised:
        mean_image(Database(path))
    assert raised.value.problem == (
        f"record '1' of database '{path}' is 1x4x5, and the first is 1x4x4."
    )


SHAPED = BlobProto(data=range(6))
SHAPED.shape.dim.extend([1, 1, 2, 3])
DOUBLE = BlobProto(num=1, channels=1, height=2, width=3, double_data=range(6))


@pytest.mark.parametrize("blob", [SHAPED, DOUBLE])
def test_every_way_of_writing_a_mean(tmp_path, blob):
    (tmp_path / "mean").write_bytes(blob.SerializeToString())
    wanted = np.arange(6, dtype=np.float32).reshape(1, 2, 3)
    np.testing.assert_array_equal(read_mean(tmp_path / "mean"), wanted)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff\xff", "is not a mean image."),
        (b"", "holds 0 values for the shape 0x0x0x0"),
        (
            BlobProto(num=2, channels=1, height=1, width=1, data=[1, 2]),
            "holds 2 values for the shape 2x1x1x1, which is not one image.",
        ),
        (BlobProto(num=1, channels=3, height=9, width=9, data=[1]), "holds 1 values"),
        (
            BlobProto(num=1, channels=-1, height=-1, width=1, data=[1]),
            "holds 1 values for the shape 1x-1x-1x1",
        ),
    ],
)
def test_bad_mean_files(tmp_path, content, message):
    data = content if isinstance(content, bytes) else content.SerializeToString()
    (tmp_path / "mean").write_bytes(data)
    with pytest.raises(DataError, match=message) as raised:
        read_mean(tmp_path / "mean")
    assert "netspec data mean" in raised.value.remedy

from __future__ import annotations

import numpy as np
import pytest

from netspec.cli.main import main
from netspec.data.database import Database
from netspec.data.decode import Channels
from netspec.data.statistics import colour_sums, evenly
from netspec.errors import DataError
from tests.data.making import datum, encoded, image_file, pictures, smooth, write_lmdb


@pytest.fixture
def database(tmp_path):
    """Pictures of several sizes, with colours that vary in unequal measure."""
    mix = np.array([[9.0, 1, 2], [0, 5, 1], [3, 0, 1]]) / 20
    images = []
    for i, shape in enumerate([(8, 11), (20, 5), (13, 13)]):
        flat = pictures(1, (3, *shape), seed=i)[0].reshape(3, -1)
        images.append((mix @ flat + 40).astype(np.uint8).reshape(3, *shape))
    path = tmp_path / "db"
    write_lmdb(path, ((b"%d" % i, datum(x, 0)) for i, x in enumerate(images)))
    return path, images


@pytest.mark.parametrize("workers", [1, 3])
def test_every_picture_counts_alike(database, workers):
    path, images = database
    sums = colour_sums(Database(path), range(3), workers)
    flat = [x.reshape(3, -1).astype(float) for x in images]
    np.testing.assert_allclose(sums.mean, np.mean([x.mean(1) for x in flat], 0))
    second = np.mean([x @ x.T / x.shape[1] for x in flat], 0)
    covariance = second - np.outer(sums.mean, sums.mean)
    axes = sums.axes
    np.testing.assert_allclose(axes.T @ axes, covariance, rtol=1e-9)
    lengths = np.linalg.norm(axes, axis=1)
    assert lengths[0] > lengths[1] > lengths[2] > 0
    assert (axes.sum(1) > 0).all()
    off = axes @ axes.T - np.diag(lengths**2)
    np.testing.assert_allclose(off, 0, atol=1e-9 * lengths[0] ** 2)


def test_the_command_prints_lines_for_transform_param(database, capsys):
    path, images = database
    assert main(["data", "mean", str(path), "--pca", "--images", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    mean = np.mean([images[i].reshape(3, -1).mean(1) for i in (0, 1)], 0)
    values = [float(line.removeprefix("mean_value: ")) for line in lines[:3]]
    np.testing.assert_allclose(values, mean, rtol=1e-5)
    assert [line.split(":")[0] for line in lines[3:]] == ["color_shift_axis"] * 9
    assert main(["data", "mean", str(path), "--pca", "-o", "m"]) == 2
    assert "a mean image takes every record" in capsys.readouterr().err


def test_grey_files_are_coloured(tmp_path):
    files = [image_file("JPEG", smooth(16, 24)), image_file("PNG", smooth(9, 9, "L"))]
    path = write_lmdb(
        tmp_path / "db", ((b"%d" % i, encoded(f, i)) for i, f in enumerate(files))
    )
    assert len(colour_sums(Database(path, Channels.COLOR), range(2)).mean) == 3
    assert len(colour_sums(Database(path, Channels.GRAY), range(2)).mean) == 1
    with pytest.raises(DataError, match=r"record '1' of .* has 1 channels, and those"):
        colour_sums(Database(path), range(2))


def test_records_evenly_spread():
    assert [*evenly(10, 4)] == [0, 2, 5, 7]
    assert [*evenly(3, 0)] == [*evenly(3, 9)] == [0, 1, 2]

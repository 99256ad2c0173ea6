"""Small image sets in the layouts in which ImageNet is handed out."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import lmdb
import numpy as np
import scipy.io

from netspec.proto import Datum
from tests.data.making import image_file, smooth

# WordNet ids by ILSVRC2012_ID from 1, in an order that is not theirs; the fifth is a
# parent of others, and no class.
WNIDS = ("n02100000", "n01440764", "n07700003", "n01500000", "n00001740")
WORDS = ("poodle", "tench, Tinca tinca", "menu", "hen", "entity")
LABEL = {"n01440764": 0, "n01500000": 1, "n02100000": 2, "n07700003": 3}
TRAINING = {"n01440764": 3, "n01500000": 2, "n02100000": 4, "n07700003": 1}
VALIDATION = (3, 1, 2, 2, 4, 1)  # ILSVRC2012_ID of each image


def jpeg(number: int) -> bytes:
    """A small JPEG that differs from others in size."""
    return image_file("JPEG", smooth(24 + number, 40 - number), quality=90)


def training_files() -> dict[str, bytes]:
    """Files by path: n01440764/n01440764_7.JPEG and so on."""
    names = [f"{w}/{w}_{7 * i}.JPEG" for w, n in TRAINING.items() for i in range(n)]
    return {name: jpeg(i) for i, name in enumerate(names)}


def validation_files() -> dict[str, bytes]:
    """Files by name: ILSVRC2012_val_00000001.JPEG and so on."""
    count = range(1, len(VALIDATION) + 1)
    return {f"ILSVRC2012_val_{i:08d}.JPEG": jpeg(10 + i) for i in count}


def add(tar: tarfile.TarFile, name: str, data: bytes, **fields: object) -> None:
    """A member of an archive."""
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for field, value in fields.items():
        setattr(info, field, value)
    tar.addfile(info, io.BytesIO(data))


def tar_of(files: dict[str, bytes], form: int = tarfile.GNU_FORMAT) -> bytes:
    """A tar archive."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as tar:
        for name, data in files.items():
            add(tar, name, data)
    return out.getvalue()


def training_tar() -> bytes:
    """An archive of archives, one a class, as ILSVRC2012_img_train.tar is."""
    inner: dict[str, dict[str, bytes]] = {}
    for path, data in training_files().items():
        wnid, name = path.split("/")
        inner.setdefault(wnid, {})[name] = data
    return tar_of({f"{w}.tar": tar_of(files) for w, files in sorted(inner.items())})


def meta_mat(compress: bool = True) -> bytes:
    """meta.mat, written by SciPy."""
    names = ("ILSVRC2012_ID", "WNID", "words", "gloss", "num_children", "children")
    synsets = np.zeros((len(WNIDS), 1), [(name, "O") for name in names])
    for i, (wnid, words) in enumerate(zip(WNIDS, WORDS)):
        parent = i == 4
        children = np.array([1.0, 2, 3, 4]) if parent else np.zeros((0, 0))
        row = (float(i + 1), wnid, words, "a gloss", float(4 * parent), children)
        synsets[i, 0] = row
    out = io.BytesIO()
    scipy.io.savemat(out, {"synsets": synsets}, do_compression=compress)
    return out.getvalue()


def devkit_files() -> dict[str, bytes]:
    """The devkit's files by path."""
    truth = "".join(f"{number}\n" for number in VALIDATION)
    root = "ILSVRC2012_devkit_t12"
    return {
        f"{root}/readme.txt": b"Read me.\n",
        f"{root}/data/meta.mat": meta_mat(),
        f"{root}/data/ILSVRC2012_validation_ground_truth.txt": truth.encode(),
    }


def caffe_files() -> dict[str, bytes]:
    """Caffe's auxiliary files."""
    order = sorted(LABEL, key=LABEL.__getitem__)
    words = dict(zip(WNIDS, WORDS))
    lines = [f"{w} {words[w]}\n" for w in order]
    val = [
        f"{name} {LABEL[WNIDS[n - 1]]}\n"
        for name, n in zip(validation_files(), VALIDATION)
    ]
    return {
        "./synset_words.txt": "".join(lines).encode(),
        "./val.txt": "".join(val).encode(),
    }


def kaggle_files() -> dict[str, bytes]:
    """Kaggle's two files; the images are in no order."""
    words = dict(zip(WNIDS, WORDS))
    lines = [f"{w} {words[w]}\n" for w in LABEL]
    rows = [
        f"{name.removesuffix('.JPEG')},{WNIDS[n - 1]} 85 1 499 272\n"
        for name, n in zip(validation_files(), VALIDATION)
    ][::-1]
    return {
        "LOC_synset_mapping.txt": "".join(lines).encode(),
        "LOC_val_solution.csv": ("ImageId,PredictionString\n" + "".join(rows)).encode(),
    }


def unpack(files: dict[str, bytes], root: Path) -> Path:
    """The files in a folder."""
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


def records(path: Path) -> list[tuple[str, bytes, int]]:
    """Key, file and label of each record, read with liblmdb as Caffe does."""
    with lmdb.open(str(path), readonly=True, lock=False) as environment:
        items = list(environment.begin().cursor())
    datums = [(key.decode(), Datum.FromString(bytes(value))) for key, value in items]
    assert all(datum.encoded for _, datum in datums)
    return [(key, datum.data, datum.label) for key, datum in datums]

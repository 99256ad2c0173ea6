"""Which label each image of a set has."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from netspec.data.classes import ImageClass
from netspec.data.naming import printable
from netspec.data.sets.build import Labelled
from netspec.data.sets.devkit import WNID, Devkit
from netspec.data.sets.listing import ImageSet, Item
from netspec.errors import DataError


def by_folder(
    images: ImageSet, classes: Sequence[ImageClass] | None = None
) -> Labelled:
    """A class a folder: the first part of each path; labels in the order of names.

    Args:
        classes: those that there are, where another set decides.

    Raises:
        DataError: an image in no folder, or in one that is no class.
    """
    if classes is None:
        names = {item.path.partition("/")[0] for item in images.items if _inside(item)}
        classes = [ImageClass(_word(name)) for name in sorted(names)]
    label = {each.name: i for i, each in enumerate(classes)}
    return _labelled(
        images,
        classes,
        lambda item: (
            label.get(_word(item.path.partition("/")[0])) if _inside(item) else None
        ),
        "Sort the images into a folder for each class"
        + (f": {', '.join(list(label)[:5])}, ..." if label else "."),
    )


def nested(images: ImageSet) -> str:
    """The first folder that holds images, where no class's own folder holds any: the
    classes may be one level lower than was thought.  "" where one does."""
    parts = [item.path.split("/") for item in images.items]
    if not parts or any(len(path) < 3 for path in parts):
        return ""
    return "/".join(parts[0][:-1])


def imagenet_training(images: ImageSet, devkit: Devkit | None) -> Labelled:
    """ImageNet's training images, in archives or folders named by WordNet id.

    Raises:
        DataError: an image whose path has no such id, or one the devkit has not.
    """
    if devkit:
        classes: Sequence[ImageClass] = devkit.classes
    else:
        ids = {wnid for item in images.items if (wnid := _wnid(item))}
        classes = [ImageClass(wnid) for wnid in sorted(ids)]
    label = {each.name: i for i, each in enumerate(classes)}
    return _labelled(
        images,
        classes,
        lambda item: label.get(_wnid(item)),
        "Its folder, or archive, is named by a WordNet id that the devkit has.",
    )


def imagenet_validation(
    images: ImageSet, devkit: Devkit | None, classes: Sequence[ImageClass] = ()
) -> Labelled:
    """ImageNet's validation images, flat as they are handed out, or sorted by class.

    Args:
        classes: of the training set, where there is no devkit.

    Raises:
        DataError: an image without a label.
    """
    classes = devkit.classes if devkit else classes
    label = {each.name: i for i, each in enumerate(classes)}

    def find(item: Item) -> int | None:
        wnid = _wnid(item)
        if wnid:
            return label.get(wnid)
        return devkit.label(item.path.rpartition("/")[2]) if devkit else None

    return _labelled(
        images, classes, find, "Name the devkit, which has the labels: --devkit."
    )


def _labelled(
    images: ImageSet,
    classes: Sequence[ImageClass],
    find: Callable[[Item], int | None],
    remedy: str,
) -> Labelled:
    labels = []
    for item in images.items:
        label = find(item)
        if label is None:
            problem = f"{images.describe(item)} belongs to no known class."
            raise DataError(problem, remedy)
        labels.append(label)
    return Labelled(images, images.items, labels, classes)


def _inside(item: Item) -> bool:
    return "/" in item.path


def _wnid(item: Item) -> str:
    """The last part of the path that is a WordNet id, or nothing."""
    parts = item.path.split("/")[:-1]
    return next((part for part in reversed(parts) if WNID.match(part)), "")


def _word(name: str) -> str:
    """A folder's name as one word of one line."""
    return "_".join(printable(name).split())

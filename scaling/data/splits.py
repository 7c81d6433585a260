"""What the splits of a data set say of each other when they are read: classes that do not fit, test images among the
training images, and layouts that are hardly what was meant."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from scaling.checks import check
from scaling.data import uris
from scaling.specs import Dataset, Study, Task

if TYPE_CHECKING:
    from scaling.data.sources import Copies, Encoded, Facts

MANY_CLASSES, MANY_A_LABEL = 1000, 50  # from so many outputs on, so many for each label that there is are a mistake
FEW_TEST = 10  # test images below which an accuracy is said to be coarse
FEW_A_CLASS = 2  # training images per class


def number_of_classes(parts: "Mapping[str, Facts]") -> int:
    """The classes of a data set: over all splits, since one of them may have no image of some class.

    A split whose names differ from the training split's is joined to it by name, and adds none.
    """
    from scaling.data.sources import class_numbers  # here: study values load no readers of files

    train = parts.get("train")
    # In both directions: names that go on where the other's end mean the same by number.
    counted = [
        part
        for part in parts.values()
        if train is None
        or class_numbers(part.classes, train.classes) is None
        or class_numbers(train.classes, part.classes) is None
    ]
    return max(part.num_classes for part in counted)


def aligned_labels(parts: "Mapping[str, Facts]") -> dict[str, np.ndarray]:
    """The labels that occur in each split, as classes of the training split: int64, ascending.

    Raises ValueError, with their names, for classes that the training split lacks.
    """
    from scaling.data.sources import aligned

    train = parts.get("train")
    if train is None:
        return {split: np.array(part.used, np.int64) for split, part in parts.items()}
    joined = {
        split: aligned(np.array(part.used), part.classes, train.classes, f"{split} classes", "training classes")
        for split, part in parts.items()
    }
    return {split: np.unique(np.asarray(labels, np.int64)) for split, labels in joined.items()}


def check_classes(
    data: Dataset, parts: "Mapping[str, Facts]", used: Mapping[str, np.ndarray], count: int, *, labelled: bool
) -> list[str]:
    """Notes about the classes of splits, to be said, with `aligned_labels` and `number_of_classes` of them.

    Raises ValueError for a test label beyond those to train on, for few labels with huge numbers, and, where the set is
    `labelled`, for a single class.
    """
    from scaling.data.sources import are_numbers

    highest = max(int(labels.max(initial=-1)) for labels in used.values())
    check(highest < count, f"data set {data.name} has label {highest}, but only {count} classes (0 to {count - 1})")
    train, test = parts.get("train"), parts.get("test")
    if train is None:
        return []
    named = train.classes is not None and not are_numbers(train.classes)
    kinds = len(used["train"])
    check(
        data.num_classes is not None or named or count < max(MANY_CLASSES, MANY_A_LABEL * kinds) or highest + 1 < count,
        f"data set {data.name} has {kinds} labels up to {highest:,}, which makes {highest + 1:,} outputs: number the "
        f"classes from 0, or give num_classes={highest + 1} if that is meant",
    )
    check(
        not labelled or kinds > 1,
        f"the {train.num_images:,} training images of data set {data.name} are all of one class"
        f"{_named(used['train'], train)}: there is nothing to tell apart; an image folder has one directory per class",
    )
    notes = []
    absent = np.setdiff1d(np.arange(count), used["train"])
    if len(absent):
        notes.append(f"no training image of {len(absent):,} of the {count:,} classes{_named(absent, train)}")
    few = train.num_images < FEW_A_CLASS * count
    if few:
        notes.append(f"only {train.num_images:,} training images for {count:,} classes")
    if test is not None:
        notes += _test_notes(data, train, test, used, named)
    return [f"data set {data.name}: {note}" for note in notes]


def _test_notes(data: Dataset, train: "Facts", test: "Facts", used: Mapping[str, np.ndarray], named: bool) -> list[str]:
    from scaling.data.sources import are_numbers, class_numbers

    by_name = class_numbers(test.classes, train.classes) is not None
    beyond = used["test"][used["test"] >= train.num_classes]
    check(
        data.num_classes is not None or len(beyond) == 0,
        f"data set {data.name} has {len(beyond)} test labels that training does not know{_named(beyond, None)}: it has "
        f"0 to {train.num_classes - 1}; number both splits alike, or give num_classes={test.highest_label + 1}",
    )
    notes = []
    unseen = np.setdiff1d(used["test"], used["train"])
    if len(unseen):
        notes.append(f"test images of classes without a training image{_named(unseen, train)}")
    if len(used["test"]) == 1:
        notes.append(f"the {test.num_images:,} test images are all of one class{_named(used['test'], train)}")
    test_named = test.classes is not None and not are_numbers(test.classes)
    if named != test_named and not by_name:
        one, other = ("training", "test") if named else ("test", "training")
        notes.append(f"the {one} images have class names, the {other} images have none: labels are joined by number")
    if test.num_images < FEW_TEST:
        notes.append(f"only {test.num_images:,} test images: one of them is {1 / test.num_images:.1%} of the accuracy")
    return notes


def _named(labels: np.ndarray, part: "Facts | None") -> str:
    """': ' and the classes by name, or by number where they have no names; some of them where there are many."""
    from scaling.data.sources import listed

    names = part.classes if part is not None and part.classes is not None else ()
    shown = listed([names[label] if label < len(names) else str(label) for label in labels.tolist()])
    return f" ({shown})"


def check_apart(what: str, train: "Encoded", test: "Encoded") -> None:
    """Raise ValueError for test images that are training images, by where they lie. `what` says whose."""
    from scaling.data.sources import shared

    both = shared(train, test)
    if len(both) == 0:
        return
    count, first = int(test.shards.sum()), test.where(int(both[0]))
    raise ValueError(
        f"{what}: {len(both):,} of {count:,} test images are training images, such as {first}: give each split its own "
        "directory, files by a glob such as train-*.parquet, ?split=train and ?split=test, or part=:90% and part=90%:"
    )


def check_copies(data: Dataset, train: "Encoded", test: "Encoded") -> list[str]:
    """Notes about test images with the bytes of a training image, to be said. Raises ValueError for too many."""
    from scaling.data.sources import copies

    found = copies(train, test)
    name = f"data set {data.name}"
    if found.compared == 0:
        if any(uris.built_in(str(uri)) for uri in (data.train, data.test)):
            return []
        return [f"{name}: contents of training and test images were not compared (python -m scaling.deduplicate does)"]
    if found.found == 0:
        return []
    said = f"{_share(found)} test images are training images, byte by byte, such as {test.where(found.test)} and "
    said += train.where(found.train)
    check(
        found.found <= data.max_copies * found.compared,
        f"{name}: {said}: leave them out (python -m scaling.deduplicate lists them), or raise max_copies "
        f"({data.max_copies})",
    )
    return [f"{name}: {said}"]


def _share(found: "Copies") -> str:
    return f"{found.found:,} of {found.compared:,} compared"


def check_held_out(study: Study) -> None:
    """Raise ValueError for a held-out share that has no image, or leaves none to train on."""
    for run in study.runs:
        if run.dev_fraction > 0:
            _check_share(f"run {run.name}", run.data, run.dev_fraction)
    for task in study.tasks:
        if task.data.dev is None and _chooses(task):
            _check_share(f"task {task.name}", task.data, task.dev_fraction)


def _chooses(task: Task) -> bool:
    """Whether some upstream has settings to choose from, on the dev split."""
    settings = len(task.base_lrs) + len(task.convolutional_base_lrs) + len(task.resnet_settings)
    return task.search is not None or settings > 1


def _check_share(what: str, data: Dataset, fraction: float) -> None:
    count = data.num_train
    if count is None:
        return
    held = round(fraction * count)
    check(
        held > 0,
        f"{what}: dev_fraction {fraction} of the {count:,} training images of {data.name} holds none out: raise it, "
        "or give the data set a dev=",
    )
    check(
        held < count,
        f"{what}: dev_fraction {fraction} holds out all {count:,} training images of {data.name}: lower it",
    )

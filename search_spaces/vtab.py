"""VTAB-1k (Zhai et al. 2019): 19 tasks of 1,000 training images, as the ViT paper fine-tunes on them (§4.1, Table 9).

    from search_spaces.vtab import vtab_tasks
    STUDY = Study("vtab", runs=(...), tasks=vtab_tasks("/data/vtab-1k"), seeds=(0, 1, 2))

One setting for all tasks: learning rate 0.01, 2,500 steps of 512 images (§4.1), cosine schedule, 384 pixels, with BiT's
preprocessing: resized to 448, cropped and mirrored. The exceptions are BiT's (Kolesnikov et al. 2020, App. F): no crop
where it would cut off what is counted or measured, no mirroring where left and right decide the label. The final runs
train on all 1,000 images; several `base_lrs` are first trained on 800 of them and compared on the official other 200.
Numbers to expect (Table 9): ViT-H/14 77.6 %, ViT-L/16 76.3 %, with ImageNet-21k 72.7 %: the mean of the 19 tasks.
`python -m analysis vtab STORAGE` prints the scores by task, group and mean.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from scaling.checks import check, read_regular
from scaling.data import ListFile, Selected
from scaling.specs import FINETUNE, Dataset, Task

Group = Literal["natural", "specialized", "structured"]
NUM_DEV, NUM_TRAIN = 200, 1000
BASE_LR, STEPS, RESIZE, RESOLUTION = 0.01, 2500, 448, 384
LARGEST_LIST = 2**24  # bytes


@dataclass(frozen=True)
class Vtab:
    """One of the 19 tasks."""

    name: str
    directory: str  # its name in the common copies of the lists
    title: str  # its name in Table 9
    group: Group
    classes: int  # number of classes
    test: int  # number of test images
    crop: bool = True  # whether training crops the images
    flip: bool = True  # whether training mirrors them


# Classes and test sizes are those of VTAB's own code and of the data sets' descriptions.
VTAB = (
    Vtab("vtab-caltech101", "caltech101", "Caltech101", "natural", 102, 6_084),
    Vtab("vtab-cifar100", "cifar", "CIFAR-100", "natural", 100, 10_000),
    Vtab("vtab-dtd", "dtd", "DTD", "natural", 47, 1_880),
    Vtab("vtab-flowers102", "oxford_flowers102", "Flowers102", "natural", 102, 6_149),
    Vtab("vtab-pets", "oxford_iiit_pet", "Pets", "natural", 37, 3_669),
    Vtab("vtab-sun397", "sun397", "Sun397", "natural", 397, 21_750),
    Vtab("vtab-svhn", "svhn", "SVHN", "natural", 10, 26_032),
    Vtab("vtab-camelyon", "patch_camelyon", "Camelyon", "specialized", 2, 32_768),
    Vtab("vtab-eurosat", "eurosat", "EuroSAT", "specialized", 10, 5_400),
    Vtab("vtab-resisc45", "resisc45", "Resisc45", "specialized", 45, 6_300),
    Vtab("vtab-retinopathy", "diabetic_retinopathy", "Retinopathy", "specialized", 5, 42_670),
    Vtab("vtab-clevr-count", "clevr_count", "Clevr-Count", "structured", 8, 15_000, crop=False),
    Vtab("vtab-clevr-distance", "clevr_dist", "Clevr-Dist", "structured", 6, 15_000, crop=False),
    Vtab("vtab-dmlab", "dmlab", "DMLab", "structured", 6, 22_735, crop=False),
    Vtab("vtab-dsprites-location", "dsprites_loc", "dSpr-Loc", "structured", 16, 73_728, crop=False, flip=False),
    Vtab("vtab-dsprites-orientation", "dsprites_ori", "dSpr-Ori", "structured", 16, 73_728, flip=False),
    Vtab("vtab-kitti-distance", "kitti", "KITTI-Dist", "structured", 4, 711, crop=False),
    Vtab("vtab-snorb-azimuth", "smallnorb_azi", "sNORB-Azim", "structured", 18, 12_150, flip=False),
    Vtab("vtab-snorb-elevation", "smallnorb_ele", "sNORB-Elev", "structured", 9, 12_150),
)


def vtab_tasks(root: str | None = None, *, base_lrs: tuple[float, ...] = (BASE_LR,)) -> tuple[Task, ...]:
    """The 19 tasks, whose data lie under `root`; None to plan with.

    ROOT/NAME holds the lists train800.txt, val200.txt, train800val200.txt and test.txt, with a path under ROOT/NAME and
    a label in each line, as in the common copies of VTAB-1k. Raises ValueError when a list is missing, or when they do
    not fit together.
    """
    return tuple(_task(row, root, base_lrs) for row in VTAB)


def vtab_task(name: str, root: str | None = None, *, base_lrs: tuple[float, ...] = (BASE_LR,)) -> Task:
    """One of the 19 by its name, such as vtab-dtd. Raises ValueError for another name, and as `vtab_tasks` does."""
    rows = {row.name: row for row in VTAB}
    check(name in rows, f"VTAB-1k has no task {name!r}: take one of {', '.join(rows)}")
    return _task(rows[name], root, base_lrs)


def _task(row: Vtab, root: str | None, base_lrs: tuple[float, ...]) -> Task:
    recipe = replace(
        FINETUNE, crop="random" if row.crop else "none", resize=RESIZE if row.crop else None, flip=row.flip
    )
    data = Dataset(row.name, num_classes=row.classes, num_train=NUM_TRAIN, num_test=row.test)
    if root is not None:
        train, test, dev = _lists(Path(root).expanduser().absolute() / row.directory)
        data = replace(data, train=train, test=test, dev=dev)
    return Task(row.name, data, base_lrs, STEPS, recipe, dev_fraction=NUM_DEV / NUM_TRAIN, resolution=RESOLUTION)


def _lists(folder: Path) -> tuple[str, str, str]:
    """URIs of the 1,000 training images, the test images, and the 200 of the 1,000 that are the dev split.

    Most copies give an image the same name in all lists. Others hold each image once per list, under other names: there
    the 200 are the last of the 1,000.
    """
    train, first, last = (_lines(folder / f"{name}.txt") for name in ("train800val200", "train800", "val200"))
    whole = ListFile(str(folder / "train800val200.txt"))
    check((folder / "test.txt").is_file(), f"VTAB-1k list {folder / 'test.txt'} not found")
    if set(last) <= set(train):
        dev = str(ListFile(str(folder / "val200.txt")))
    else:
        fits = [line.split()[-1] for line in train] == [line.split()[-1] for line in (*first, *last)]
        check(fits, f"VTAB-1k lists in {folder}: train800val200.txt is not train800.txt followed by val200.txt")
        dev = str(Selected(whole, part=f"{len(first)}:{len(train)}"))
    return str(whole), str(ListFile(str(folder / "test.txt"))), dev


def _lines(file: Path) -> list[str]:
    check(file.exists(), f"VTAB-1k list {file} not found")
    try:
        text = read_regular(file, LARGEST_LIST).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"VTAB-1k list {file} cannot be read: {error}") from None
    return [line.strip() for line in text.splitlines() if line.strip()]

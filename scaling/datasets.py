"""Data sets: the paper's, to plan with, and the built-in ones, to run; and what can be read from the data themselves.

The paper's sets carry no URI: give yours with `dataclasses.replace(CIFAR10, train="parquet:...", test="parquet:...")`,
or another form of `scaling.data.uris`. Counts are of the official splits.
"""

import hashlib
from dataclasses import replace
from pathlib import Path

from scaling.data import uris
from scaling.data.encoded import Facts
from scaling.data.splits import facts as read_facts
from scaling.identity import check
from scaling.specs import Dataset

# --- the paper's (§4.1) ------------------------------------------------------------------------------------------

JFT_300M = Dataset("jft-300m", num_classes=18_291, num_train=303_000_000)  # 303M: §4.1; classes: BiT (2020), §3
# Classes: head of the official checkpoints. big_vision holds out the first 51,200 images: `part=51200:` are the others.
IMAGENET_21K = Dataset("imagenet-21k", num_classes=21_843, num_train=14_197_087)
IMAGENET = Dataset("imagenet", num_classes=1000, num_train=1_281_167, num_test=50_000)  # Russakovsky et al. 2015
# Beyer et al. 2020: labels of ImageNet's validation images made anew, several each; 3,163 of them have none.
IMAGENET_REAL = Dataset("imagenet-real", num_classes=1000, num_test=46_837)
OBJECTNET = Dataset("objectnet", num_classes=313)  # Barbu et al. 2019, to test on; 113 classes are ImageNet's too
CIFAR10 = Dataset("cifar10", num_classes=10, num_train=50_000, num_test=10_000)  # Krizhevsky 2009
CIFAR100 = Dataset("cifar100", num_classes=100, num_train=50_000, num_test=10_000)  # Krizhevsky 2009
PETS = Dataset("pets", num_classes=37, num_train=3_680, num_test=3_669)  # Parkhi et al. 2012: trainval, test
# Nilsback and Zisserman 2008: train, test; another 1,020 images to validate with are not trained on.
FLOWERS = Dataset("flowers", num_classes=102, num_train=1_020, num_test=6_149)

PAPER = (JFT_300M, IMAGENET_21K, IMAGENET, IMAGENET_REAL, OBJECTNET, CIFAR10, CIFAR100, PETS, FLOWERS)

# --- built in ----------------------------------------------------------------------------------------------------


def ifs(classes: int = 100, images: int = 200, size: int = 32, seed: int = 0) -> Dataset:
    """Images of iterated function systems (`scaling.data.ifs`): `images` a class to train on, a tenth more to test."""
    return _drawn("ifs", uris.Ifs(classes, images, size, seed))


def layouts(classes: int = 8, images: int = 300, size: int = 16, seed: int = 0) -> Dataset:
    """Images whose classes differ in the places of 4x4 tiles alone (`scaling.data.layouts`); counts as of `ifs`."""
    return _drawn("layouts", uris.Layouts(classes, images, size, seed))


def _drawn(scheme: str, train: uris.Drawn) -> Dataset:
    name = f"{scheme}-{train.classes}x{train.images}-{train.size}px" + (f"-seed{train.seed}" if train.seed else "")
    return Dataset(name, str(train), str(replace(train, split="test")))


IFS = ifs()
LAYOUTS = layouts()
DIGITS = Dataset("digits", "digits:train", "digits:test")  # scikit-learn's load_digits: 8x8 grey, in order
FASHION = Dataset("fashion", "fashion:train", "fashion:test")  # Xiao et al. 2017: a committed subset, 28x28 grey

BUILT_IN = (IFS, LAYOUTS, DIGITS, FASHION)

# --- read from the data ------------------------------------------------------------------------------------------


def resolve(dataset: Dataset) -> Dataset:
    """The data set with everything filled in that the data can tell: classes, counts and fingerprint.

    Footers and labels are read, no image is decoded; paths of this machine become absolute. A set without a URI, and
    one with nothing to fill in, needs no data.

    Raises ValueError, in one line, when the data are missing or broken, or contradict what the data set says.
    """
    splits = {split: _absolute(uri) for split in uris.SPLITS if (uri := getattr(dataset, split)) is not None}
    if not splits:
        return dataset
    dataset = replace(dataset, train=splits.get("train"), test=splits.get("test"))
    filled = [f"num_{split}" for split in splits] + ["num_classes", "fingerprint"]
    if all(getattr(dataset, name) is not None for name in filled):
        return dataset
    try:
        facts = {split: read_facts(uris.parse(uri)) for split, uri in splits.items()}
    except ValueError as error:
        raise ValueError(f"data set {dataset.name}: {error}") from None
    counts = {"train": dataset.num_train, "test": dataset.num_test}
    for split, part in facts.items():
        given, counts[split] = counts[split], part.num_images
        check(
            given in (None, part.num_images),
            f"data set {dataset.name} says num_{split}={given}, its files hold {part.num_images}",
        )
    classes = dataset.num_classes or max(part.num_classes for part in facts.values())
    highest = max(part.highest_label for part in facts.values())
    check(highest < classes, f"data set {dataset.name} has label {highest}, but {classes} classes (0 to {classes - 1})")
    fingerprint = _fingerprint(facts)
    check(
        dataset.fingerprint in (None, fingerprint),
        f"data set {dataset.name} holds other data than its fingerprint says: {fingerprint}, not {dataset.fingerprint}",
    )
    return replace(
        dataset, num_classes=classes, num_train=counts["train"], num_test=counts["test"], fingerprint=fingerprint
    )


def _fingerprint(facts: dict[str, Facts]) -> str:
    text = ",".join(f"{split}={part.fingerprint}" for split, part in facts.items())
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _absolute(uri: str) -> str:
    """The URI with full paths of this machine, so that a worker in another directory opens the same files."""
    try:
        source = uris.parse(uri)
    except ValueError:
        return uri  # and it is refused where it is read
    base = uris.base(source)
    match base:
        case uris.Parquet() | uris.ImageFolder() | uris.WebDataset():
            base = replace(base, path=_full(base.path))
        case uris.ListFile():
            base = replace(base, path=_full(base.path), root=_full(base.root) if base.root else None)
        case uris.Torchvision():
            base = replace(base, root=_full(base.root))
        case uris.HuggingFace() if Path(base.name).expanduser().is_dir():
            base = replace(base, name=_full(base.name))
    if not isinstance(source, uris.Selected):
        return str(base) if base != source else uri
    lists = {name: _full(path) for name in ("only", "without") if (path := getattr(source, name))}
    return str(replace(source, source=base, **lists))


def _full(path: str) -> str:
    return path if "://" in path else str(Path(path).expanduser().absolute())

"""Data sets: the ViT paper's, to plan with, and the built-in ones, to run.

The paper's sets carry no URI: give yours with `dataclasses.replace(CIFAR10, train="parquet:...", test="parquet:...")`,
or another form of URI (`scaling.data.uris`). Counts are those of the official splits.
"""

from dataclasses import replace

from scaling.data.builtin_sets import Drawn, Ifs, Layouts
from scaling.specs import Dataset

# --- the paper's (§4.1) ------------------------------------------------------------------------------------------

JFT_300M = Dataset("jft-300m", num_classes=18_291, num_train=303_000_000)  # 303M: §4.1; classes: BiT (2020), §3
# Classes: the official checkpoints'. big_vision holds out the first 51,200 images: `part=51200:` gives the others.
IMAGENET_21K = Dataset("imagenet-21k", num_classes=21_843, num_train=14_197_087)
IMAGENET = Dataset("imagenet", num_classes=1000, num_train=1_281_167, num_test=50_000)  # Russakovsky et al. 2015
# Beyer et al. 2020: new labels of ImageNet's validation images, any number each; 3,163 of the 50,000 have none.
IMAGENET_REAL = Dataset("imagenet-real", num_classes=1000, num_test=46_837)
OBJECTNET = Dataset("objectnet", num_classes=313)  # Barbu et al. 2019: test images only; 113 classes are ImageNet's too
CIFAR10 = Dataset("cifar10", num_classes=10, num_train=50_000, num_test=10_000)  # Krizhevsky 2009
CIFAR100 = Dataset("cifar100", num_classes=100, num_train=50_000, num_test=10_000)  # Krizhevsky 2009
PETS = Dataset("pets", num_classes=37, num_train=3_680, num_test=3_669)  # Parkhi et al. 2012: trainval, test
# Nilsback and Zisserman 2008: train and test splits; the 1,020 validation images are not trained on.
FLOWERS = Dataset("flowers", num_classes=102, num_train=1_020, num_test=6_149)

PAPER = (JFT_300M, IMAGENET_21K, IMAGENET, IMAGENET_REAL, OBJECTNET, CIFAR10, CIFAR100, PETS, FLOWERS)

# --- built in ----------------------------------------------------------------------------------------------------


def ifs(classes: int = 100, images: int = 200, size: int = 32, seed: int = 0) -> Dataset:
    """Images of iterated function systems (`sources.ifs`): `images` per class to train on, a tenth to test on."""
    return _drawn("ifs", Ifs(classes, images, size, seed))


def layouts(classes: int = 8, images: int = 300, size: int = 16, seed: int = 0) -> Dataset:
    """Images whose classes differ in where 4x4 tiles lie (`scaling.data.sources.layouts`); arguments as for `ifs`."""
    return _drawn("layouts", Layouts(classes, images, size, seed))


def _drawn(scheme: str, train: Drawn) -> Dataset:
    name = f"{scheme}-{train.classes}x{train.images}-{train.size}px" + (f"-seed{train.seed}" if train.seed else "")
    return Dataset(name, str(train), str(replace(train, split="test")))


IFS = ifs()
LAYOUTS = layouts()
DIGITS = Dataset("digits", "digits:train", "digits:test")  # scikit-learn's load_digits: 8x8 grey, in order
FASHION = Dataset("fashion", "fashion:train", "fashion:test")  # Xiao et al. 2017: a committed subset, 28x28 grey

BUILT_IN = (IFS, LAYOUTS, DIGITS, FASHION)

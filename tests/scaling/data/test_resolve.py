"""What is refused, and what is said, when the data of a study are read."""

import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from scaling.data.catalog import DIGITS, ifs
from scaling.data.resolve import resolve, resolve_study
from scaling.specs.pretraining import Dataset, FewShot, Pretrain
from scaling.specs.recipe import MaskedPatches
from scaling.specs.study import Study, Task
from tests.helpers.images import pictures, write_folder, write_list, write_parquet, write_shards, write_tar
from tests.helpers.specs import RECIPE, TINY
from tests.scaling.data.sources.test_hubs import VisionDataset

IMAGES = pictures(60)
PETS = ["cat", "dog", "horse", "sheep"]
LABELS = np.arange(60) % 4
TRAIN, TEST = slice(0, 40), slice(40, 60)


def refused(train: str, test: str | None, message: str, **fields: Any) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        resolve(Dataset("pets", train, test, **fields))
    assert "\n" not in str(caught.value)


def parts(root: Path, classes: list[str] = PETS, test_classes: list[str] = PETS) -> tuple[str, str]:
    """Training and test split as Parquet files; the test labels are of the names in PETS, by `test_classes`."""
    numbers = np.array([test_classes.index(PETS[label]) if PETS[label] in test_classes else 0 for label in LABELS])
    return (
        write_parquet(root / "train.parquet", IMAGES[TRAIN], LABELS[TRAIN], classes),
        write_parquet(root / "test.parquet", IMAGES[TEST], numbers[TEST], test_classes),
    )


# --- classes ---------------------------------------------------------------------------------------------------------


def test_a_test_split_with_some_classes_in_another_order_adds_none(tmp_path: Path) -> None:
    train, test = parts(tmp_path, test_classes=["sheep", "horse", "dog", "cat", "yak"])
    assert resolve(Dataset("pets", train, test)).num_classes == 4
    train = write_folder(tmp_path / "train", IMAGES[TRAIN], LABELS[TRAIN], PETS)
    some = np.flatnonzero(LABELS[TEST] > 0)
    test = write_folder(tmp_path / "test", [IMAGES[TEST][i] for i in some], LABELS[TEST][some], PETS)
    assert resolve(Dataset("pets", train, test)).num_classes == 4


def test_sets_whose_orders_agree_are_what_they_were(tmp_path: Path) -> None:
    train, test = parts(tmp_path, test_classes=[*PETS, "yak", "zebra"])
    assert resolve(Dataset("pets", train, test)).num_classes == 6  # as it was counted before classes had names


def test_test_classes_that_training_does_not_know_are_named(tmp_path: Path) -> None:
    train, _ = parts(tmp_path)
    test = write_folder(tmp_path / "test", IMAGES[TEST], LABELS[TEST] % 2, ["dog", "wolf"])
    refused(train, test, "data set pets: test classes 'wolf' are not among the 4 training classes: 'cat', 'dog'")
    refused(train, None, "dev classes 'wolf' are not among", dev=test)


def test_numbers_that_start_at_one_in_one_split_are_refused(tmp_path: Path) -> None:
    train = write_list(tmp_path / "train", IMAGES[TRAIN], LABELS[TRAIN])
    test = write_shards(tmp_path / "test", IMAGES[TEST], LABELS[TEST] + 1, 2)
    refused(train, test, r"1 test labels that training does not know \('4'\): it has 0 to 3; .*num_classes=5")
    assert resolve(Dataset("pets", train, test, num_classes=5)).num_classes == 5


def test_few_labels_with_huge_numbers_are_refused(tmp_path: Path) -> None:
    for name, highest in (("a", 15_075_141), ("b", 1000)):
        labels = np.array([3, 7, highest] * 13)
        train = write_list(tmp_path / name, IMAGES[:39], labels)
        refused(train, None, f"3 labels up to {highest:,}, which makes .* outputs: number the classes from 0")
    assert resolve(Dataset("pets", train, num_classes=1001)).num_classes == 1001
    folders = write_folder(tmp_path / "c", IMAGES[:2], np.arange(2), ["4", "20240131"])
    refused(folders, None, "2 labels up to 20,240,131")


def test_one_class_is_refused_where_labels_are_trained_on(tmp_path: Path) -> None:
    for train in (
        write_folder(tmp_path / "one", IMAGES[:5], np.zeros(5, np.int64), ["cat"]),
        write_shards(tmp_path / "shards", IMAGES[:5], np.zeros(5, np.int64), 1),
        "ifs:classes=5,images=20,size=16?part=20:40",
    ):
        refused(train, None, r"training images of data set pets are all of one class \('(cat|0|1)'\)")
    data = Dataset("pets", f"imagefolder:{tmp_path}/one")
    run = Pretrain("x", TINY, data, 1e-3, 1, RECIPE, resolution=16)
    with pytest.raises(ValueError, match="all of one class"):
        resolve_study(Study("x", (run,)))
    masked = replace(run, masked=MaskedPatches())
    assert resolve_study(Study("x", (masked,))).runs[0].data.num_train == 5


# --- layouts ---------------------------------------------------------------------------------------------------------


def test_a_folder_of_splits_is_no_folder_of_classes(tmp_path: Path) -> None:
    write_folder(tmp_path / "pets" / "train", IMAGES[TRAIN], LABELS[TRAIN], PETS)
    write_folder(tmp_path / "pets" / "validation", IMAGES[TEST], LABELS[TEST], PETS)
    (tmp_path / "pets" / "annotations").mkdir()
    refused(f"imagefolder:{tmp_path}/pets", None, "'annotations', 'train', 'validation', as splits are: give one of")
    made = write_parquet(tmp_path / "x.parquet", IMAGES, LABELS % 2, ["test", "train"])
    refused(made, None, "are called 'test', 'train', as splits are")
    for label, name in enumerate(PETS):
        write_folder(tmp_path / "turned" / name, IMAGES[label * 8 :][:8], np.arange(8) % 2, ["train", "test"])
    refused(f"imagefolder:{tmp_path}/turned", None, "/turned/cat holds images of several splits, in 'test', 'train':")


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    train = write_folder(tmp_path / "x", IMAGES[TRAIN], LABELS[TRAIN], ["bus", "car", "tram", "train"])
    assert resolve(Dataset("vehicles", train)).num_classes == 4


# --- test images in training -----------------------------------------------------------------------------------------


def test_the_same_images_twice_are_refused_in_every_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uris = [
        write_parquet(tmp_path / "x.parquet", IMAGES, LABELS, PETS),
        write_folder(tmp_path / "folder", IMAGES, LABELS, PETS),
        write_shards(tmp_path / "shards", IMAGES, LABELS, 2),
        write_list(tmp_path / "list", IMAGES, LABELS),
        DIGITS.train or "",
    ]
    for uri in uris:
        refused(uri, uri, "test images are training images, such as .*: give each split its own")
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    monkeypatch.chdir(tmp_path)
    refused(uris[1], "imagefolder:link", "60 of 60 test images are training images")
    refused(f"{uris[0]}?part=:50%", f"{uris[0]}?part=40%:", "6 of 36 test images are training images, such as row 24")
    assert resolve(Dataset("x", f"{uris[0]}?part=:50%", f"{uris[0]}?part=50%:")).num_test == 30


def test_a_file_of_the_training_directory_is_no_test_split(tmp_path: Path) -> None:
    write_parquet(tmp_path / "pets" / "part-0.parquet", IMAGES[TRAIN], LABELS[TRAIN], PETS)
    write_parquet(tmp_path / "pets" / "part-1.parquet", IMAGES[TEST], LABELS[TEST], PETS)
    refused(
        f"parquet:{tmp_path}/pets",
        f"parquet:{tmp_path}/pets/part-1.parquet",
        "20 of 20 test images are training images",
    )
    train, test = (f"parquet:{tmp_path}/pets/part-{i}.parquet" for i in (0, 1))
    assert resolve(Dataset("x", train, test)).num_test == 20


def test_a_hubs_directory_with_test_shards_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    for name in ("train-00000-of-00002", "train-00001-of-00002", "test-00000-of-00001"):
        write_parquet(folder / f"{name}.parquet", IMAGES, LABELS, PETS)
    refused(
        f"parquet:{folder}", None, r"files of several splits, such as train-.* and test-.*, such as train\*.parquet"
    )
    write_tar(tmp_path / "tars" / "pets_training_0.tar", {"0.png": IMAGES[0], "0.cls": b"1"})
    write_tar(tmp_path / "tars" / "pets_test_0.tar", {"0.png": IMAGES[0], "0.cls": b"1"})
    refused(f"webdataset:{tmp_path}/tars", None, "files of several splits")


def test_test_images_inside_a_training_folder_are_refused(tmp_path: Path) -> None:
    train = write_folder(tmp_path / "pets", IMAGES[TRAIN], LABELS[TRAIN], PETS)
    test = write_folder(tmp_path / "pets" / "zebra", IMAGES[TEST], LABELS[TEST], PETS)  # a class of its own to `train`
    refused(train, test, "20 of 20 test images are training images, such as .*/zebra/")


def test_torchvisions_default_split_is_the_training_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package: Any = ModuleType("torchvision")
    package.datasets = ModuleType("torchvision.datasets")
    package.datasets.VisionDataset = VisionDataset
    monkeypatch.setitem(sys.modules, "torchvision", package)
    monkeypatch.setitem(sys.modules, "torchvision.datasets", package.datasets)
    uri = f"torchvision:VisionDataset?root={tmp_path}"
    refused(uri, f"{uri}&split=train", "5 of 5 test images are training images, such as item 0")
    assert resolve(Dataset("x", uri, f"{uri}&split=test")).num_test == 1


@pytest.mark.filterwarnings("ignore")
def test_overlapping_slices_of_a_hub_split_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("datasets")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for split, some in (("train", TRAIN), ("test", TEST)):
        write_parquet(tmp_path / "set" / f"{split}.parquet", IMAGES[some], LABELS[some], PETS)
    uri = f"hf:{tmp_path}/set"
    refused(uri, f"{uri}?split=train", "40 of 40 test images are training images, such as item 0")
    refused(uri, f"{uri}?split=train[90%:]", "4 of 4 compared test images are training images, byte by byte")
    assert resolve(Dataset("x", uri, f"{uri}?split=test")).num_test == 20


def test_copies_are_counted_and_refused_beyond_the_users_share(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train, test = parts(tmp_path)
    with_copies = write_folder(tmp_path / "copied", [*IMAGES[TEST], IMAGES[3], IMAGES[4]], LABELS[:22], PETS)
    refused(train, with_copies, r"2 of 22 compared test images are training images, byte by byte, such as .*copied/")
    capsys.readouterr()
    resolve(Dataset("pets", train, with_copies, max_copies=0.1))
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("note: data set pets: 2 of 22 compared test images are training images")
    assert resolve(Dataset("pets", train, test)) == replace(
        resolve(Dataset("pets", train, test, max_copies=0.1)), max_copies=0.01
    )
    with pytest.raises(ValueError, match=r"max_copies of data set x must be in \[0, 1\], got 2"):
        Dataset("x", max_copies=2)


def test_a_tasks_test_images_are_not_pretrained_on(tmp_path: Path) -> None:
    train, test = parts(tmp_path)
    upstream = Pretrain("x", TINY, Dataset("all", f"parquet:{tmp_path}/t*.parquet"), 1e-3, 1, RECIPE, resolution=16)
    task = Task("pets", Dataset("pets", train, test), (0.1,), 2, RECIPE, resolution=16)
    write_parquet(tmp_path / "tail.parquet", IMAGES[:1], LABELS[:1], PETS)
    (tmp_path / "train.parquet").rename(tmp_path / "learn.parquet")
    task = replace(task, data=replace(task.data, train=f"parquet:{tmp_path}/learn.parquet"))
    for study in (Study("x", (upstream,), (task,)), Study("x", (upstream,), fewshot=(FewShot(task.data),))):
        with pytest.raises(ValueError, match="test images of pets in the pre-training set all: 20 of 20"):
            resolve_study(study)


# --- shares ----------------------------------------------------------------------------------------------------------


def test_empty_shares_are_refused(tmp_path: Path) -> None:
    train = write_folder(tmp_path / "train", IMAGES[:4], LABELS[:4], PETS)
    test = write_folder(tmp_path / "test", IMAGES[4:8], LABELS[:4], PETS)
    data = Dataset("pets", train, test)
    run = Pretrain("x", TINY, ifs(4, 5, 16), 1e-3, 1, RECIPE, resolution=16)
    task = Task("pets", data, (0.1, 0.2), 2, replace(RECIPE, batch_size=2), resolution=16)
    for study, message in [
        (Study("x", (run,), (task,)), "task pets: dev_fraction 0.1 of the 4 training images of pets holds none out"),
        (Study("x", (run,), (replace(task, dev_fraction=0.9),)), "holds out all 4 training images"),
        (Study("x", (replace(run, dev_fraction=0.01),)), "run x: dev_fraction 0.01 of the 20 training images"),
    ]:
        with pytest.raises(ValueError, match=message):
            resolve_study(study)
    resolve_study(Study("x", (run,), (replace(task, base_lrs=(0.1,)),)))  # nothing to choose: no dev trial
    resolve_study(Study("x", (run,), (replace(task, data=replace(data, dev=f"{train}?part=:1")),)))


def test_what_is_odd_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train = write_folder(tmp_path / "train", IMAGES[:6], np.arange(6) % 2, PETS)
    (tmp_path / "train" / "classes.txt").write_text("\n".join(PETS))
    test = write_list(tmp_path / "test", IMAGES[6:9], np.full(3, 2))
    resolve(Dataset("odd", train, test))
    lines = capsys.readouterr().err.splitlines()
    assert [line.removeprefix("note: data set odd: ") for line in lines] == [
        "no training image of 2 of the 4 classes ('horse', 'sheep')",
        "only 6 training images for 4 classes",
        "test images of classes without a training image ('horse')",
        "the 3 test images are all of one class ('horse')",
        "the training images have class names, the test images have none: labels are joined by number",
        "only 3 test images: one of them is 33.3% of the accuracy",
    ]
    resolve(Dataset("x", *parts(tmp_path / "fine")))
    resolve(ifs(classes=4, images=200, size=16))
    assert capsys.readouterr().err == ""

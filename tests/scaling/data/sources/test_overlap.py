"""Test images among the training images are found by where they lie, and by their bytes."""

import os
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from scaling.data.sources import overlap
from scaling.data.sources.overlap import Copies, copies, shared
from scaling.data.sources.read import survey
from scaling.data.sources.split import Encoded
from scaling.data.uris import parse_uri
from tests.helpers.images import pictures, write_folder, write_list, write_parquet, write_shards

IMAGES = pictures(20)
LABELS = np.arange(20) % 3
CLASSES = ["a", "b", "c"]


def images(uri: str) -> Encoded:
    return survey(parse_uri(uri))[1]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same images in four forms, and links to them."""
    root = tmp_path_factory.mktemp("overlap")
    write_parquet(root / "parquet" / "x.parquet", IMAGES, LABELS, CLASSES)
    write_folder(root / "folder", IMAGES, LABELS, CLASSES)
    write_shards(root / "shards", IMAGES, LABELS, 4)
    write_list(root / "list", IMAGES, LABELS)
    for name in ("parquet", "folder", "shards"):
        (root / f"linked-{name}").symlink_to(root / name)
    (root / "part").mkdir()
    (root / "part" / "b").symlink_to(root / "folder" / "b")
    (root / "again").mkdir()
    os.link(root / "parquet" / "x.parquet", root / "again" / "y.parquet")
    return root


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.mark.parametrize(
    ("train", "test", "expected"),
    [
        ("parquet:{}/parquet", "parquet:{}/parquet/x.parquet", 20),
        ("parquet:{}/parquet", "parquet:{}/folder/../parquet/*.parquet", 20),
        ("parquet:{}/parquet", "parquet:{}/linked-parquet", 20),
        ("parquet:{}/parquet", "parquet:{}/again", 20),
        ("parquet:{}/parquet?part=:12", "parquet:{}/parquet?part=50%:", 2),
        ("parquet:{}/parquet?part=:10", "parquet:{}/parquet?part=10:", 0),
        ("imagefolder:{}/folder", "imagefolder:{}/folder", 20),
        ("imagefolder:{}/folder", "imagefolder:{}/linked-folder?part=15:", 5),
        ("imagefolder:{}/folder", "imagefolder:{}/part", 7),
        ("webdataset:{}/shards", "webdataset:{}/linked-shards/train-{{02..03}}.tar", 10),
        ("webdataset:{}/shards/train-00.tar", "webdataset:{}/shards/train-01.tar", 0),
        ("list:{}/list/train.txt", "list:{}/list/train.txt?root={}/list/../list", 20),
        ("imagefolder:{}/folder", "parquet:{}/parquet", 0),
        ("ifs:classes=3,images=20,size=16", "ifs:classes=5,images=30,size=16,split=test", 0),
        ("ifs:classes=3,images=20,size=16", "ifs:classes=5,images=30,size=16", 60),
        ("ifs:classes=3,images=20,size=16,seed=1", "ifs:classes=3,images=20,size=16", 0),
        ("digits:train?part=:60%", "digits:train?part=50%:", 100),
        ("digits:train", "digits:test", 0),
    ],
)
def test_images_in_the_same_place(root: Path, train: str, test: str, expected: int) -> None:
    found = shared(*(images(uri.format(*[root] * uri.count("{}"))) for uri in (train, test)))
    assert len(found) == expected
    assert np.array_equal(found, np.unique(found))


def test_relative_paths_are_the_same_place(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root / "folder")
    assert len(shared(images(f"imagefolder:{root}/folder"), images("imagefolder:."))) == 20
    assert len(shared(images(f"parquet:{root}/parquet"), images("parquet:../parquet/x.parquet"))) == 20


FORMS = ["parquet:{}/parquet", "imagefolder:{}/folder", "webdataset:{}/shards", "list:{}/list/train.txt"]


@pytest.mark.parametrize(("train", "test"), list(product(FORMS, FORMS)))
def test_the_same_bytes_in_any_form(root: Path, train: str, test: str) -> None:
    train_images, test_images = images(f"{train.format(root)}?part=:12"), images(f"{test.format(root)}?part=10:")
    assert copies(train_images, test_images) == Copies(2, 10, 0, 10)
    assert copies(train_images, test_images) == Copies(2, 10, 0, 10)  # from the cache, where there is one


def test_what_was_compared_is_known_until_a_file_changes(root: Path, tmp_path: Path) -> None:
    train, test = tmp_path / "train.parquet", tmp_path / "test.parquet"
    write_parquet(train, IMAGES[:10], LABELS[:10], CLASSES)
    write_parquet(test, IMAGES[9:], LABELS[9:], CLASSES)
    uris = [f"parquet:{path}" for path in (train, test)]
    assert copies(*map(images, uris)).found == 1
    assert len(list((tmp_path / "cache").rglob("*.npz"))) == 1
    write_parquet(train, IMAGES[10:], LABELS[10:], CLASSES)
    assert copies(*map(images, uris)).found == 10


def test_of_large_sets_some_are_compared(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, shards = images(f"imagefolder:{root}/folder"), images(f"webdataset:{root}/shards")
    sizes = sorted(map(len, IMAGES))
    monkeypatch.setattr(overlap, "SAMPLE", 4)
    monkeypatch.setattr(overlap, "BYTES", 2 * sum(sizes) - 1)
    assert copies(folder, shards) == Copies(4, 4, 0, 0)
    monkeypatch.setattr(overlap, "BYTES", 10)
    assert copies(folder, shards) == Copies(0, 0)  # nothing is compared, which is said
    assert copies(images(f"parquet:{root}/parquet"), shards) == Copies(0, 0)


def test_images_without_bytes_are_no_copies(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    for name in ("a", "b"):
        pq.write_table(pa.table({"image": [None, b"", IMAGES[0]], "label": [0, 1, 0]}), tmp_path / f"{name}.parquet")
    assert copies(*(images(f"parquet:{tmp_path}/{name}.parquet") for name in ("a", "b"))) == Copies(1, 3, 2, 2)

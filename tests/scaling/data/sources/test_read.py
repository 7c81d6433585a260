"""The same images in every form: labels, bytes, order and fingerprint agree, and so do a transfer's rows."""

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from scaling.data import uris
from scaling.data.resolve import resolve
from scaling.data.sources.parquet import Rows
from scaling.data.sources.read import SAMPLES, fingerprint, open_split, read_split, split_facts
from scaling.data.sources.split import Split
from scaling.runs.finetune import finetune
from scaling.specs.pretraining import Dataset, Scratch
from scaling.specs.study import Task, Transfer
from scaling.store.storage import Storage
from scaling.training.devices import local_device
from tests.helpers.images import pictures, plain_labels, write_folder, write_list, write_parquet, write_shards
from tests.helpers.specs import TINY, at

IMAGES = pictures(30)
LABELS = np.random.default_rng(1).integers(0, 3, 30)
CLASSES = ["cat", "dog", "emu"]


@pytest.fixture(scope="module")
def forms(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The same set in four forms; the Parquet file and the list keep the order that the others find by name."""
    root = tmp_path_factory.mktemp("forms")
    return {
        "parquet": write_parquet(root / "set.parquet", IMAGES, LABELS, CLASSES),
        "imagefolder": write_folder(root / "folder", IMAGES, LABELS, CLASSES),
        "webdataset": write_shards(root / "shards", IMAGES, LABELS, 4),
        "json": write_shards(root / "json", IMAGES, LABELS, 3, "label"),
        "list": write_list(root / "list", IMAGES, LABELS),
    }


@pytest.mark.parametrize("form", ["parquet", "imagefolder", "webdataset", "json", "list"])
def test_all_forms_hold_the_same(forms: dict[str, str], form: str) -> None:
    images, known = open_split(forms[form], None), split_facts(uris.parse_uri(forms["parquet"]))
    assert plain_labels(images).dtype == np.int64
    assert np.array_equal(plain_labels(images), LABELS)
    assert [images.encoded[i] for i in range(30)] == IMAGES
    assert split_facts(uris.parse_uri(forms[form])).fingerprint == known.fingerprint
    assert split_facts(uris.parse_uri(forms[form])).num_classes == 3
    assert images.shards.sum() == 30
    assert len({images.name(i) for i in range(30)}) == 30
    again = pickle.loads(pickle.dumps(images))
    assert again.encoded[17] == IMAGES[17]
    assert again.name(17) == images.name(17)


def test_names_and_places(forms: dict[str, str]) -> None:
    names = {form: open_split(uri, None).name(13) for form, uri in forms.items()}
    folder = f"{CLASSES[LABELS[13]]}/13.png"
    tar = "train-01.tar/0013.png"
    assert names == {
        "parquet": "000013.png",
        "imagefolder": folder,
        "webdataset": tar,
        "json": tar,
        "list": "images/photo 13.png",
    }
    assert open_split(forms["imagefolder"], None).where(13).endswith(f"/folder/{folder}")
    assert open_split(forms["webdataset"], None).where(13).endswith("/train-01.tar")
    assert open_split(forms["webdataset"], None).shards.tolist() == [8, 8, 7, 7]


def test_fingerprint_is_of_labels_order_and_images(forms: dict[str, str], tmp_path: Path) -> None:
    def digest(images: list[bytes], labels: np.ndarray) -> str:
        return split_facts(uris.parse_uri(write_parquet(tmp_path / "x.parquet", images, labels, CLASSES))).fingerprint

    first = digest(IMAGES, LABELS)
    assert first == digest(IMAGES, LABELS)
    assert first != digest(IMAGES[::-1], LABELS)
    assert first != digest(IMAGES, (LABELS + 1) % 3)
    assert first != digest(IMAGES[:-1], LABELS[:-1])
    assert first != digest([IMAGES[0] + b"\0", *IMAGES[1:]], LABELS)


def test_fingerprint_reads_few_images() -> None:
    class Counted:
        seen, shards = 0, np.array([100_000])

        def __getitem__(self, index: int) -> bytes:
            Counted.seen += 1
            return str(index).encode()

        def name(self, index: int) -> str:
            return str(index)

        where = name

    fingerprint(Split(np.zeros(100_000, np.int64), None, Counted()))
    assert Counted.seen == SAMPLES


def test_large_parquet_sets_do_not_stay_in_memory(forms: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    split = read_split(uris.parse_uri(forms["parquet"]), None)
    rows = split.encoded
    assert isinstance(rows, Rows)
    rows.groups.limit = 100
    assert [rows[i] for i in range(30)] == IMAGES
    assert len(rows.groups.values) == 1


def test_a_transfer_has_the_same_row_from_parquet_and_from_a_folder(
    forms: dict[str, str], tiny_task: Task, tmp_path: Path
) -> None:
    rows = []
    for form in ("parquet", "imagefolder"):
        data = resolve(Dataset("pets", f"{forms[form]}?part=:20", f"{forms[form]}?part=20:"))
        assert data.num_classes == 3
        task = replace(tiny_task, data=data, steps=3)
        transfer = Transfer(Scratch("tiny", TINY), task, at(task, 0.1), 0, "final")
        storage = Storage.of(tmp_path / form)
        storage.make()
        row = finetune(
            transfer, checkpoint=None, storage=storage, study="x", device=local_device(), report=lambda *_: None
        )
        rows.append((transfer.id, {name: value for name, value in row.items() if name != "spec"}))
    assert rows[0] == rows[1]

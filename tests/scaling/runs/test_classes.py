"""Sets that meet mean the same by their labels: in pre-training, fine-tuning, few-shot probes and evaluations."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scaling.checkpoints import load_classifier
from scaling.data.resolve import resolve
from scaling.data.sources.encoding import png
from scaling.data.sources.read import open_split
from scaling.evaluate.__main__ import Options
from scaling.evaluate.__main__ import main as evaluate
from scaling.runs.fewshot import probe
from scaling.runs.finetune import dev_split, finetune
from scaling.runs.pretrain import pretrain
from scaling.specs.pretraining import Dataset, FewShot, Pretrain, Scratch
from scaling.specs.study import Probe, Task, Transfer
from scaling.store import frames
from scaling.store.results import checkpoint_name
from scaling.store.storage import Storage
from scaling.training.devices import local_device
from tests.helpers.images import plain_labels, write_folder, write_list, write_parquet
from tests.helpers.specs import RECIPE, TINY, at

PETS = ["cat", "dog", "horse", "sheep"]
COLOURS = np.array([[220, 40, 40], [40, 220, 40], [40, 40, 220], [220, 220, 40]])
RNG = np.random.default_rng(4)
LABELS = np.arange(64) % 4
LEARNT = replace(RECIPE, dropout=0.0, weight_decay=0.0)


def picture(label: int) -> bytes:
    """An image whose class is plain to see: its colour, with noise that makes each image another one."""
    pixels = COLOURS[label] + RNG.integers(-30, 31, (16, 16, 3))
    return png(pixels.clip(0, 255).astype(np.uint8))


IMAGES = [picture(label) for label in LABELS.tolist()]
OTHERS = [picture(label) for label in LABELS[:32].tolist()]  # to test on
SOME = np.flatnonzero(LABELS[:32] != 0)  # without a cat


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("pets")
    write_folder(root / "train", IMAGES, LABELS, PETS)
    write_folder(root / "some", [OTHERS[i] for i in SOME], LABELS[SOME], PETS)
    write_parquet(root / "turned.parquet", OTHERS, 3 - LABELS[:32], PETS[::-1])
    write_folder(root / "unknown", OTHERS[:4], LABELS[:4], ["cat", "dog", "horse", "wolf"])
    write_list(root / "numbers", OTHERS, LABELS[:32])
    return root


@pytest.fixture(params=["imagefolder:{}/some", "parquet:{}/turned.parquet", "list:{}/numbers/train.txt"])
def data(request: pytest.FixtureRequest, root: Path) -> Dataset:
    """Four classes to train on; to test on three of them, four in another order, or numbers."""
    return resolve(Dataset("pets", f"imagefolder:{root}/train", request.param.format(root)))


@pytest.fixture(scope="module")
def classifier(root: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The checkpoint of a run that has learnt the colours."""
    storage = Storage.of(tmp_path_factory.mktemp("classifier"))
    storage.make()
    pets = resolve(Dataset("pets", f"imagefolder:{root}/train"))
    run = Pretrain("tiny", TINY, pets, 3e-3, 10, LEARNT, resolution=16)
    pretrain(run, storage=storage, study="x", device=local_device(), report=lambda *_: None)
    return storage.path(checkpoint_name(run.id))


Evaluated = Callable[[str, str], dict[str, Any]]


@pytest.fixture
def evaluated(capsys: pytest.CaptureFixture[str]) -> Evaluated:
    def row(checkpoint: str, data: str) -> dict[str, Any]:
        assert evaluate(Options(checkpoint, data, json=True)) == 0
        found: dict[str, Any] = json.loads(capsys.readouterr().out)
        return found

    return row


def test_a_fine_tuning_is_tested_on_what_the_names_say(data: Dataset, storage: Storage) -> None:
    task = Task("pets", data, (3e-3,), 40, replace(LEARNT, batch_size=8), resolution=16)
    transfer = Transfer(Scratch("tiny", TINY), task, at(task, 3e-3), 0, "final")
    row = finetune(transfer, checkpoint=None, storage=storage, study="x", device=local_device(), report=lambda *_: None)
    assert row["test_top1"] == 1


def test_few_shot_images_and_test_images_are_joined_by_name(data: Dataset, storage: Storage) -> None:
    few = FewShot(data, shots=(5,), seeds=(0,), resolution=16)
    probe(Probe(Scratch("tiny", TINY), few), checkpoint=None, storage=storage, study="x", device=local_device())
    (row,) = frames.read_table(storage, "fewshot").to_dicts()
    assert row["test_top1"] == 1


def test_a_classifier_is_evaluated_on_what_the_names_say(root: Path, classifier: str, evaluated: Evaluated) -> None:
    assert load_classifier(classifier, runs=None, model=None, resolution=None).classes == PETS
    rows = [
        evaluated(classifier, uri.format(root))
        for uri in ("imagefolder:{}/some", "parquet:{}/turned.parquet", "list:{}/numbers/train.txt")
    ]
    assert [row["top1"] for row in rows] == [1, 1, 1]


def test_the_same_images_under_other_names_are_another_evaluation(
    tmp_path: Path, classifier: str, evaluated: Evaluated
) -> None:
    names = (PETS, PETS[::-1])
    rows = [
        evaluated(classifier, write_parquet(tmp_path / f"{i}.parquet", OTHERS, LABELS[:32], some))
        for i, some in enumerate(names)
    ]
    assert [row["top1"] for row in rows] == [1, 0]
    assert rows[0]["fingerprint"] == rows[1]["fingerprint"]
    assert rows[0]["evaluation_id"] != rows[1]["evaluation_id"]


def test_classes_that_a_classifier_lacks_are_named(root: Path, classifier: str, evaluated: Evaluated) -> None:
    with pytest.raises(ValueError, match=r"the data's classes 'wolf' are not among .*'sheep': .* a mapping, --classes"):
        evaluated(classifier, f"imagefolder:{root}/unknown")


def test_a_checkpoint_without_names_takes_labels_as_numbers_and_says_so(
    root: Path, classifier: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("model.safetensors", "spec.json"):
        (tmp_path / name).write_bytes(Storage.of(classifier).read(name))
    for _ in range(2):
        evaluate(Options(str(tmp_path), f"parquet:{root}/turned.parquet", json=True))
        said = capsys.readouterr()
        assert json.loads(said.out)["top1"] == 0  # as before there were names
    assert said.err == ""  # said once
    (tmp_path / "classes.json").write_text('{"cat": 0}')
    with pytest.raises(ValueError, match=r"classes\.json must be a JSON list of the names of classes"):
        load_classifier(str(tmp_path), runs=None, model=None, resolution=None)


def test_final_weights_of_a_fine_tuning_keep_the_names(root: Path, storage: Storage, evaluated: Evaluated) -> None:
    data = resolve(Dataset("pets", f"imagefolder:{root}/train", f"imagefolder:{root}/some"))
    task = Task("pets", data, (3e-3,), 40, LEARNT, resolution=16, keep=True)
    transfer = Transfer(Scratch("tiny", TINY), task, at(task, 3e-3), 0, "final")
    finetune(transfer, checkpoint=None, storage=storage, study="x", device=local_device(), report=lambda *_: None)
    row = evaluated(storage.path(checkpoint_name(transfer.id)), f"parquet:{root}/turned.parquet")
    assert row["top1"] == 1


def test_a_dev_split_agrees_with_the_training_images(root: Path, tmp_path: Path, storage: Storage) -> None:
    train = f"imagefolder:{root}/train"
    images = open_split(train, None)
    labels = plain_labels(images)
    (tmp_path / "dev.txt").write_text("".join(f"{images.name(i)} {labels[i]}\n" for i in range(8)))
    (tmp_path / "off.txt").write_text("".join(f"{images.name(i)} {(labels[i] + 1) % 4}\n" for i in range(8)))
    for name in ("dev", "off"):
        dev = f"list:{tmp_path}/{name}.txt?root={root}/train"
        task = Task("pets", Dataset("pets", train, train, dev=dev), (0.1,), 2, RECIPE, resolution=16)
        if name == "dev":
            assert dev_split(images, task, storage)[1].tolist() == list(range(8))
        else:
            with pytest.raises(ValueError, match=r"dev split's image '.*' has another class than among the training"):
                dev_split(images, task, storage)

"""The command on checkpoints of a run and on files, against what the training's own evaluation says."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from scaling import finetune_grid
from scaling.checkpoints.formats import save_npz, save_safetensors
from scaling.checkpoints.upstream import read_weights
from scaling.data.pipeline.preprocessing import eval_images
from scaling.data.sources.read import open_split
from scaling.evaluate.__main__ import Options, main
from scaling.models.build import build
from scaling.models.layers import normalise
from scaling.runs.finetune import finetune
from scaling.runs.pretrain import pretrain
from scaling.specs.architectures import ViT
from scaling.specs.identity import to_json
from scaling.specs.pretraining import Pretrain
from scaling.specs.recipe import MaskedPatches
from scaling.specs.study import Task, Transfer
from scaling.specs.zoo import zoo_model
from scaling.store import frames, results
from scaling.store.storage import Storage
from scaling.training.devices import local_device
from scaling.training.evaluation import accuracy
from tests.helpers.weights import random_model

TEST = "ifs:classes=4,images=24,size=16,split=train"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Storage:
    made = Storage.of(tmp_path_factory.mktemp("evaluate"))
    made.make()
    return made


@pytest.fixture
def checkpoint(tiny_run: Pretrain, place: Storage) -> str:
    if not place.committed(results.checkpoint_name(tiny_run.id)):
        pretrain(tiny_run, storage=place, study="x", device=local_device(), report=lambda step, metrics: None)
    return place.path(results.checkpoint_name(tiny_run.id))


def run(options: Options, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    assert main(replace(options, json=True)) == 0
    row: dict[str, Any] = json.loads(capsys.readouterr().out)
    return row


def logits(tiny_run: Pretrain, checkpoint: str) -> np.ndarray:
    module = build(tiny_run.model, 4, resolution=16)
    module.load_state_dict(read_weights(Storage.of(checkpoint)))
    images = open_split(TEST, None)
    with torch.no_grad():
        found: torch.Tensor = module.eval()(normalise(eval_images(images, np.arange(96), 16)))
    return found.numpy()


def test_a_runs_checkpoint_by_its_datas_labels(
    tiny_run: Pretrain, checkpoint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = run(Options(checkpoint, TEST, storage=str(tmp_path)), capsys)
    module = build(tiny_run.model, 4, resolution=16)
    module.load_state_dict(read_weights(Storage.of(checkpoint)))
    images = open_split(TEST, None)
    expected, _ = accuracy(module, images, np.arange(96), 16, local_device())
    assert row["top1"] == expected
    assert row["top5"] == 1  # of four classes
    assert (row["run_id"], row["images"], row["left_out"], row["resolution"]) == (tiny_run.id, 96, 0, 16)
    (written,) = frames.read_table(Storage.of(tmp_path), "evaluation").to_dicts()
    assert written == row
    run(Options(checkpoint, TEST, storage=str(tmp_path)), capsys)
    assert frames.read_table(Storage.of(tmp_path), "evaluation").height == 1  # the same evaluation
    assert main(Options(checkpoint, TEST, storage=str(tmp_path), resize=20)) == 0
    assert "short side 20, centre 16 pixels" in capsys.readouterr().out
    assert frames.read_table(Storage.of(tmp_path), "evaluation").height == 2


def test_a_kept_fine_tuning_by_its_id(
    tiny_run: Pretrain, checkpoint: str, place: Storage, tiny_task: Task, capsys: pytest.CaptureFixture[str]
) -> None:
    final = Transfer(tiny_run, replace(tiny_task, keep=True), tiny_task.own, 0, "final")
    row = finetune(
        final, checkpoint=checkpoint, storage=place, study="x", device=local_device(), report=lambda step, metrics: None
    )
    assert final.task.data.test is not None
    for wanted, runs in ((final.id[:8], place.uri), (place.path(f"checkpoints/{final.id}"), None)):
        found = run(Options(wanted, final.task.data.test, runs=runs), capsys)
        assert found["top1"] == row["test_top1"]
        assert found["run_id"] == tiny_run.id
        assert found["checkpoint"] == place.path(f"checkpoints/{final.id}/final")
    with pytest.raises(ValueError, match=f"is fine-tuned already: take the run it is of, {tiny_run.id}"):
        finetune_grid.main(finetune_grid.Options(final.id, "digits", place.uri))


def test_real_labels_and_a_class_mapping(
    tiny_run: Pretrain, checkpoint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scores, labels = logits(tiny_run, checkpoint), open_split(TEST, None).labels
    assert isinstance(labels, np.ndarray)
    real = [[] if i % 3 == 0 else [int(label), (int(label) + 1) % 4] for i, label in enumerate(labels)]
    (tmp_path / "real.json").write_text(json.dumps(real))
    row = run(Options(checkpoint, TEST, labels=str(tmp_path / "real.json")), capsys)
    hits = [top in some for top, some in zip(scores.argmax(1), real, strict=True) if some]
    assert (row["top1"], row["images"], row["left_out"]) == (np.mean(hits), 64, 32)

    (tmp_path / "map.json").write_text(json.dumps({"0": [3], "2": [1, 2]}))
    row = run(Options(checkpoint, TEST, classes=str(tmp_path / "map.json")), capsys)
    allowed, right = np.array([1, 2, 3]), {0: [3], 2: [1, 2]}
    tops = allowed[scores[:, allowed].argmax(1)]
    hits = [top in right[label] for top, label in zip(tops, labels.tolist(), strict=True) if label in right]
    assert (row["top1"], row["images"], row["truth"]) == (np.mean(hits), 48, "classes")


@pytest.mark.parametrize("name", ["ViT-micro-S/4", "BiT-R50x1"])
def test_files_of_the_official_codes(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    module = random_model(zoo_model(name), classes=4, resolution=16)
    save_npz(module, tmp_path / "weights.npz")
    few = "ifs:classes=4,images=2,size=16"
    row = run(Options(str(tmp_path / "weights.npz"), few, model=name, resolution=16), capsys)
    expected, _ = accuracy(module, open_split(few, None), np.arange(8), 16, local_device())
    assert row["top1"] == expected
    assert (row["name"], row["run_id"]) == (name, None)


def test_a_file_of_another_model_is_refused(tmp_path: Path) -> None:
    usual = zoo_model("ViT-Ti/16")
    assert isinstance(usual, ViT)
    spec = replace(usual, representation_size=192)
    module = random_model(spec, classes=4, resolution=32)
    save_safetensors(module, tmp_path / "weights.safetensors")
    with pytest.raises(ValueError, match="does not fit the model"):  # the zoo's Ti has no hidden layer
        main(Options(str(tmp_path / "weights.safetensors"), TEST, model="ViT-Ti/16", resolution=32))


def test_what_cannot_be_evaluated(tiny_run: Pretrain, checkpoint: str, tmp_path: Path) -> None:
    save_npz(random_model(zoo_model("ViT-micro-S/4"), classes=4, resolution=16), tmp_path / "weights.npz")
    masked = replace(tiny_run, masked=MaskedPatches())
    (tmp_path / "masked").mkdir()
    (tmp_path / "masked/spec.json").write_text(to_json(masked))
    (tmp_path / "masked/model.safetensors").write_bytes(b"weights")
    for options, message in (
        (Options(str(tmp_path), TEST), "is no checkpoint: it has no model.safetensors"),
        (Options(str(tmp_path / "masked"), TEST), "predicts masked patches: it has no classifier"),
        (Options(checkpoint, TEST, model="ViT-B/16"), "--model is for a file of weights"),
        (Options(str(tmp_path / "weights.npz"), TEST), "give --model, such as ViT-B/16"),
        (
            Options(checkpoint, TEST, labels="a", classes="b"),
            "--labels and --classes both say which classes are right: give one",
        ),
        (Options(checkpoint, TEST, resize=8), "--resize must be at least the crop's 16 pixels, got 8"),
        (Options(checkpoint, "digits:test"), "label 9, but the classifier only 4 classes"),
    ):
        with pytest.raises(ValueError, match=message):
            main(options)

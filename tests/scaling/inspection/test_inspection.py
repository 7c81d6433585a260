"""The command on checkpoints of a run and on files: its rows against the computations on the model itself."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from scaling.checkpoints.formats import save_npz, save_safetensors
from scaling.data.pipeline.preprocessing import eval_images
from scaling.data.sources.read import open_split
from scaling.inspection.__main__ import BATCH, TABLES, Options, main
from scaling.inspection.attention import (
    mean_distances,
    position_similarities,
    principal_filters,
    reduce_attention,
    rollout,
)
from scaling.models.layers import normalise
from scaling.models.vit import VisionTransformer
from scaling.runs.pretrain import pretrain
from scaling.specs.pretraining import Pretrain
from scaling.specs.zoo import zoo_model
from scaling.store import frames
from scaling.store.storage import Storage
from scaling.training.devices import local_device
from tests.helpers.kinds import known
from tests.helpers.weights import random_model

DATA = "ifs:classes=3,images=5,size=16"  # 15 images: a whole batch and a part of one


def rows_of(place: str) -> dict[str, list[dict[str, Any]]]:
    return {table: frames.read_table(Storage.of(place), table).to_dicts() for table in TABLES}


@pytest.fixture
def weights(tmp_path: Path) -> tuple[str, VisionTransformer]:
    """A file of ViT-micro-S/4: 16 patches of 16 pixels' images."""
    module = known(VisionTransformer, random_model(zoo_model("ViT-micro-S/4"), classes=4, resolution=16))
    save_npz(module, tmp_path / "weights.npz")
    return str(tmp_path / "weights.npz"), module.eval()


def test_rows_are_what_the_model_does(
    weights: tuple[str, VisionTransformer], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, module = weights
    out = str(tmp_path / "out")
    options = Options(file, DATA, out, model="ViT-micro-S/4", resolution=16, rollouts=10, components=3, json=True)
    assert main(options) == 0
    rows = rows_of(out)
    assert json.loads(capsys.readouterr().out) == rows

    images = open_split(DATA, None)
    assert len(images) > BATCH
    x = normalise(eval_images(images, np.arange(len(images)), 16))
    seen = reduce_attention(module, x, lambda w: (mean_distances(w, True), w.mean(1)))
    expected = torch.stack([distances.mean(0) for distances, _ in seen]) * 4  # pixels a patch
    pixels = [row["pixels"] for row in rows["attention_distance"]]
    np.testing.assert_allclose(pixels, expected.flatten(), rtol=1e-4)
    assert {(row["layer"], row["head"]) for row in rows["attention_distance"]} == set(np.ndindex(*expected.shape))
    assert {(row["images"], row["token_pixels"]) for row in rows["attention_distance"]} == {(15, 4.0)}

    shares = rollout([heads for _, heads in seen], True)
    assert len(rows["rollout"]) == 10
    for row in rows["rollout"]:
        np.testing.assert_allclose(row["shares"], shares[row["image"]], rtol=1e-3)
        small = eval_images(images, np.array([row["image"]]), 16)[0].permute(1, 2, 0)
        assert row["pixels"] == small.flatten().tolist()
    components, variance = principal_filters(module.patch_embed.weight, 3)
    for place, row in enumerate(rows["filters"]):
        assert (row["component"], row["side"]) == (place, 4)
        assert row["variance"] == pytest.approx(variance[place].item())
        np.testing.assert_allclose(np.reshape(row["values"], (4, 4, 3)), components[place].permute(1, 2, 0))
    (cosines,) = position_similarities(module)
    np.testing.assert_allclose([row["cosines"] for row in rows["position_similarity"]], cosines)
    assert {row["name"] for table in rows.values() for row in table} == {"ViT-micro-S/4"}


def test_the_images_are_a_choice_that_the_id_knows(weights: tuple[str, VisionTransformer], tmp_path: Path) -> None:
    options = Options(weights[0], DATA, str(tmp_path / "out"), model="ViT-micro-S/4", resolution=16, images=4)
    for changed in (options, options, replace(options, seed=1), replace(options, rollouts=0)):
        assert main(changed) == 0
    rows = frames.read_table(Storage.of(tmp_path / "out"), "rollout")
    assert rows["inspection_id"].n_unique() == 2  # the same again is the same file; without rollouts there is none
    assert frames.read_table(Storage.of(tmp_path / "out"), "filters")["inspection_id"].n_unique() == 3
    assert [len(part) for part in rows.partition_by("inspection_id")] == [4, 4]
    first, second = (set(part["image"]) for part in rows.partition_by("inspection_id"))
    assert first != second


def test_a_runs_checkpoint(tiny_run: Pretrain, storage: Storage, capsys: pytest.CaptureFixture[str]) -> None:
    pretrain(tiny_run, storage=storage, study="x", device=local_device(), report=lambda step, metrics: None)
    assert main(Options("tiny", DATA, storage.uri, runs=storage.uri)) == 0
    printed = capsys.readouterr().out
    assert "tiny: attention distance, mean over 15 images of 16 pixels" in printed
    assert f"python -m analysis inspection {storage.uri}" in printed
    (row, _) = frames.read_table(storage, "attention_distance").to_dicts()  # one layer of two heads
    assert (row["run_id"], row["resolution"], row["family"]) == (tiny_run.id, 16, "vit")


@pytest.mark.parametrize(
    ("name", "absent"),
    [("R+ViT-micro-S/4", "No filters"), ("Axial-ViT-micro-S/4", "")],
)
def test_hybrids_and_axial_models(name: str, absent: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    module = random_model(zoo_model(name), classes=4, resolution=16)
    file = str(tmp_path / "weights.safetensors")
    save_safetensors(module, file)
    assert main(Options(file, DATA, str(tmp_path), model=name, resolution=16, images=2)) == 0
    assert absent in capsys.readouterr().out
    rows = rows_of(str(tmp_path))
    assert bool(rows["filters"]) == (not absent)
    assert rows["attention_distance"]
    for row in rows["attention_distance"]:
        assert 0 <= row["pixels"] <= 16 * 2**0.5


def test_what_cannot_be_looked_into(weights: tuple[str, VisionTransformer], tmp_path: Path) -> None:
    save_npz(random_model(zoo_model("BiT-R50x1"), classes=4, resolution=32), tmp_path / "resnet.npz")
    options = Options(weights[0], DATA, str(tmp_path / "out"), model="ViT-micro-S/4", resolution=16)
    resnet = {"checkpoint": str(tmp_path / "resnet.npz"), "model": "BiT-R50x1", "resolution": 32}
    for changed, message in (
        (resnet, "BiT-R50x1 has no attention to look at: take a ViT or a hybrid"),
        ({"images": 0}, "--images must be at least 1, got 0"),
        ({"rollouts": -1}, "--rollouts must be at least 0, got -1"),
        ({"model": None}, "give --model, such as"),
        ({"data": "imagefolder:" + str(tmp_path / "none")}, "none"),
    ):
        with pytest.raises(ValueError, match=message):
            main(replace(options, **changed))
    assert not (tmp_path / "out").exists()

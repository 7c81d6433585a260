"""Weights that do not fit are found by the header of their file, before anything starts."""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from scaling import finetune_grid
from scaling.checkpoints.fit import check_upstream, weight_shapes
from scaling.checkpoints.formats import load_weights, save_npz, save_safetensors
from scaling.models.build import build
from scaling.specs.identity import to_json
from scaling.specs.pretraining import Pretrain, Released, Scratch
from scaling.specs.zoo import ZOO, zoo_model
from scaling.store.storage import Storage
from scaling.training.state import save_final_weights
from tests.helpers.weights import random_model, write_npz

MICRO = sorted(name for name in ZOO if "micro-S" in name)


def saved(name: str, folder: Path, kind: str) -> Released:
    path = folder / f"w.{'npz' if kind == 'npz' else 'safetensors'}"
    module = random_model(zoo_model(name), resolution=32)
    if kind == "npz":
        save_npz(module, path)
    else:
        save_safetensors(module, path, layout="timm" if kind == "timm" else "ours")
    return Released(name, zoo_model(name), str(path))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        (name, kind)
        for name in MICRO
        for kind in ("npz", "safetensors", "timm")
        if kind == "safetensors" or not name.startswith("Axial")  # which only our own names hold
    ],
)
def test_the_header_says_what_the_weights_say(name: str, kind: str, tmp_path: Path) -> None:
    """What loads fits, at other sizes of images too, and what does not fit is told in the same words."""
    released = saved(name, tmp_path, kind)
    for resolution in (32, 64):
        check_upstream(released, None, resolution)
    for other in MICRO:
        module = build(zoo_model(other), 1, resolution=32)
        weights = error_of(partial(load_weights, module, released.source, head="drop"))
        assert error_of(partial(check_upstream, replace(released, model=zoo_model(other)), None, 32)) == weights


def error_of(function: Callable[[], None]) -> str | None:
    try:
        function()
    except ValueError as error:
        return str(error)
    return None


def test_a_checkpoint_of_a_run(tiny_run: Pretrain, storage: Storage) -> None:
    save_final_weights(storage, tiny_run.id, build(tiny_run.model, 4, resolution=16), to_json(tiny_run))
    place = storage.path(f"checkpoints/{tiny_run.id}/final")
    check_upstream(tiny_run, place, 32)
    check_upstream(Scratch("tiny", tiny_run.model), None, 32)
    wide = replace(tiny_run, model=zoo_model("ViT-micro-S/4"))
    with pytest.raises(ValueError, match=r"model\.safetensors: pre-trained weights do not fit the model: .*fc1"):
        check_upstream(wide, place, 32)


@pytest.mark.parametrize("kind", ["npz", "safetensors"])
def test_a_file_that_is_cut_off_is_named(kind: str, tmp_path: Path) -> None:
    path = Path(saved("ViT-micro-S/4", tmp_path, kind).source)
    content = path.read_bytes()
    for length in (0, 5, 100, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises(ValueError, match=rf"w\.{kind} cannot be read: "):
            weight_shapes(str(path))


def test_shapes_of_a_file_on_an_object_store(s3: Storage, tmp_path: Path) -> None:
    content = Path(saved("ViT-micro-S/4", tmp_path, "safetensors").source).read_bytes()
    s3.write("my weights/w.safetensors", content)
    found = weight_shapes(s3.path("my weights/w.safetensors"))
    assert found["head.bias"].shape == (5,)


def test_a_grid_says_it_before_anything_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    released = saved("ViT-micro-S/4", tmp_path, "npz")
    options = finetune_grid.Options(
        released.source, "digits", model="ViT-micro-M/4", storage=str(tmp_path / "out"), base_lrs=(0.1,)
    )
    with pytest.raises(ValueError, match=r"w\.npz does not fit the model: missing: .*wrong shape: .* instead of"):
        finetune_grid.main(options)
    assert not (tmp_path / "out").exists()


def test_headers_of_other_forms(tmp_path: Path) -> None:
    write_npz(tmp_path / "w.npz", {"params/a": np.zeros((2, 3), np.float16), "opt/b": np.zeros(9)})
    found = weight_shapes(str(tmp_path / "w.npz"))
    assert {name: (list(value.shape), str(value.dtype)) for name, value in found.items()} == {
        "params/a": ([2, 3], "torch.float16")
    }
    header = json.dumps({"a": {"dtype": "I64", "shape": [2], "data_offsets": [0, 16]}}).encode()
    (tmp_path / "w.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(16))
    assert not weight_shapes(str(tmp_path / "w.safetensors"))["a"].is_floating_point()

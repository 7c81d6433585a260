"""Logits of the official codes, with weights that anyone can make again, through the `.npz` reader.

`official_logits.json` holds for each small model the names and shapes of the official parameters, and the official
float32 logits for `image(res)` with every parameter set to `weight(name, shape)`. How they were made:
vit_*, hybrid*: `models_vit.VisionTransformer` of google-research/vision_transformer,
big_vision_*: `models.vit._Model` and `models.bit.Model` of google-research/big_vision,
both with jax 0.10 and flax 0.12 on a CPU, the shapes by `init`, the logits by `apply` with dropout off;
bit_*: `bit_pytorch.models.ResNetV2` of google-research/big_transfer after `load_from`.
"""

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from scaling.checkpoints.formats import load_weights, save_npz
from scaling.models.build import build
from scaling.specs.architectures import Hybrid, ResNet, ViT
from scaling.specs.models import Architecture
from tests.helpers.weights import write_npz

CASES: dict[str, Any] = json.loads((Path(__file__).parent / "official_logits.json").read_text())


def weight(name: str, shape: list[int]) -> np.ndarray:
    """Normal numbers seeded by the name, of a size that keeps activations near one."""
    numbers = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape)
    match name.split("/")[-1]:
        case "scale" | "gamma":
            numbers = 1 + 0.1 * numbers
        case "bias" | "beta":
            numbers = 0.1 * numbers
        case "cls" | "pos_embedding":
            numbers = 0.2 * numbers
        case _:
            to_heads = any(part in name for part in ("query/kernel", "key/kernel", "value/kernel"))
            numbers = numbers / np.sqrt(shape[0] if to_heads else np.prod(shape[:-1]))
    return numbers.astype(np.float32)


def image(resolution: int) -> np.ndarray:
    return np.random.default_rng(resolution).standard_normal((2, resolution, resolution, 3)).astype(np.float32)


def architecture(spec: dict[str, Any]) -> Architecture:
    if "units" in spec:
        return ResNet(tuple(spec["units"]), 64 * spec["width"], activation=spec.get("activation", "pre"))
    names = {"patch_size": "patch", "width": "hidden", "depth": "layers", "mlp_dim": "mlp", "num_heads": "heads"}
    sizes: dict[str, Any] = {field: spec[name] for field, name in names.items()}
    vit = ViT(**sizes, representation_size=spec["rep"], pool=spec.get("classifier", "token"))
    return Hybrid(ResNet(tuple(spec["resnet"])), vit) if "resnet" in spec else vit


@pytest.mark.parametrize("name", CASES)
def test_logits_equal_the_official_ones(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    spec, official = case["spec"], np.array(case["logits"])
    arrays = {name: weight(name, shape) for name, shape in case["shapes"].items()}
    write_npz(tmp_path / "model.npz", arrays)
    model = build(architecture(spec), spec["classes"], resolution=spec["res"])
    load_weights(model, tmp_path / "model.npz")
    with torch.inference_mode():
        logits = model(torch.from_numpy(image(spec["res"])).permute(0, 3, 1, 2)).numpy()
    assert np.abs(logits - official).max() <= 1e-4 * official.std()

    if "big_vision" not in name:  # its names are read only
        save_npz(model, tmp_path / "again.npz")
        with np.load(tmp_path / "again.npz", allow_pickle=False) as again:
            assert set(again) == set(arrays)
            assert all(again[name].tobytes() == arrays[name].tobytes() for name in arrays)

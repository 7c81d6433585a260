import ast
from pathlib import Path

import pytest
import torch

from scaling import models
from scaling.models import build, load_pretrained
from scaling.models.positions import resize_positions
from scaling.specs.architectures import Hybrid, ResNet, ViT
from scaling.specs.models import Architecture, without_representation

VIT = ViT(patch_size=4, width=12, depth=1, mlp_dim=20, num_heads=3, representation_size=12)
RESNET = ResNet((1, 1), width=8, groups=4)
SPECS: list[ViT | ResNet | Hybrid] = [VIT, RESNET, Hybrid(RESNET, ViT(1, 12, 1, 20, 3, representation_size=12))]


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.kind)
def test_fine_tuning_starts_from_all_but_the_head(spec: Architecture) -> None:
    source = build(spec, 7, resolution=32, head_bias=-10.0)
    target = build(without_representation(spec), 5, resolution=64)
    load_pretrained(target, source.state_dict())
    given, loaded = source.state_dict(), target.state_dict()
    assert not loaded["head.bias"].any()
    for name in loaded.keys() - {"head.weight", "head.bias", "pos_embed"}:
        assert torch.equal(loaded[name], given[name]), name
    if "pos_embed" in loaded:
        side = 64 // (spec.patch_size if isinstance(spec, ViT) else 8)
        assert torch.equal(loaded["pos_embed"], resize_positions(given["pos_embed"], (side, side)))
    assert target(torch.randn(1, 3, 64, 64)).shape == (1, 5)


def test_weights_that_do_not_fit_are_named_and_nothing_changes() -> None:
    model = build(without_representation(VIT), 5, resolution=32)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = build(VIT, 5, resolution=16).state_dict()
    del state["norm.bias"]
    state["norm.bios"] = torch.zeros(12)
    state["cls_token"] = torch.zeros(1, 1, 13)
    with pytest.raises(ValueError, match=r"missing: norm.bias; left over: norm.bios; wrong shape: cls_token") as error:
        load_pretrained(model, state)
    assert "[1, 1, 13] instead of [1, 1, 12]" in str(error.value)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.kind)
def test_one_graph_for_the_compiler(spec: ViT | ResNet | Hybrid) -> None:
    model = build(spec, 5, resolution=32)
    torch.nn.init.normal_(model.head.weight)
    images = torch.randn(2, 3, 32, 32)
    compiled = torch.compile(model, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(images), model(images))


def imported_models(file: str) -> set[str]:
    """The files of scaling.models that a file of it imports."""
    tree = ast.parse((Path(models.__file__).parent / file).read_text())
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
    return {name.removeprefix("scaling.models.") for name in modules if name.startswith("scaling.models.")}


def test_transformers_and_resnets_do_not_import_each_other() -> None:
    assert imported_models("vit.py") == {"layers", "positions"}
    assert imported_models("resnet.py") == {"axial_resnet", "layers"}
    assert imported_models("axial_resnet.py") == {"layers"}
    assert imported_models("build.py") == {"custom", "resnet", "vit"}

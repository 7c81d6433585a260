import re
from dataclasses import replace

import pytest

from scaling.flops.counts import forward_macs
from scaling.specs.architectures import Hybrid, ResNet, ViT
from scaling.specs.models import family, token_stride
from scaling.specs.zoo import ZOO, zoo_model

KINDS = {"vit": ("ViT-micro-S/4", "ViT-micro-M/4", "ViT-micro-L/4")}
KINDS["resnet"] = ("R-micro-S", "R-micro-M", "R-micro-L")
KINDS["hybrid"] = ("R+ViT-micro-S/4", "R+ViT-micro-M/4", "R+ViT-micro-L/4")


def test_table_1() -> None:
    assert zoo_model("ViT-B/16") == ViT(16, 768, 12, 3072, 12, representation_size=768)
    assert zoo_model("ViT-L/32") == ViT(32, 1024, 24, 4096, 16, representation_size=1024)
    assert zoo_model("ViT-H/14") == ViT(14, 1280, 32, 5120, 16, representation_size=1280)


@pytest.mark.parametrize("name", ZOO)
def test_the_name_says_the_shape(name: str) -> None:
    spec = zoo_model(name)
    assert spec.kind == ("hybrid" if "+" in name else "vit" if "ViT" in name else "resnet")
    assert family(spec) == ("axial" if name.startswith("Axial") else spec.kind)
    if patch := re.search(r"/(\d+)$", name):
        assert token_stride(spec) == int(patch[1])
    if spec.kind == "resnet":
        assert spec.activation == ("pre" if name.startswith("BiT-") else "post")
        assert spec.spatial == ("axial" if name.startswith("Axial") else "conv")
    if factor := re.match(r"(?:BiT-|Axial)?R\d+x(\d)", name):
        backbone = spec.backbone if isinstance(spec, Hybrid) else spec
        assert isinstance(backbone, ResNet)
        assert backbone.width == 64 * int(factor[1])
    if layers := re.match(r"(?:BiT-|Axial)?R(\d\d+)(?:x\d)?$", name):
        assert isinstance(spec, ResNet)
        assert 3 * sum(spec.depths) + 2 == int(layers[1])  # three convolutions a block, the root and the classifier


@pytest.mark.parametrize("name", ["R50x1+ViT-B/16", "R50x1+ViT-L/16"])
def test_hybrids_at_16_move_the_last_stage_into_the_third(name: str) -> None:
    spec = zoo_model(name)
    assert isinstance(spec, Hybrid)
    assert spec.backbone.depths == (3, 4, 9)
    assert spec.backbone.out_channels == 1024


@pytest.mark.parametrize("size", ["B/16", "B/32", "micro-S/4"])
def test_axial_forms_are_the_vits_with_another_attention_and_head(size: str) -> None:
    axial, vit = zoo_model(f"Axial-ViT-{size}"), zoo_model(f"ViT-{size}")
    assert isinstance(vit, ViT)
    assert axial == replace(vit, pool="gap", attention="axial")


@pytest.mark.parametrize("kind", KINDS)
def test_micro_sizes_grow(kind: str) -> None:
    small, medium, large = (forward_macs(zoo_model(name), 16, 10) for name in KINDS[kind])
    assert 2.3 < medium / small < 4
    assert 1.7 < large / medium < 4


def test_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"no model 'ViT-B16' in the zoo; did you mean ViT-B/16") as error:
        zoo_model("ViT-B16")
    assert "\n" not in str(error.value)
    with pytest.raises(ValueError, match="R152x4"):
        zoo_model("?")

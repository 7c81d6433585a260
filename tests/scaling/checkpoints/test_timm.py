"""timm's names. The tests against timm itself are skipped where it does not import (it needs torchvision)."""

import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from scaling.checkpoints.formats import load_weights, save_npz, save_safetensors
from scaling.checkpoints.names import export_weights, layout_entries
from scaling.models import build
from scaling.specs.architectures import Hybrid, ResNet, ViT
from scaling.specs.models import Architecture, without_representation
from scaling.specs.zoo import zoo_model

VIT = ViT(patch_size=8, width=12, depth=2, mlp_dim=24, num_heads=3)
GAP = ViT(patch_size=8, width=12, depth=2, mlp_dim=24, num_heads=3, pool="gap")
Shapes = dict[str, tuple[int, ...]]
BLOCKS: Shapes = {  # shapes of a block of R(1,) of width 32, by timm's names
    "conv1.weight": (32, 32, 1, 1),
    "conv2.weight": (32, 32, 3, 3),
    "conv3.weight": (128, 32, 1, 1),
    "downsample.conv.weight": (128, 32, 1, 1),
}
ENCODER: Shapes = {
    "cls_token": (1, 1, 12),
    "norm.weight": (12,),
    "norm.bias": (12,),
    "head.weight": (5, 12),
    "head.bias": (5,),
    "blocks.0.norm1.weight": (12,),
    "blocks.0.norm1.bias": (12,),
    "blocks.0.attn.qkv.weight": (36, 12),
    "blocks.0.attn.qkv.bias": (36,),
    "blocks.0.attn.proj.weight": (12, 12),
    "blocks.0.attn.proj.bias": (12,),
    "blocks.0.norm2.weight": (12,),
    "blocks.0.norm2.bias": (12,),
    "blocks.0.mlp.fc1.weight": (20, 12),
    "blocks.0.mlp.fc1.bias": (20,),
    "blocks.0.mlp.fc2.weight": (12, 20),
    "blocks.0.mlp.fc2.bias": (12,),
}


def norms(*sizes: tuple[str, int]) -> Shapes:
    return {f"{name}.{leaf}": (size,) for name, size in sizes for leaf in ("weight", "bias")}


def under(prefix: str, shapes: Shapes) -> Shapes:
    return {prefix + name: shape for name, shape in shapes.items()}


PATCHES: Shapes = {"pos_embed": (1, 17, 12), "patch_embed.proj.weight": (12, 3, 8, 8), "patch_embed.proj.bias": (12,)}
POST = under("stages.0.blocks.0.", BLOCKS) | norms(
    ("stem.norm", 32),
    ("stages.0.blocks.0.norm1", 32),
    ("stages.0.blocks.0.norm2", 32),
    ("stages.0.blocks.0.norm3", 128),
    ("stages.0.blocks.0.downsample.norm", 128),
)
PRE = under("stages.0.blocks.0.", BLOCKS) | norms(
    ("stages.0.blocks.0.norm1", 32), ("stages.0.blocks.0.norm2", 32), ("stages.0.blocks.0.norm3", 32), ("norm", 128)
)
STEM: Shapes = {"stem.conv.weight": (32, 3, 7, 7)}
FEATURES: Shapes = {
    "pos_embed": (1, 65, 12),
    "patch_embed.proj.weight": (12, 128, 1, 1),
    "patch_embed.proj.bias": (12,),
}
FC: Shapes = {"head.fc.weight": (5, 128, 1, 1), "head.fc.bias": (5,)}
SMALL = ViT(8, 12, 1, 20, 3)
NAMES: dict[str, tuple[Architecture, Shapes]] = {
    "vit": (SMALL, ENCODER | PATCHES),
    "hybrid": (
        Hybrid(ResNet((1,), width=32), ViT(1, 12, 1, 20, 3)),
        ENCODER | FEATURES | under("patch_embed.backbone.", STEM | POST),
    ),
    "post": (ResNet((1,), width=32), STEM | POST | FC),
    "pre": (ResNet((1,), width=32, activation="pre"), STEM | PRE | FC),
}


@pytest.mark.parametrize("kind", NAMES)
def test_names_and_shapes(kind: str, tmp_path: Path) -> None:
    spec, shapes = NAMES[kind]
    save_safetensors(build(spec, 5, resolution=32), tmp_path / "timm.safetensors", layout="timm")
    assert {name: tuple(value.shape) for name, value in load_file(tmp_path / "timm.safetensors").items()} == shapes


def test_blocks_are_numbered_in_their_stages() -> None:
    module = build(ResNet((2, 1, 2), width=32), 5, resolution=32)
    names = {entry.ours: entry.theirs[0] for entry in layout_entries(module, "timm")}
    assert [names[f"backbone.blocks.{j}.conv1.weight"] for j in range(5)] == [
        f"stages.{stage}.blocks.{unit}.conv1.weight" for stage, unit in ((0, 0), (0, 1), (1, 0), (2, 0), (2, 1))
    ]


def random(shapes: Shapes) -> dict[str, Tensor]:
    torch.manual_seed(0)
    return {name: torch.randn(shape) for name, shape in shapes.items()}


def test_old_hidden_layer_and_missing_class_row() -> None:
    shapes = NAMES["vit"][1] | {"pre_logits.fc.weight": (12, 12), "pre_logits.fc.bias": (12,), "pos_embed": (1, 16, 12)}
    given = random(shapes)
    module = build(ViT(8, 12, 1, 20, 3, representation_size=12), 5, resolution=32)
    load_weights(module, given)
    state = module.state_dict()
    assert torch.equal(state["pre_logits.weight"], given["pre_logits.fc.weight"])
    assert torch.equal(state["pos_embed"][:, 1:], given["pos_embed"])
    assert not state["pos_embed"][:, 0].any()
    load_weights(build(SMALL, 5, resolution=32), given, head="drop")


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("fc_norm.weight", "a norm after the pooling"),
        ("norm_pre.weight", "a norm before the blocks"),
        ("reg_token", "register tokens"),
        ("blocks.0.ls1.gamma", "LayerScale"),
        ("blocks.0.attn.q_norm.weight", "norms of queries and keys"),
        ("attn_pool.latent", "attention pooling"),
    ],
)
def test_variants_without_an_equal_are_named(name: str, what: str) -> None:
    with pytest.raises(ValueError, match=f"a timm model that has no equal here: {name} is {what}"):
        load_weights(build(SMALL, 5, resolution=32), random(NAMES["vit"][1] | {name: (12,)}))


# --- timm itself -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def timm() -> Any:  # the package
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import timm
            import timm.models.resnetv2
            import timm.models.vision_transformer_hybrid
        except Exception as error:  # torchvision's operators do not load with every wheel of torch: a RuntimeError
            pytest.skip(f"timm does not import here: {error}")
    return timm


def drawn(module: nn.Module) -> nn.Module:
    torch.manual_seed(1)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            parameter.normal_(float("norm" in name and "weight" in name), 0.1)
    return module.eval()


def hybrid_embed(timm: Any) -> Callable[..., Any]:
    hybrid = timm.models.vision_transformer_hybrid
    return partial(hybrid.HybridEmbed, backbone=hybrid._resnetv2((1, 2)))


def timm_model(timm: Any, kind: str) -> Any:
    sizes = {"img_size": 32, "embed_dim": 12, "depth": 2, "num_heads": 3, "mlp_ratio": 2, "num_classes": 5}
    vit = partial(timm.models.VisionTransformer, **sizes, act_layer="gelu_tanh")
    std_conv = timm.layers.StdConv2d if kind == "pre" else timm.layers.StdConv2dSame
    resnet = partial(timm.models.ResNetV2, layers=[1, 2], num_classes=5, conv_layer=partial(std_conv, eps=1e-8))
    match kind:
        case "token":
            return vit(patch_size=8)
        case "no class row":
            return vit(patch_size=8, no_embed_class=True)
        case "gap":
            return vit(patch_size=8, class_token=False, global_pool="avg", fc_norm=False)
        case "hybrid":
            return vit(patch_size=1, embed_layer=hybrid_embed(timm))
        case "pre":
            return resnet(stem_type="fixed")
        case "post":
            return resnet(stem_type="same", preact=False)


KINDS: dict[str, Architecture] = {
    "token": VIT,
    "no class row": VIT,
    "gap": GAP,
    "hybrid": Hybrid(ResNet((1, 2)), ViT(1, 12, 2, 24, 3)),
    "pre": ResNet((1, 2), activation="pre"),
    "post": ResNet((1, 2)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_timm_and_back(timm: Any, kind: str, tmp_path: Path) -> None:
    theirs = drawn(timm_model(timm, kind))
    ours = build(KINDS[kind], 5, resolution=32)
    load_weights(ours, theirs.state_dict())
    images = torch.randn(2, 3, 32, 32)
    with torch.inference_mode():
        expected, logits = theirs(images), ours(images)
    tolerance = 2e-3 if kind in ("hybrid", "post") else 1e-4  # timm's epsilon is 1e-5 in every GroupNorm
    assert (logits - expected).abs().max() < tolerance * expected.std()
    if kind == "no class row":
        return
    if kind in ("token", "hybrid"):  # timm's own reader of the official files; it wants a class token
        save_npz(ours, tmp_path / "official.npz", old_names=True)
        reader = timm_model(timm, kind).eval()
        reader.load_pretrained(tmp_path / "official.npz")
        assert all(torch.equal(value, theirs.state_dict()[name]) for name, value in reader.state_dict().items())
    save_safetensors(ours, tmp_path / "timm.safetensors", layout="timm")
    again, before = load_file(tmp_path / "timm.safetensors"), theirs.state_dict()
    assert again.keys() == before.keys()
    assert all(torch.equal(again[name], before[name]) for name in before)


@pytest.mark.parametrize(
    ("name", "theirs", "resolution"),
    [
        ("ViT-B/16", "vit_base_patch16_224", 224),
        ("ViT-H/14", "vit_huge_patch14_224", 224),
        ("R50x1+ViT-B/16", "vit_base_r50_s16_384", 384),
        ("R50x1+ViT-L/32", "vit_large_r50_s32_224", 224),
        ("R26+ViT-S/32", "vit_small_r26_s32_224", 224),
        (ResNet((3, 4, 6, 3), activation="pre"), "resnetv2_50x1_bit", 224),
    ],
)
def test_named_models_have_the_same_parameters(timm: Any, name: str | ResNet, theirs: str, resolution: int) -> None:
    spec = without_representation(zoo_model(name) if isinstance(name, str) else name)
    with torch.device("meta"):
        module = build(spec, 1000, resolution=resolution)
        expected = timm.create_model(theirs, num_classes=1000).state_dict()
    written = export_weights(module.state_dict(), layout_entries(module, "timm"))
    assert {n: v.shape for n, v in written.items()} == {n: v.shape for n, v in expected.items()}


def test_mean_of_tokens_normed_afterwards_is_refused(timm: Any) -> None:
    theirs = timm.models.VisionTransformer(
        img_size=32, patch_size=8, embed_dim=12, depth=2, num_heads=3, mlp_ratio=2, class_token=False, global_pool="avg"
    )
    with pytest.raises(ValueError, match=r"fc_norm.weight is a norm after the pooling, where ours is before it"):
        load_weights(build(GAP, 1000, resolution=32), theirs.state_dict())

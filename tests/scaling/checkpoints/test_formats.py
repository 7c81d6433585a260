from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch

from scaling.checkpoints.formats import load_weights, save_npz, save_safetensors
from scaling.models.positions import GridTables, resize_positions
from scaling.models.vit import VisionTransformer
from scaling.specs.architectures import Hybrid, ResNet, ViT
from scaling.specs.models import Architecture
from tests.helpers.kinds import known
from tests.helpers.weights import arrays, before_linen, random_model, rename_all, same_weights, write_npz

VIT = ViT(patch_size=8, width=12, depth=2, mlp_dim=20, num_heads=3)
HIDDEN = ViT(patch_size=8, width=12, depth=1, mlp_dim=20, num_heads=3, representation_size=10)
GAP = ViT(patch_size=8, width=12, depth=1, mlp_dim=20, num_heads=3, pool="gap")
POST = ResNet((1, 2), width=8, groups=4)
PRE = ResNet((2, 1), width=8, groups=4, activation="pre")
ENCODER = ViT(patch_size=1, width=12, depth=1, mlp_dim=20, num_heads=2)
SMALL = Hybrid(ResNet((2,), width=8, groups=4, stem="small"), ENCODER)
Specs = dict[str, Architecture]
PLAIN: Specs = {"vit": VIT, "gap": GAP, "hybrid": Hybrid(POST, ENCODER), "small stem": SMALL, "post": POST, "pre": PRE}
KINDS = PLAIN | {"hidden": HIDDEN}
QUERY = "Transformer/encoderblock_0/MultiHeadDotProductAttention_0/query/kernel"
POSITIONS = "Transformer/posembed_input/pos_embedding"


# --- there and back ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("layout", ["npz", "timm", "ours"])
def test_the_same_bits_come_back(kind: str, layout: Literal["npz", "timm", "ours"], tmp_path: Path) -> None:
    if (kind, layout) == ("hidden", "timm"):
        pytest.skip("timm has no hidden layer in the head: refused, below")
    source, target = random_model(KINDS[kind]), random_model(KINDS[kind], seed=1)
    path = tmp_path / "below" / ("model.npz" if layout == "npz" else "model.safetensors")
    save_npz(source, path) if layout == "npz" else save_safetensors(source, path, layout=layout)
    assert not same_weights(source, target)
    load_weights(target, path)
    assert same_weights(source, target)
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("kind", KINDS)
def test_names_of_the_first_released_files(kind: str, tmp_path: Path) -> None:
    source, target = random_model(KINDS[kind]), random_model(KINDS[kind], seed=1)
    save_npz(source, tmp_path / "old.npz", old_names=True)
    parts = {part for name in np.load(tmp_path / "old.npz").files for part in name.split("/")}
    assert ("MlpBlock_3" in parts) == ("LayerNorm_2" in parts) == hasattr(source, "cls_token")
    assert not parts & {"MlpBlock_0", "LayerNorm_1", "MultiHeadDotProductAttention_0"}
    load_weights(target, tmp_path / "old.npz")
    assert same_weights(source, target)


VARIANTS: Specs = {
    "2d": ViT(8, 12, 1, 20, 3, positions="2d"),
    "relative": ViT(8, 12, 1, 20, 3, positions="relative"),
    "none": ViT(8, 12, 1, 20, 3, positions="none"),
    "every layer": ViT(8, 12, 1, 20, 3, positions_at="every_layer"),
    "shared": ViT(8, 12, 1, 20, 3, positions_at="every_layer_shared"),
    "axial": ViT(8, 12, 1, 20, 3, pool="gap", attention="axial"),
    "axial ResNet": ResNet((1, 1), width=16, groups=4, spatial="axial"),
    "pre-activation hybrid": Hybrid(PRE, ENCODER),
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_variants_go_under_our_names_only(variant: str, tmp_path: Path) -> None:
    source, target = random_model(VARIANTS[variant]), random_model(VARIANTS[variant], seed=1)
    with pytest.raises(
        ValueError, match=r"^layout vision_transformer .*our own names in .safetensors hold every model$"
    ):
        save_npz(source, tmp_path / "model.npz")
    assert not list(tmp_path.iterdir())
    save_safetensors(source, tmp_path / "model.safetensors")
    load_weights(target, tmp_path / "model.safetensors")
    assert same_weights(source, target)


def test_official_weights_do_not_go_into_a_variant(tmp_path: Path) -> None:
    given = arrays(random_model(GAP), tmp_path)
    with pytest.raises(ValueError, match="holds ViTs with attention 'full', not 'axial'"):
        load_weights(random_model(VARIANTS["axial"]), given)
    with pytest.raises(ValueError, match="layout big_transfer has no place for"):
        load_weights(random_model(POST), arrays(random_model(PRE), tmp_path))


def test_other_image_sizes_resize_the_positions(tmp_path: Path) -> None:
    for spec, class_token in ((VIT, True), (GAP, False)):
        source, target = random_model(spec), random_model(spec, resolution=48)
        load_weights(target, arrays(source, tmp_path))
        given, resized = known(torch.Tensor, source.pos_embed), known(torch.Tensor, target.pos_embed)
        assert torch.equal(resized, resize_positions(given, (6, 6), class_token=class_token))
    target = known(VisionTransformer, random_model(VARIANTS["2d"], resolution=48))
    load_weights(target, random_model(VARIANTS["2d"]).state_dict())
    assert known(GridTables, target.pos_embed).x.shape == (1, 6, 6)


# --- heads -------------------------------------------------------------------------------------------------------


def hidden_kernel(model: VisionTransformer) -> torch.Tensor:
    return known(torch.nn.Linear, model.pre_logits).weight


def test_the_head_is_kept_reset_or_dropped(tmp_path: Path) -> None:
    given = arrays(random_model(HIDDEN, classes=7), tmp_path)
    kept, reset, dropped, fresh = (random_model(HIDDEN, classes=7, seed=1) for _ in range(4))
    load_weights(kept, given)
    load_weights(reset, given, head="reset")
    load_weights(dropped, given, head="drop")
    assert torch.equal(kept.head.bias, torch.from_numpy(given["head/bias"]))
    assert not reset.head.weight.any()
    assert not reset.head.bias.any()
    assert torch.equal(hidden_kernel(reset), hidden_kernel(kept))
    assert torch.equal(hidden_kernel(dropped), hidden_kernel(fresh))
    assert torch.equal(dropped.head.weight, fresh.head.weight)
    assert torch.equal(dropped.norm.weight, kept.norm.weight)


@pytest.mark.parametrize("kind", ["vit", "pre", "post", "hybrid"])
@pytest.mark.parametrize("layout", ["npz", "timm", "ours"])
def test_another_number_of_classes(kind: str, layout: Literal["npz", "timm", "ours"], tmp_path: Path) -> None:
    source, target = random_model(KINDS[kind]), random_model(KINDS[kind], classes=9, seed=1)
    before = target.state_dict()["head.weight"].clone()
    path = tmp_path / ("model.npz" if layout == "npz" else "model.safetensors")
    save_npz(source, path) if layout == "npz" else save_safetensors(source, path, layout=layout)
    with pytest.raises(ValueError, match=r"wrong shape: .*head.* instead of .*head='reset' leaves out the classifier"):
        load_weights(target, path)
    load_weights(target, path, head="drop")
    assert torch.equal(target.head.weight, before)
    load_weights(target, path, head="reset")
    assert not target.head.weight.any()


def test_a_hidden_layer_on_one_side_only(tmp_path: Path) -> None:
    without, hidden = random_model(VIT), random_model(ViT(8, 12, 2, 20, 3, representation_size=12))
    with pytest.raises(ValueError, match=r"left over: pre_logits/bias, pre_logits/kernel; .*'drop' the whole head"):
        load_weights(without, arrays(hidden, tmp_path), head="reset")
    with pytest.raises(ValueError, match=r"missing: pre_logits/bias, pre_logits/kernel; .*'drop' the whole head"):
        load_weights(hidden, arrays(without, tmp_path))
    target = random_model(VIT, seed=1)
    load_weights(target, arrays(hidden, tmp_path), head="drop")
    assert torch.equal(target.norm.weight, hidden.norm.weight)


def test_files_without_a_head(tmp_path: Path) -> None:
    given = {name: array for name, array in arrays(random_model(VIT), tmp_path).items() if not name.startswith("head")}
    with pytest.raises(ValueError, match="missing: head/bias, head/kernel; head='reset' leaves out"):
        load_weights(random_model(VIT), given)
    load_weights(random_model(VIT), given, head="reset")


# --- what cannot be ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["", "opt/target/"])
def test_parameters_that_do_not_fit_are_called_as_in_the_file(prefix: str, tmp_path: Path) -> None:
    model = random_model(VIT, seed=1)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    given = rename_all(arrays(random_model(VIT), tmp_path), lambda name: prefix + before_linen(name))
    broken = given | {f"{prefix}Transformer/extra": np.zeros(2, np.float32)}
    del broken[f"{prefix}cls"]
    query = prefix + before_linen(QUERY)
    broken[query] = broken[query].reshape(12, 2, 6)
    write_npz(tmp_path / "broken.npz", broken)
    with pytest.raises(ValueError, match=f"broken.npz does not fit the model: missing: {prefix}cls; ") as error:
        load_weights(model, tmp_path / "broken.npz")
    assert f"left over: {prefix}Transformer/extra; " in str(error.value)
    assert f"wrong shape: {query} [12, 2, 6] instead of [12, 3, 4]" in str(error.value)
    assert "\n" not in str(error.value)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


def test_a_long_list_is_cut(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"left over: (\S+, ){2}\S+ and 13 more$"):
        load_weights(random_model(ViT(8, 12, 1, 20, 3)), arrays(random_model(VIT), tmp_path))


@pytest.mark.parametrize("shape", [(1, 15, 12), (1, 0, 12), (1, 17, 6), (17, 12), (2, 17, 12)])
def test_positions_of_no_square(shape: tuple[int, ...], tmp_path: Path) -> None:
    given = arrays(random_model(VIT), tmp_path) | {POSITIONS: np.zeros(shape, np.float32)}
    with pytest.raises(ValueError, match=f"wrong shape: {POSITIONS} "):
        load_weights(random_model(VIT), given)


def test_what_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"must be called .npz, got"):
        save_npz(random_model(VIT), tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match="timm's models have no hidden layer"):
        save_safetensors(random_model(HIDDEN), tmp_path / "model.safetensors", layout="timm")
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=r"cannot be written: .*Not a directory|cannot be written: .*File exists"):
        save_npz(random_model(VIT), tmp_path / "file" / "model.npz")
    (tmp_path / "folder" / "model.npz").mkdir(parents=True)
    with pytest.raises(ValueError, match=r"cannot be written: .*Is a directory"):
        save_npz(random_model(VIT), tmp_path / "folder" / "model.npz")
    assert len(list((tmp_path / "folder").iterdir())) == 1  # no draft stays behind
    with pytest.raises(ValueError, match="head must be one of keep, reset, drop, got 'fresh'"):
        load_weights(random_model(VIT), {}, head="fresh")  # type: ignore[arg-type]

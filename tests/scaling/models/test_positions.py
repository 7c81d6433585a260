from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import zoom
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from scaling.models import build, load_pretrained
from scaling.models.positions import GridTables, relative_logits, resize_positions, resize_relative
from scaling.models.vit import Block, VisionTransformer
from scaling.specs.architectures import ViT
from tests.helpers.kinds import known

SIZES: dict[str, Any] = {"patch_size": 4, "width": 12, "depth": 2, "mlp_dim": 20, "num_heads": 3}
Place = Literal["stem", "every_layer", "every_layer_shared"]
PLACES: tuple[Place, ...] = ("stem", "every_layer", "every_layer_shared")


def made(spec: ViT, resolution: int) -> VisionTransformer:
    return known(VisionTransformer, build(spec, 5, resolution=resolution))


def zoomed(tables: Tensor, *sizes: int) -> Tensor:
    """Tables [P, *old sizes, D] brought to [P, *sizes, D] by scipy, as in the official code."""
    factors = [size / old for size, old in zip(sizes, tables.shape[1:-1], strict=True)]
    return torch.stack([torch.from_numpy(zoom(table.numpy(), (*factors, 1), order=1)) for table in tables])


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 7), st.integers(1, 9), st.integers(1, 9), st.booleans())
def test_resizing_equals_scipy_zoom(side: int, rows: int, columns: int, class_token: bool) -> None:
    table = torch.randn(2, class_token + side * side, 3, generator=torch.Generator().manual_seed(side))
    resized = resize_positions(table, (rows, columns), class_token=class_token)
    expected = zoomed(table[:, class_token:].unflatten(1, (side, side)), rows, columns).flatten(1, 2)
    assert resized.shape == (2, class_token + rows * columns, 3)
    assert torch.equal(resized[:, :class_token], table[:, :class_token])
    np.testing.assert_allclose(resized[:, class_token:].numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("class_token", [False, True])
def test_same_grid_is_unchanged_and_type_kept(class_token: bool) -> None:
    table = torch.randn(1, 9 + class_token, 4, dtype=torch.bfloat16)
    assert torch.equal(resize_positions(table, (3, 3), class_token=class_token), table)
    assert resize_positions(table, (5, 5), class_token=class_token).dtype == torch.bfloat16


def test_grid_that_is_no_square() -> None:
    with pytest.raises(ValueError, match="must be of a square grid, but has 7 rows besides the class token's"):
        resize_positions(torch.zeros(1, 8, 4), (2, 2))
    with pytest.raises(ValueError, match="must be of a square grid, but has 8 rows"):
        resize_positions(torch.zeros(1, 8, 4), (2, 2), class_token=False)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 9), st.integers(1, 9))
def test_relative_keys_are_stretched_around_offset_0(old: int, new: int) -> None:
    keys = torch.randn(2 * old - 1, 3, generator=torch.Generator().manual_seed(old))
    resized = resize_relative(keys, 2 * new - 1)
    assert resized.shape == (2 * new - 1, 3)
    torch.testing.assert_close(resized[new - 1], keys[old - 1])
    if new > 1:
        torch.testing.assert_close(resized, zoomed(keys[None], 2 * new - 1)[0], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("grid", [2, 3, 6])
@pytest.mark.parametrize("pool", ["token", "gap"])
@pytest.mark.parametrize(("positions", "places"), [("1d", PLACES), ("2d", PLACES), ("relative", ("stem",))])
def test_pretrained_positions_take_the_grid_of_the_model(
    positions: Literal["1d", "2d", "relative"], places: tuple[Place, ...], pool: Literal["token", "gap"], grid: int
) -> None:
    for at in places:
        spec = ViT(**SIZES, positions=positions, positions_at=at, pool=pool)
        source, target = build(spec, 5, resolution=12), build(spec, 5, resolution=4 * grid)
        load_pretrained(target, source.state_dict())
        old, new = source.state_dict(), target.state_dict()
        for name in new:
            if name == "pos_embed":
                first = int(pool == "token")
                assert torch.equal(new[name][:, :first], old[name][:, :first])
                patches = zoomed(old[name][:, first:].unflatten(1, (3, 3)), grid, grid).flatten(1, 2)
                torch.testing.assert_close(new[name][:, first:], patches)
            elif name in ("pos_embed.x", "pos_embed.y"):
                torch.testing.assert_close(new[name], zoomed(old[name], grid))
            elif name.endswith("relative"):
                torch.testing.assert_close(new[name], zoomed(old[name][None], 2 * grid**2 - 1)[0])
            elif not name.startswith("head"):
                assert torch.equal(new[name], old[name])
        assert target(torch.randn(1, 3, 4 * grid, 4 * grid)).shape == (1, 5)


def test_weights_of_another_form_are_refused_in_one_line() -> None:
    target = build(ViT(**SIZES, pool="gap"), 5, resolution=12)
    before = [value.clone() for value in target.state_dict().values()]
    others = {
        "left over: cls_token; wrong shape: pos_embed": ViT(**SIZES),
        "missing: pos_embed; left over: pos_embed.x, pos_embed.y": ViT(**SIZES, pool="gap", positions="2d"),
        r"pos_embed \[2, 9, 12\] instead of \[1, 9, 12\]": ViT(**SIZES, pool="gap", positions_at="every_layer"),
        "missing: pos_embed": ViT(**SIZES, pool="gap", positions="none"),
        "left over: blocks.0.attention.relative, blocks": ViT(**SIZES, pool="gap", positions="relative"),
    }
    for message, spec in others.items():
        with pytest.raises(ValueError, match=message) as error:
            load_pretrained(target, build(spec, 5, resolution=16).state_dict())
        assert "\n" not in str(error.value)
    flat = {**target.state_dict(), "pos_embed": torch.zeros(9, 12)}
    with pytest.raises(ValueError, match=r"pos_embed \[9, 12\] instead of \[1, 9, 12\]"):
        load_pretrained(target, flat)
    assert all(torch.equal(*pair) for pair in zip(before, target.state_dict().values(), strict=True))


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 7), st.booleans(), st.integers(1, 2))
def test_relative_logits_equal_a_loop_over_pairs(patches: int, class_token: bool, heads: int) -> None:
    q = torch.randn(2, heads, class_token + patches, 4, dtype=torch.float64)
    keys = torch.randn(2 * patches - 1, 4, dtype=torch.float64)
    expected = torch.zeros(2, heads, class_token + patches, class_token + patches, dtype=torch.float64)
    for i in range(patches):
        for j in range(patches):
            key = keys[j - i + patches - 1]
            expected[:, :, class_token + i, class_token + j] = q[:, :, class_token + i] @ key / 4**0.5
    torch.testing.assert_close(relative_logits(q, keys), expected)


def test_relative_logits_hold_no_key_per_pair() -> None:
    q, keys = torch.empty(1, 1, 64, 8, device="meta"), torch.empty(127, 8, device="meta")
    sizes: list[int] = []

    class Sizes(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            out = func(*args, **(kwargs or {}))
            sizes.append(out.numel())
            return out

    counting: Callable[[], TorchDispatchMode] = Sizes  # whose own __init__ has no types
    with counting():
        relative_logits(q, keys)
    assert max(sizes) == 64 * 127  # not 64 * 64 * 8


def test_grid_tables_put_the_column_beside_the_row() -> None:
    tables = GridTables(2, 3, 4, class_token=True)
    whole = tables()
    assert whole.shape == (2, 1 + 9, 4)
    assert tables.cls is not None
    assert torch.equal(whole[:, 0], tables.cls[:, 0])
    for row in range(3):
        for column in range(3):
            expected = torch.cat([tables.x[:, column], tables.y[:, row]], dim=-1)
            assert torch.equal(whole[:, 1 + 3 * row + column], expected)
    assert GridTables(1, 3, 4, class_token=False)().shape == (1, 9, 4)


@pytest.mark.parametrize("attention", ["full", "axial"])
@pytest.mark.parametrize("positions", ["1d", "2d"])
@pytest.mark.parametrize("places", PLACES)
def test_tables_are_added_where_they_should(
    positions: Literal["1d", "2d"], places: Place, attention: Literal["full", "axial"]
) -> None:
    spec = ViT(**SIZES, positions=positions, positions_at=places, pool="gap", attention=attention)
    model = made(spec, 8)
    embed = model.pos_embed
    tables = known(GridTables, embed)() if positions == "2d" else known(nn.Parameter, embed)  # [P, S, D]
    nothing = torch.zeros_like(tables[0])
    expected = {
        "stem": [tables[0], nothing],
        "every_layer": list(tables),
        "every_layer_shared": [tables[0], tables[0]],
    }[places]
    seen: list[tuple[Tensor, Tensor]] = []
    for block in model.blocks:
        block.register_forward_hook(lambda _block, inputs, output: seen.append((inputs[0], output)))
    patches = model.embed(torch.randn(2, 3, 8, 8))
    model.encode(patches)
    for before, (inputs, _), table in zip([patches, seen[0][1]], seen, expected, strict=True):
        torch.testing.assert_close(inputs, before + table)
    assert len(tables) == (2 if places == "every_layer" else 1)


def test_all_start_from_the_same_distribution() -> None:
    torch.manual_seed(0)
    sizes = {**SIZES, "width": 48}
    forms: list[dict[str, Any]] = [{"positions_at": "every_layer"}, {"positions": "2d"}, {"positions": "relative"}]
    for form in forms:
        model = build(ViT(**sizes, **form), 5, resolution=32)
        for name, value in model.named_parameters():
            if name.startswith("pos_embed") or name.endswith("relative"):
                assert value.std().item() == pytest.approx(0.02, rel=0.25 if name.endswith("cls") else 0.1), name
                assert abs(value.mean().item()) < 0.01


def test_relative_attention_equals_loops() -> None:
    attention = known(Block, made(ViT(**SIZES, positions="relative"), 8).blocks[1]).attention
    assert attention.relative is not None
    for parameter in attention.parameters():
        nn.init.normal_(parameter, std=0.5)
    x = torch.randn(1, 1 + 4, 12)
    q, k, v = attention.qkv(x).view(5, 3, 3, 4).permute(1, 2, 0, 3)  # [head, token, 4] each
    heads = torch.zeros(5, 3, 4)
    for head in range(3):
        for i in range(5):
            logits = torch.zeros(5)
            for j in range(5):
                key = k[head, j]
                if i > 0 and j > 0:  # token 0 is the class token
                    key = key + attention.relative[(j - i) + 3]
                logits[j] = q[head, i] @ key / 2
            heads[i, head] = logits.softmax(0) @ v[head]
    torch.testing.assert_close(attention(x)[0], attention.out(heads.flatten(1)), atol=1e-5, rtol=1e-4)

"""Augmentations: each operation against another implementation of it, the same batches everywhere, mistakes."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from scaling.data.pipeline.augmentation import augment_in_place
from scaling.data.pipeline.loading import Stream, batches
from scaling.data.pipeline.operations import applied, blurred, greyed, hue_turned
from scaling.data.pipeline.policies import INCREASING, ORIGINAL, V0, WIDE
from scaling.data.sources.encoding import png
from scaling.specs.augmentation import (
    AutoAugment,
    ColorJitter,
    RandAugment,
    RandomErasing,
    ThreeAugment,
    TrivialAugment,
)
from scaling.specs.functions import Augmentation
from scaling.specs.identity import from_json, to_json
from scaling.specs.recipe import Augment, Recipe
from tests.helpers.photographs import photograph, written

HERE = "tests.helpers.functions"
EVERY: dict[str, Augment] = {
    "rand": RandAugment(2, 10),
    "rand increasing": RandAugment(3, 9, "increasing", std=0.5, probability=0.5),
    "auto": AutoAugment(),
    "trivial": TrivialAugment(),
    "three": ThreeAugment(),
    "jitter": ColorJitter(0.4, 0.4, 0.4, 0.1, probability=0.8),
    "erasing": RandomErasing(probability=0.5),
    "grey": RandomErasing(probability=1.0, fill="grey"),
    "view": Augmentation(f"{HERE}:mirrored"),
    "user": Augmentation(f"{HERE}:fade", {"most": 0.9}),
}
NEUTRAL: list[Augment] = [
    RandAugment(layers=0),
    RandAugment(probability=0.0),
    ColorJitter(),
    ColorJitter(1, 1, 1, 0.5, probability=0.0),
    RandomErasing(probability=0.0),
    Augmentation(f"{HERE}:fade", {"most": 0.0}),
]


def picture(side: int = 48, seed: int = 0) -> Image.Image:
    """Smooth colours, and noise in a corner."""
    rng = np.random.default_rng(seed)
    smooth = Image.fromarray(rng.integers(0, 256, (5, 4, 3), dtype=np.uint8)).resize(
        (side, side), Image.Resampling.BICUBIC
    )
    pixels = np.array(smooth)
    pixels[: side // 4, : side // 3] = rng.integers(0, 256, (side // 4, side // 3, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def many(augment: Augment, n: int, pixels: np.ndarray) -> np.ndarray:
    """An image augmented n times, uint8 [n, R, R, 3]."""
    x = torch.from_numpy(np.repeat(pixels[None], n, 0)).permute(0, 3, 1, 2)
    return augmented(x, (augment,), np.arange(n, dtype=np.uint64)[:, None]).permute(0, 2, 3, 1).numpy()


def augmented(x: torch.Tensor, augment: tuple[Augment, ...], seeds: np.ndarray) -> torch.Tensor:
    out = x.clone()
    augment_in_place(out, augment, seeds)
    return out


PILLOW: dict[str, tuple[list[float], Callable[[Image.Image, float], Image.Image]]] = {
    "identity": ([0], lambda x, amount: x),
    "autocontrast": ([0], lambda x, amount: ImageOps.autocontrast(x)),
    "equalize": ([0], lambda x, amount: ImageOps.equalize(x)),
    "invert": ([0], lambda x, amount: ImageOps.invert(x)),
    "rotate": ([0, 30, -135], lambda x, amount: x.rotate(amount, fillcolor=(9, 9, 9))),
    "posterize": ([1, 4, 8], lambda x, amount: ImageOps.posterize(x, int(amount))),
    "solarize": ([0, 100, 256], lambda x, amount: ImageOps.solarize(x, int(amount))),
    "brightness": ([0, 0.1, 1, 1.9], lambda x, amount: ImageEnhance.Brightness(x).enhance(amount)),
    "contrast": ([0, 0.1, 1, 1.9], lambda x, amount: ImageEnhance.Contrast(x).enhance(amount)),
    "color": ([0, 0.1, 1, 1.9], lambda x, amount: ImageEnhance.Color(x).enhance(amount)),
    "sharpness": ([0, 0.1, 1, 1.9, 5.5], lambda x, amount: ImageEnhance.Sharpness(x).enhance(amount)),
}


@pytest.mark.parametrize("name", PILLOW)
def test_operations_are_pillows(name: str) -> None:
    amounts, expected = PILLOW[name]
    for image in (picture(), picture(2), picture(1), Image.new("RGB", (8, 8), (3, 200, 3))):
        for amount in amounts:
            assert applied(name, image, amount, 9).tobytes() == expected(image, amount).tobytes(), amount


def test_geometry_by_indices() -> None:
    """A shear or translation takes the pixel nearest to its place in the image."""
    image = picture()
    x = np.array(image)
    rows, columns = np.mgrid[: len(x), : len(x)] + 0.5  # centres of pixels
    for name, amount, across, down in (
        ("shear_x", 0.3, 0.3 * rows, 0),
        ("shear_y", -0.3, 0, -0.3 * columns),
        ("translate_x", 11, 11, 0),
        ("translate_y", -47, 0, -47),
    ):
        row, column = (np.floor(at).astype(int) for at in (rows + down, columns + across))
        inside = (row >= 0) & (row < len(x)) & (column >= 0) & (column < len(x))
        expected = np.where(inside[..., None], x[row.clip(0, 47), column.clip(0, 47)], 77)
        assert np.array_equal(np.array(applied(name, image, amount, 77)), expected), name


def test_values_by_hand() -> None:
    values = np.arange(256, dtype=np.uint8)
    image = Image.fromarray(np.repeat(values[:, None, None], 3, 2))
    added = np.array(applied("solarize_add", image, 110, 0))[:, 0, 1]
    assert added.tolist() == [v + 110 if v < 128 else v for v in range(256)]
    assert not np.array(applied("posterize", image, 0, 0)).any()
    weights = np.array([0.299, 0.587, 0.114])  # ITU-R 601
    assert np.abs(np.array(greyed(picture())).astype(float) - (np.array(picture()) @ weights)[..., None]).max() <= 0.51
    assert np.abs(np.array(hue_turned(picture(), 0.0)).astype(int) - np.array(picture())).max() <= 6  # by way of HSV
    red = np.array(hue_turned(Image.new("RGB", (1, 1), (255, 0, 0)), 1 / 3))[0, 0]
    assert red.tolist() == pytest.approx([0, 255, 0], abs=6)
    assert blurred(picture(), 1.5).tobytes() == picture().filter(ImageFilter.GaussianBlur(1.5)).tobytes()


TIMM = {
    **{name: f"{name.title()}" for name in ("equalize", "invert", "rotate", "posterize", "solarize", "color")},
    **{name: name.title() for name in ("contrast", "brightness", "sharpness")},
    **{"autocontrast": "AutoContrast", "solarize_add": "SolarizeAdd", "shear_x": "ShearX", "shear_y": "ShearY"},
    **{"translate_x": "TranslateXRel", "translate_y": "TranslateYRel"},
}


def test_magnitudes_and_policy_are_timms() -> None:
    timm = pytest.importorskip("timm.data.auto_augment", reason="timm is the other implementation")
    theirs = timm.auto_augment_policy_v0(timm._HPARAMS_DEFAULT)
    found = [[(TIMM[name], probability, magnitude) for name, probability, magnitude in pair] for pair in V0]
    assert found == [[(op.name, op.prob, op.magnitude) for op in pair] for pair in theirs]
    assert [TIMM[name] for name in INCREASING if name in TIMM] == [
        name.replace("Increasing", "") for name in timm._RAND_INCREASING_TRANSFORMS
    ]
    for table, suffix in ((ORIGINAL, ""), (INCREASING, "Increasing")):
        for name in table.keys() - {"cutout", "autocontrast", "equalize", "invert"}:
            levels = timm.LEVEL_TO_ARG.get(TIMM[name] + suffix) or timm.LEVEL_TO_ARG[TIMM[name]]
            if table is ORIGINAL and name.startswith("translate"):
                continue  # 100 of 224 pixels there, 45 % here
            for m in (0, 0.5, 2, 4.9, 7, 9, 10):
                ours = {table[name](m, sign, 200) / (200 if name.startswith("translate") else 1) for sign in (1, -1)}
                given = {levels(m, {})[0] for _ in range(20)}
                assert sorted(ours) == pytest.approx(sorted(given), abs=1e-9), (name, m)


def test_trivial_augments_magnitudes_are_torchvisions() -> None:
    transforms = pytest.importorskip("torchvision.transforms", reason="torchvision is the other implementation")
    space = transforms.TrivialAugmentWide()._augmentation_space(31)
    assert [name.lower() for name in space] == [name.replace("_", "") for name in WIDE]
    for name, (magnitudes, _) in zip(WIDE, space.values(), strict=True):
        for k in range(31):
            theirs = float(magnitudes[k]) if magnitudes.ndim else 0.0
            theirs = int(theirs + 1e-4) if name.startswith("translate") else theirs  # theirs has 15.999 for 16
            theirs += name in ("brightness", "color", "contrast", "sharpness")
            assert WIDE[name](k / 30, 1, 224) == pytest.approx(theirs, abs=1e-4), (name, k)


def test_authors_magnitudes_at_ten_and_their_edges() -> None:
    """Numbers of tensorflow/tpu, efficientnet/autoaugment.py, for an image of 224 pixels."""
    at_ten = {name: amount(10, 1, 224) for name, amount in ORIGINAL.items()}
    assert (at_ten["rotate"], at_ten["cutout"]) == (30, 40)
    expected = {"translate_x": 100, "posterize": 4, "solarize": 256, "color": 1.9, "shear_y": 0.3, "solarize_add": 110}
    assert {name: at_ten[name] for name in expected} == pytest.approx(expected)
    x = np.array(picture(20))
    for augment in (RandAugment(20, 0), RandAugment(20, 30), *(RandAugment(20, m, "increasing") for m in (0, 10))):
        assert many(augment, 8, x).shape == (8, 20, 20, 3)


@settings(max_examples=60, deadline=None)
@given(
    augment=st.lists(st.sampled_from(list(EVERY.values())), min_size=1, max_size=3),
    side=st.integers(1, 40),
    seed=st.integers(0, 2**64 - 1),
)
def test_an_image_stays_an_image(augment: list[Augment], side: int, seed: int) -> None:
    x = torch.from_numpy(np.array(picture(side))).permute(2, 0, 1)[None]
    seeds = np.full((1, len(augment)), seed, np.uint64)
    first, second = (augmented(x, tuple(augment), seeds) for _ in range(2))
    assert (first.shape, first.dtype) == (x.shape, torch.uint8)
    assert torch.equal(first, second)


@given(augment=st.sampled_from(NEUTRAL), seed=st.integers(0, 2**32))
@settings(max_examples=20, deadline=None)
def test_neutral_settings_leave_the_image(augment: Augment, seed: int) -> None:
    x = torch.from_numpy(np.array(picture(16))).permute(2, 0, 1)[None]
    assert torch.equal(augmented(x, (augment,), np.array([[seed]], np.uint64)), x)


@given(st.lists(st.sampled_from([*EVERY.values(), *NEUTRAL]), max_size=4))
@settings(max_examples=20, deadline=None)
def test_augmentations_come_back_from_json(augment: list[Augment]) -> None:
    recipe = Recipe(augment=tuple(augment))
    assert from_json(Recipe, to_json(recipe)) == recipe


def test_what_is_drawn_is_as_frequent_as_it_says() -> None:
    x = np.array(picture(24))
    erased = many(RandomErasing(probability=0.25), 2000, x)
    assert (erased != x).any(axis=(1, 2, 3)).mean() == pytest.approx(0.25, abs=0.04)
    grey = (many(RandomErasing(1.0, min_area=0.1, max_area=0.3, fill="grey"), 500, np.zeros_like(x)) == 128).all(3)
    shares = grey.mean(axis=(1, 2))
    assert 0.08 < shares.min() < 0.12 < 0.28 < shares.max() < 0.32
    assert all(mask[np.ix_(mask.any(1), mask.any(0))].all() for mask in grey)  # each is one rectangle
    three = many(ThreeAugment(jitter=0.0), 1500, x)
    kinds = [np.array(greyed(picture(24))), np.array(applied("solarize", picture(24), 128, 0))]
    assert [(three == kind).all(axis=(1, 2, 3)).mean() for kind in kinds] == pytest.approx([1 / 3] * 2, abs=0.04)
    darker = many(ColorJitter(brightness=0.4), 1000, np.full((2, 2, 3), 100, np.uint8))[:, 0, 0, 0]
    assert (darker.min(), darker.max(), darker.mean()) == (
        pytest.approx(60, abs=1),
        pytest.approx(140, abs=1),
        pytest.approx(99.5, abs=2),
    )
    # invert, and solarize_add at 0, are the only ones of the 16 that make of a flat 0 a flat 255 or leave it
    single = many(RandAugment(1, 10), 3200, np.zeros((8, 8, 3), np.uint8))
    assert (single == 255).all(axis=(1, 2, 3)).mean() == pytest.approx(1 / 16, abs=0.015)
    assert (single == 110).all(axis=(1, 2, 3)).mean() == pytest.approx(1 / 16, abs=0.015)


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory) -> Stream:
    recipe = Recipe(batch_size=48, loss="softmax", repeats=3, augment=tuple(EVERY.values()))
    uri = written(tmp_path_factory.mktemp("photos") / "photos.parquet", [photograph(i) for i in range(20)], (3,))
    return Stream(uri, None, np.arange(20), recipe, 7, 32, skip=True)


def pixels(stream: Stream, start: int = 0, loaders: int = 0) -> list[torch.Tensor]:
    return [x for x, _ in batches(start, 3, stream=stream, skipped={}, loaders=loaders)]


def same(first: list[torch.Tensor], second: list[torch.Tensor]) -> bool:
    return all(torch.equal(x, y) for x, y in zip(first, second, strict=True))


@pytest.mark.filterwarnings("ignore:This DataLoader will create 4 worker processes")
def test_batches_are_the_same_with_any_loaders_workers_and_first_step(stream: Stream) -> None:
    whole = pixels(stream)
    assert len({bytes(x.numpy()) for x in torch.cat(whole)}) == 144  # no copy of an image is like another
    for loaders in (2, 4):
        assert same(pixels(stream, loaders=loaders), whole)
    assert same(pixels(stream, 2), whole[2:])
    workers = [pixels(replace(stream, rank=rank, world=2)) for rank in range(2)]
    assert same([torch.cat(parts) for parts in zip(*workers, strict=True)], whole)


def test_small_images_are_augmented_by_loaders_too(tmp_path: Path, stream: Stream) -> None:
    small = [png(np.array(picture(16, seed))) for seed in range(40)]
    found = replace(stream, uri=written(tmp_path / "small.parquet", small), index=np.arange(40), resolution=16)
    assert same(pixels(found), pixels(found, loaders=2))


def test_an_augmentation_more_changes_nothing_that_others_draw(stream: Stream) -> None:
    """Their draws do not move: what is erased, of grey images, stays where it was; and so do crops and flips."""

    def erased(*first: Augment) -> torch.Tensor:
        recipe = replace(stream.recipe, augment=(*first, Augmentation(f"{HERE}:in_place")))
        return pixels(replace(stream, recipe=recipe))[0]

    plain = pixels(replace(stream, recipe=replace(stream.recipe, augment=())))[0]
    assert torch.equal(erased()[:, :, 16:], plain[:, :, 16:])
    assert not erased()[:, :, :16].any()
    assert torch.equal(erased(RandAugment(0), RandomErasing(0.0)), erased())


@pytest.mark.parametrize("loaders", [0, 1])
def test_a_function_that_fails_later_is_one_line_from_every_process(stream: Stream, loaders: int) -> None:
    recipe = replace(stream.recipe, augment=(Augmentation(f"{HERE}:broken"),))
    with pytest.raises(
        ValueError, match=r"^Augmentation tests\.helpers\.functions:broken fails: KeyError: 'no\\nsuch'$"
    ):
        pixels(replace(stream, recipe=recipe), loaders=loaders)

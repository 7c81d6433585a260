from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from scaling.data.pipeline import preprocessing
from scaling.data.pipeline.crops import inception_boxes
from scaling.data.pipeline.preprocessing import eval_images, train_images
from scaling.data.sources import encoding, parquet
from scaling.data.sources import images as sources
from scaling.data.sources.decoding import decode_reduced
from scaling.data.sources.encoding import png
from scaling.data.sources.filesystem import buffer
from scaling.data.sources.images import Images
from scaling.data.uris import Parquet
from scaling.models.layers import normalise
from scaling.randomness import batch_at, shard, uniforms
from tests.helpers.photographs import jpeg


def images_of(pixels: list[np.ndarray]) -> Images:
    content = encoding.encode_parquet([png(p) for p in pixels], np.arange(len(pixels)), [])
    split = parquet.read_files([buffer("memory", content)], Parquet("memory"))
    return Images(split.labels, split.classes, split.encoded)


@pytest.fixture(scope="module")
def small() -> Images:
    return images_of(list(np.random.default_rng(0).integers(0, 256, (50, 32, 32, 3), dtype=np.uint8)))


@pytest.fixture(scope="module")
def mixed() -> Images:
    rng = np.random.default_rng(1)
    return images_of([rng.integers(0, 256, (40 + 3 * i, 90 - 2 * i, 3), dtype=np.uint8) for i in range(20)])


@pytest.mark.parametrize("name", ["small", "mixed"])
def test_augmentation_does_not_depend_on_the_grouping(name: str, request: pytest.FixtureRequest) -> None:
    images = request.getfixturevalue(name)
    epochs, indices = batch_at(1, 100, len(images), 3)
    whole = train_images(images, indices, epochs, seed=3, resolution=24)
    assert whole.shape == (100, 3, 24, 24)
    assert whole.dtype == torch.uint8
    for world in (2, 4):
        parts = [shard((epochs, indices), rank, world) for rank in range(world)]
        assert torch.equal(torch.cat([train_images(images, i, e, seed=3, resolution=24) for e, i in parts]), whole)
    order = np.random.default_rng(0).permutation(100)
    assert torch.equal(train_images(images, indices[order], epochs[order], seed=3, resolution=24), whole[order])


def test_augmentation_depends_on_seed_epoch_and_index(small: Images) -> None:
    index, epoch = np.zeros(40, np.int64), np.arange(40)
    a = train_images(small, index, epoch, seed=0, resolution=16)
    assert len({bytes(x.numpy()) for x in a}) > 38
    assert not torch.equal(train_images(small, index, epoch, seed=1, resolution=16), a)


def test_dense_and_encoded_images_give_the_same(small: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "DENSE_BYTES", 0)
    lazy = Images(small.labels, None, small.encoded)
    epochs, indices = batch_at(0, 70, 50, 0)
    assert lazy.dense is None
    for resolution in (16, 32):
        a, b = (train_images(x, indices, epochs, seed=0, resolution=resolution) for x in (small, lazy))
        assert torch.equal(a, b)


def test_without_a_crop_only_flips_are_left(small: Images) -> None:
    indices = np.arange(50)
    pixels = torch.from_numpy(np.array(small.pixels(indices))).permute(0, 3, 1, 2)
    plain = train_images(small, indices, indices, seed=0, resolution=32, crop="none", flip=False)
    assert torch.equal(plain, pixels)
    flipped = train_images(small, indices, indices, seed=0, resolution=32, crop="none")
    mirrored = [torch.equal(a, b.flip(2)) for a, b in zip(flipped, pixels, strict=True)]
    assert all(m or torch.equal(a, b) for m, a, b in zip(mirrored, flipped, pixels, strict=True))
    assert 10 < sum(mirrored) < 40


def one_box_by_trying(rng: np.random.Generator) -> tuple[float, float, float, float]:
    """Share, log aspect, top and left of a crop of a 100x150 image, one try after the other."""
    while True:
        share, log_aspect = rng.uniform(0.05, 1), rng.uniform(np.log(3 / 4), np.log(4 / 3))
        h, w = np.sqrt(15_000 * share / np.exp(log_aspect)), np.sqrt(15_000 * share * np.exp(log_aspect))
        if h <= 100 and w <= 150:
            return share, log_aspect, rng.uniform(0, 100 - h) / 100, rng.uniform(0, 150 - w) / 150


def test_boxes_follow_the_rule() -> None:
    n, size = 20_000, np.array([[100, 150]])
    boxes = inception_boxes(np.repeat(size, n, 0), uniforms(0, 0, np.arange(n), 40), 0.05)
    top, left, h, w = boxes.T
    assert min(top.min(), left.min()) == 0
    assert (top + h).max() == 100
    assert (left + w).max() == 150
    share, aspect = h * w / 15_000, w / h
    assert 0.04 < share.min() < 0.06
    assert share.max() > 0.87  # of a 3:2 image, at an aspect of 4:3
    assert aspect.min() > 0.70
    assert aspect.max() < 1.40
    expected = np.array([one_box_by_trying(np.random.default_rng(i)) for i in range(4000)])
    assert (
        np.abs(expected.mean(0) - [share.mean(), np.log(aspect).mean(), top.mean() / 100, left.mean() / 150]).max()
        < 0.02
    )


def test_boxes_fall_back_to_the_whole_image() -> None:
    boxes = inception_boxes(np.array([[10, 1000]]), np.full((1, 40), 0.99), 1.0)
    assert boxes.tolist() == [[0, 0, 10, 1000]]
    tiny = inception_boxes(np.ones((100, 2), np.int64), uniforms(0, 0, np.arange(100), 40), 0.05)
    assert np.array_equal(tiny, np.tile([0, 0, 1, 1], (100, 1)))


def test_random_crops_are_windows_of_the_resized_image(mixed: Images) -> None:
    n, size, side = 400, 12, 8
    indices, epochs = np.arange(n) % 20, np.arange(n)
    crops = train_images(mixed, indices, epochs, seed=0, resolution=side, crop="random", resize=size, flip=False)
    whole = eval_images(mixed, np.arange(20), size)
    places = size - side + 1
    found = np.zeros((places, places), int)
    for index, crop in zip(indices, crops, strict=True):
        windows = whole[index].unfold(1, side, 1).unfold(2, side, 1).permute(1, 2, 0, 3, 4)  # [places, places, 3, R, R]
        (place,) = (windows == crop).flatten(2).all(2).nonzero().tolist()
        found[tuple(place)] += 1
    assert found.min() > 0  # every place, the corners among them
    assert found.max() < 4 * n / places**2


def test_random_crops_do_not_depend_on_the_grouping(mixed: Images) -> None:
    indices, epochs = np.arange(20), np.arange(20) % 3
    kind: dict[str, Any] = {"seed": 5, "resolution": 8, "crop": "random", "resize": 11}
    whole = train_images(mixed, indices, epochs, **kind)
    assert torch.equal(train_images(mixed, indices[7:], epochs[7:], **kind), whole[7:])
    assert not torch.equal(train_images(mixed, indices, epochs + 1, **kind), whole)


def test_evaluation_resizes_straight(mixed: Images, small: Images) -> None:
    out = eval_images(mixed, np.arange(20), 30)
    assert out.shape == (20, 3, 30, 30)
    alone = eval_images(mixed, np.array([7]), 30)[0]
    assert torch.equal(out[7], alone)
    x = torch.from_numpy(mixed.decode(7)).permute(2, 0, 1)[None].float()
    exact = torch.nn.functional.interpolate(x, size=(30, 30), mode="bilinear", antialias=True)[0]
    assert (alone - exact).abs().max() < 1.5
    same = eval_images(small, np.arange(5), 32)
    assert torch.equal(same, torch.from_numpy(np.array(small.pixels(np.arange(5)))).permute(0, 3, 1, 2))


def jpegs(sides: list[tuple[int, int]]) -> Images:
    content = encoding.encode_parquet([jpeg(i, *side) for i, side in enumerate(sides)], np.arange(len(sides)), [])
    split = parquet.read_files([buffer("memory", content)], Parquet("memory"))
    return Images(split.labels, split.classes, split.encoded)


@pytest.mark.parametrize("resolution", [16, 24, 60, 120])
def test_large_jpegs_are_decoded_smaller_and_look_the_same(resolution: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """As crops of the whole image, resized, to less than what a shift by half a pixel would change."""
    images = jpegs([(300, 260), (511, 333), (180, 900)])
    indices = np.repeat(np.arange(3), 10)
    epochs = np.tile(np.arange(10), 3)
    kind: dict[str, Any] = {"seed": 0, "resolution": resolution, "min_crop_area": 0.3}
    factors: list[int] = []

    def noted(data: bytes, factor: int) -> np.ndarray | None:
        factors.append(factor)
        return decode_reduced(data, factor)

    monkeypatch.setattr(preprocessing, "decode_reduced", noted)
    fast = train_images(images, indices, epochs, **kind), eval_images(images, np.arange(3), resolution)
    assert factors or resolution == 120
    monkeypatch.setattr(preprocessing, "decode_reduced", lambda data, factor: None)
    whole = train_images(images, indices, epochs, **kind), eval_images(images, np.arange(3), resolution)
    for a, b in zip(fast, whole, strict=True):
        assert (a.float() - b.float()).abs().mean() < b.float().diff(dim=3).abs().mean() / 2
        assert not torch.equal(a, b) or resolution == 120


def test_crops_keep_their_pixels_after_reduction() -> None:
    """The part that is resized has the result's pixels or more, but for the rounding of its edges."""
    images = jpegs([(300, 260)])
    data = images.encoded[0]
    assert data is not None
    for side in (10, 16, 20, 33, 64):
        for box in ([0, 0, 300, 260], [11, 7, 151, 203], [140, 100, 160, 160], [299 - side, 0, side + 1, side + 1]):
            height, width = preprocessing._part(data, [300, 260], box, side).shape[:2]
            assert side - 1 <= height <= box[2]
            assert side - 1 <= width <= box[3]


def test_normalise() -> None:
    x = normalise(torch.tensor([0, 51, 255], dtype=torch.uint8))
    assert x.dtype == torch.float32
    torch.testing.assert_close(x, torch.tensor([-1.0, -0.6, 1.0]))


def test_nothing_is_imported_from_ray() -> None:
    import scaling.data

    for file in Path(scaling.data.__file__).parent.parent.glob("*.py"):
        assert "import ray" not in file.read_text()

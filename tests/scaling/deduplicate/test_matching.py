"""Copies of every kind in a made corpus, and what is no copy."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.deduplication import COPIES, Corpus, corpus, scores
from scaling.data.sources.encoding import encode_parquet
from scaling.data.sources.read import open_split
from scaling.deduplicate import matching as dedup
from scaling.deduplicate import perceptual
from scaling.deduplicate.matching import KINDS, describe_tests, find_copies, judge


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """200 tests and 200 unrelated images of fractals, with 60 of the tests hidden upstream in five forms each."""
    images = open_split("ifs:classes=20,images=20,size=32", None)
    return corpus(images, 60, len(images), tmp_path_factory.mktemp("corpus"))


def parquet(path: Path, images: list[bytes]) -> str:
    path.write_bytes(encode_parquet(images, np.zeros(len(images), np.int64), ["any"]))
    return f"parquet:{path}"


def png(pixels: np.ndarray, level: int = 6) -> bytes:
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG", compress_level=level)
    return content.getvalue()


def test_copies_are_found_and_nothing_else(made: Corpus) -> None:
    found = scores(made, find_copies(made.upstream, describe_tests([made.tests])))
    assert found.pop("false positives") == 0
    assert found.keys() == COPIES.keys()
    assert min(found.values()) >= 0.95, found


def test_clothes_that_look_alike_are_no_copies(tmp_path: Path) -> None:
    clothes = corpus(open_split("fashion:train", None), 100, 1000, tmp_path)
    found = scores(clothes, find_copies(clothes.upstream, describe_tests([clothes.tests])))
    assert found.pop("false positives") == 0
    assert min(found.values()) >= 0.95, found


def test_processes_and_blocks_change_nothing(made: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = find_copies(made.upstream, describe_tests([made.tests]))
    monkeypatch.setattr(dedup, "BLOCK", 100)
    monkeypatch.setattr(dedup, "PAIRS", 50)
    several = find_copies(made.upstream, describe_tests([made.tests]), processes=2)
    for name in ("upstream", "test", "kind", "distance"):
        assert np.array_equal(getattr(alone, name), getattr(several, name)), name
    assert np.allclose(alone.residual, several.residual, atol=1e-5)
    assert several.described == alone.described


def test_kinds_sets_and_unreadable_images(tmp_path: Path) -> None:
    pixels = open_split("ifs:classes=6,images=1,size=32", None).pixels(np.arange(6))
    grey = np.full((32, 32, 3), 9, np.uint8)
    first = parquet(tmp_path / "a.parquet", [png(pixels[0]), png(grey)])
    second = parquet(tmp_path / "b.parquet", [png(pixels[1]), b"broken", png(pixels[2])])
    upstream = [png(pixels[5]), png(pixels[1]), png(pixels[0], level=1), b"", png(pixels[2][1:-1, 1:-1]), png(grey, 1)]
    tests = describe_tests([first, second])
    found = find_copies(parquet(tmp_path / "u.parquet", upstream), tests)
    kinds = [KINDS[kind] for kind in found.kind]
    assert list(zip(found.upstream.tolist(), found.test.tolist(), kinds, strict=True)) == [
        (1, 2, "bytes"),  # a number of the second set's
        (2, 0, "whole"),
        (4, 4, "crop"),
    ]
    assert tests.starts.tolist() == [0, 2]
    assert (found.described.images, found.described.flat) == (6, 1)
    ((number, reason),) = found.described.unreadable
    assert number == 3
    assert "row 3 of" in reason
    assert [number for number, _ in tests.described.unreadable] == [1]


def turned(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """The image as a camera would store it that gives this EXIF orientation."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    vertical, horizontal = orientation in (3, 4, 7, 8), orientation in (2, 3, 6, 7)
    return np.ascontiguousarray(pixels[:: -1 if vertical else 1, :: -1 if horizontal else 1])


@pytest.mark.parametrize("exif", [False, True])
def test_copies_in_all_eight_orientations_are_found(tmp_path: Path, exif: bool) -> None:
    pixels = open_split("ifs:classes=20,images=20,size=48", None).pixels(np.arange(400))
    tests = parquet(tmp_path / "test.parquet", [png(image[:36]) for image in pixels[:200]])
    upstream, originals = [], []
    for i in range(200):
        tag, sink = Image.Exif(), io.BytesIO()
        tag[0x0112] = i % 8 + 1
        image = Image.fromarray(turned(pixels[i][:36], i % 8 + 1))
        small = image.resize((image.width * 3 // 4, image.height * 3 // 4), Image.Resampling.BICUBIC)
        small.save(sink, "JPEG", quality=70, **({"exif": tag} if exif else {}))
        upstream.append(sink.getvalue())
        originals.append(i)
    upstream += [png(image[:36]) for image in pixels[200:]]
    found = find_copies(parquet(tmp_path / "u.parquet", upstream), describe_tests([tests]))
    assert found.upstream.max() < 200  # no unrelated image
    right = np.unique(found.upstream[found.upstream == found.test])
    assert len(right) >= 190
    # Those as they lie are no turned ones; most others are of no symmetry.
    assert "turned" not in {KINDS[kind] for kind in found.kind[found.upstream % 8 == 0]}
    of_turned = found.kind[(found.upstream % 8 != 0) & (found.upstream == found.test)]
    assert (of_turned == KINDS.index("turned")).mean() > 0.9
    assert len(np.unique(found.upstream * 1000 + found.test)) == len(found.upstream)


def test_turned_thumbnails_are_those_of_turned_images() -> None:
    image = open_split("ifs:classes=1,images=1,size=48", None).decode(0)[:36]
    turns = perceptual.turns(perceptual.thumbnail(image)[None])
    expected = [perceptual.thumbnail(turned(image, orientation)) for orientation in range(2, 9)]
    for thumbnail in expected:
        assert min(np.abs(thumbnail - some[0]).max() for some in turns) < 1e-3
    assert len(np.unique([some[0].round(2) for some in turns], axis=0)) == 7


def test_look_alikes_whose_hashes_are_not_near_count_too(tmp_path: Path) -> None:
    """A dress is no copy of the one dress of a near hash, since others that are as near have far hashes."""
    images = open_split("fashion:test", None)
    tests = describe_tests([f"fashion:test?part=:{len(images) // 2}"])
    thumbnails = np.stack([perceptual.thumbnail(images.decode(i)) for i in range(1000, 1020)])
    bases = perceptual.tangents(thumbnails)
    queries, entries, residual = dedup._nearest(np.arange(20), bases, tests)
    wholes = np.flatnonzero(tests.owners % perceptual.CROPS == 0)
    for query in range(20):
        every = perceptual.residuals(np.repeat(bases[query : query + 1], len(wholes), 0), tests.signatures[wholes])
        mine = queries == query
        assert np.allclose(np.sort(residual[mine]), np.sort(every)[: dedup.MOST + 1], atol=1e-6)
        assert np.allclose(every[np.searchsorted(wholes, entries[mine])], residual[mine], atol=1e-6)


def test_a_copy_stands_out_from_the_next_test_image() -> None:
    def copies(*residuals: float) -> list[bool]:
        found: list[bool] = judge(
            np.zeros(len(residuals), np.int64), np.arange(len(residuals)), np.array(residuals)
        ).tolist()
        return found

    assert copies(0.019) == [True]  # no other test image near
    assert copies(0.021) == [False]
    assert copies(0.001, 0.03) == [True, False]
    assert copies(0.006, 0.03) == [False, False]
    assert not any(copies(0.001, 0.002, 0.003, 0.004, 0.005))  # one shirt of many
    assert copies(0.0015, 0.001, 0.3) == [True, True, False]  # the tests hold the picture twice
    assert judge(np.array([3, 3]), np.array([1, 1]), np.array([0.5, 0.001])).tolist() == [False, True]  # two crops
    none = np.empty(0, np.int64)
    assert judge(none, none, np.empty(0)).tolist() == []

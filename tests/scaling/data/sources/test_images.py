import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from scaling.data.sources import builtin, decoding
from scaling.data.sources import images as sources
from scaling.data.sources.decoding import CorruptImageError, decode
from scaling.data.sources.encoding import encode_parquet, png
from scaling.data.sources.read import open_split
from scaling.store.storage import Storage
from tests.helpers.images import plain_labels

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (6, 9, 7, 3), dtype=np.uint8)
LABELS = np.array([2, 0, 1, 1, 0, 2])


def write(
    path: Path, images: Sequence[bytes | None], labels: np.ndarray = LABELS, names: tuple[str, str] = ("image", "label")
) -> str:
    """A Parquet file with a plain binary column."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({names[0]: pa.array(images, pa.binary()), names[1]: labels}), path)
    return f"parquet:{path}"


def test_hugging_face_layout(tmp_path: Path) -> None:
    file = tmp_path / "train.parquet"
    file.write_bytes(encode_parquet([png(p) for p in PIXELS], LABELS, ["a", "b", "c"]))
    images = open_split(f"parquet:{file}", None)
    assert len(images) == 6
    assert images.classes == ["a", "b", "c"]
    assert plain_labels(images).dtype == np.int64
    assert np.array_equal(plain_labels(images), LABELS)
    assert np.array_equal(images.pixels(np.array([4, 1])), PIXELS[[4, 1]])
    assert open_split(f"parquet:{file}", None) is images


def test_plain_column_by_other_names(tmp_path: Path) -> None:
    uri = write(tmp_path / "x.parquet", [png(p) for p in PIXELS], names=("photo", "fine"))
    images = open_split(f"{uri}?image=photo&label=fine", None)
    assert images.classes is None
    assert np.array_equal(images.pixels(np.arange(6)), PIXELS)
    assert (
        open_split(write(tmp_path / "y.parquet", [png(PIXELS[0])], LABELS[:1], ("img", "label")), None).dense
        is not None
    )


def test_directory_and_globs_take_files_in_order(tmp_path: Path) -> None:
    for i in range(3):
        write(
            tmp_path / "set" / f"train-{i}.parquet",
            [png(p) for p in PIXELS[2 * i : 2 * i + 2]],
            LABELS[2 * i : 2 * i + 2],
        )
    (tmp_path / "set" / "readme.txt").write_text("not data")
    for place in ("set", "set/", "set/train-*.parquet", "s?t/train-[0-9].parquet"):
        images = open_split(f"parquet:{tmp_path}/{place}", None)
        assert np.array_equal(plain_labels(images), LABELS), place
        assert np.array_equal(images.pixels(np.arange(6)), PIXELS)
    assert len(open_split(f"parquet:file://{tmp_path}/set/train-1.parquet", None)) == 2


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> np.ndarray:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return decode(out.getvalue())


def test_every_mode_becomes_rgb() -> None:
    grey = PIXELS[0, ..., 0]
    tiled = np.repeat(grey[..., None], 3, axis=2)
    rgb = Image.fromarray(PIXELS[0])
    assert np.array_equal(encoded(Image.fromarray(grey)), tiled)
    assert np.array_equal(encoded(Image.fromarray(grey.astype(np.uint16) * 256)), tiled)
    assert np.array_equal(encoded(rgb.convert("RGBA")), PIXELS[0])
    palette = rgb.quantize(16)
    assert np.array_equal(encoded(palette), np.asarray(palette.convert("RGB")))
    assert encoded(palette, transparency=bytes(range(16))).shape == (9, 7, 3)
    for mode in ("CMYK", "L", "RGB"):
        assert encoded(rgb.convert(mode), "JPEG").shape == (9, 7, 3)


def test_jpeg_is_the_same_without_simplejpeg(monkeypatch: pytest.MonkeyPatch) -> None:
    smooth = Image.fromarray(PIXELS[0]).resize((64, 48), Image.Resampling.BICUBIC)
    fast = encoded(smooth, "JPEG", quality=90)
    monkeypatch.setattr(decoding, "simplejpeg", None)
    assert np.abs(encoded(smooth, "JPEG", quality=90).astype(int) - fast).max() <= 2


def test_mixed_sizes_come_as_a_list(tmp_path: Path) -> None:
    mixed = [PIXELS[0], PIXELS[1, :5], PIXELS[2]]
    images = open_split(write(tmp_path / "x.parquet", [png(p) for p in mixed], LABELS[:3]), None)
    assert images.dense is None
    pixels = images.pixels(np.arange(3))
    assert isinstance(pixels, list)
    assert all(np.array_equal(a, b) for a, b in zip(pixels, mixed, strict=True))
    assert np.array_equal(images.pixels(np.array([0, 2])), np.stack([mixed[0], mixed[2]]))


def test_large_sets_are_decoded_at_every_access(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "DENSE_BYTES", PIXELS.nbytes - 1)
    images = open_split(write(tmp_path / "x.parquet", [png(p) for p in PIXELS]), None)
    assert images.dense is None
    assert np.array_equal(images.pixels(np.array([5, 0])), PIXELS[[5, 0]])


@pytest.mark.parametrize("broken", [b"", b"junk", png(PIXELS[0])[:60], b"\xff\xd8\xff\xe0 no JPEG", None])
def test_a_broken_image_is_named(tmp_path: Path, broken: bytes | None) -> None:
    uri = write(tmp_path / "x.parquet", [*(png(p) for p in PIXELS[:4]), broken, png(PIXELS[5])])
    with pytest.raises(CorruptImageError, match=r"row 4 of .*x\.parquet") as caught:
        open_split(uri, None).pixels(np.array([0, 4]))
    assert "\n" not in str(caught.value)


def test_rows_are_counted_in_each_file(tmp_path: Path) -> None:
    tiny = png(PIXELS[0, :2, :2])
    write(tmp_path / "a.parquet", [tiny] * 2500, np.zeros(2500, np.int64))
    write(tmp_path / "b.parquet", [tiny] * 1100 + [b"junk"], np.zeros(1101, np.int64))
    with pytest.raises(ValueError, match=r"row 1100 of .*b\.parquet"):
        open_split(f"parquet:{tmp_path}", None).decode(3600)


def test_wrong_files_say_why(tmp_path: Path) -> None:
    images = [png(p) for p in PIXELS]
    (tmp_path / "text.parquet").write_text("hello")
    (tmp_path / "empty").mkdir()
    floats = write(tmp_path / "f.parquet", images, LABELS * 0.5)
    negative = write(tmp_path / "n.parquet", images, LABELS - 1)
    null = write(tmp_path / "null.parquet", images, pa.array([0, 1, 2, 1, None, 0]))
    named = write(tmp_path / "m.parquet", images, names=("photo", "label"))
    text = write(tmp_path / "t.parquet", images, names=("label", "image"))
    for uri, message in [
        ("parquet:/nowhere/at/all", r"no Parquet file at /nowhere/at/all: give a file"),
        (f"parquet:{tmp_path}/empty", "no Parquet file at"),
        (f"parquet:{tmp_path}/*.pq", "no Parquet file at"),
        (f"parquet:{tmp_path}/text.parquet", "is not a Parquet file"),
        (floats, "must hold integers"),
        (negative, "without a label"),
        (null, "without a label"),
        (named, r"no column 'image or img' in .*one of photo, label"),
        (f"{named}?image=photo&label=cls", "no column 'cls'"),
        (text, "must hold integers, is binary"),
        (f"{named}?image=label", "must be binary"),
        (write(tmp_path / "zero.parquet", [], LABELS[:0]), "no images"),
    ]:
        with pytest.raises(ValueError, match=message) as caught:
            open_split(uri, None)
        assert "\n" not in str(caught.value)


def test_fashion_subset_is_balanced_and_licensed() -> None:
    for split, count in (("train", 1000), ("test", 2000)):
        images = open_split(f"fashion:{split}", None)
        assert np.array_equal(np.bincount(plain_labels(images)), [count // 10] * 10)
        assert images.classes is not None
        assert images.classes[9] == "Ankle boot"
        pixels = images.pixels(np.arange(3))
        assert isinstance(pixels, np.ndarray)
        assert pixels.shape == (3, 28, 28, 3)
    folder = Path(builtin.__file__).parent.parent / "fashion_mnist"
    licence = (folder / "LICENSE").read_text()
    assert "MIT License" in licence
    assert "Copyright (c) 2017 Zalando SE" in licence
    assert sum(file.stat().st_size for file in folder.iterdir()) < 3e6


def test_digits() -> None:
    train, test = (open_split(f"digits:{split}", None) for split in ("train", "test"))
    assert (len(train), len(test)) == (1000, 797)
    pixels = train.pixels(np.arange(1000))
    assert isinstance(pixels, np.ndarray)
    assert pixels.shape == (1000, 8, 8, 3)
    assert pixels.max() == 255


def test_ifs_is_made_once_and_grows(tmp_path: Path) -> None:
    cache = Storage.of(tmp_path)
    uri = "ifs:classes=3,images=12,size=16,seed=1"
    images = open_split(uri, cache)
    assert cache.list("data") == ["ifs-3-12-16-1-train.v1.parquet"]
    assert np.array_equal(np.bincount(plain_labels(images)), [12] * 3)
    written = (tmp_path / "data" / "ifs-3-12-16-1-train.v1.parquet").stat().st_mtime_ns
    open_split.cache_clear()
    assert np.array_equal(open_split(uri, cache).pixels(np.arange(36)), images.pixels(np.arange(36)))
    assert (tmp_path / "data" / "ifs-3-12-16-1-train.v1.parquet").stat().st_mtime_ns == written
    more = open_split("ifs:classes=4,images=15,size=16,seed=1", None)
    for label in range(3):
        new = more.pixels(np.flatnonzero(more.labels == label)[:12])
        assert np.array_equal(new, images.pixels(np.flatnonzero(images.labels == label)))
    test = open_split(f"{uri},split=test", None)
    assert len(test) == 3
    both = np.concatenate([images.pixels(np.arange(36)), test.pixels(np.arange(3))]).reshape(39, -1)
    assert len(np.unique(both, axis=0)) == 39


def file_of(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


PHOTO = Image.fromarray(PIXELS[0]).resize((64, 48), Image.Resampling.BICUBIC)


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_truncated_jpeg_never_passes_as_grey(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fast: bool, mode: str
) -> None:
    if not fast:
        monkeypatch.setattr(decoding, "simplejpeg", None)
    whole = file_of(PHOTO.convert(mode), "JPEG", quality=90)
    for i, length in enumerate((len(whole) // 3, len(whole) // 2, len(whole) * 9 // 10, len(whole) - 40)):
        uri = write(tmp_path / f"{i}.parquet", [whole, whole[:length]], LABELS[:2])
        images = open_split(uri, None)
        assert images.decode(0).shape == (48, 64, 3)
        with pytest.raises(CorruptImageError, match=r"the image in row 1 of .* cannot be decoded: .") as caught:
            images.decode(1)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("png.jpg", png(PIXELS[0])),  # by content, whatever the name says
        ("cmyk.jpg", file_of(PHOTO.convert("CMYK"), "JPEG")),
        ("16bit.png", file_of(Image.fromarray(PIXELS[0, ..., 0].astype(np.uint16) * 256), "PNG")),
        ("palette.png", file_of(PHOTO.quantize(16), "PNG", transparency=bytes(range(16)))),
        ("alpha.webp", file_of(PHOTO.convert("RGBA"), "WEBP")),
        ("one.gif", file_of(PHOTO, "GIF")),
    ],
)
def test_odd_files_of_a_folder_are_read(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / name).write_bytes(data)
    pixels = open_split(f"imagefolder:{tmp_path}", None).decode(0)
    assert pixels.dtype == np.uint8
    assert pixels.shape in ((9, 7, 3), (48, 64, 3))
    assert pixels.std() > 5


@pytest.mark.parametrize(
    ("data", "message"),
    [(b"", "no image bytes in"), (b"<html>", "its 6 bytes are no image of a known format"), (png(PIXELS[0])[:60], ".")],
)
def test_corrupt_files_of_a_folder_are_named(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "0.jpg").write_bytes(png(PIXELS[0]))
    (tmp_path / "cat" / "1.jpg").write_bytes(data)
    images = open_split(f"imagefolder:{tmp_path}", None)
    assert np.array_equal(images.pixels(np.array([0]))[0], PIXELS[0])  # the others are read
    with pytest.raises(CorruptImageError, match=message) as caught:
        images.pixels(np.array([0, 1]))
    assert "cat/1.jpg" in str(caught.value)
    (tmp_path / "cat" / "1.jpg").unlink()
    with pytest.raises(ValueError, match=r"cannot read .*cat/1\.jpg"):
        images.decode(1)


def test_label_beyond_the_names(tmp_path: Path) -> None:
    file = tmp_path / "x.parquet"
    file.write_bytes(encode_parquet([png(p) for p in PIXELS], LABELS, ["a", "b"]))
    with pytest.raises(ValueError, match=r"x\.parquet has label 2, but only 2 class names"):
        open_split(f"parquet:{file}", None)


def test_parquet_without_its_end(tmp_path: Path) -> None:
    file = tmp_path / "x.parquet"
    whole = encode_parquet([png(p) for p in PIXELS], LABELS, ["a", "b", "c"])
    for broken in (whole[:-20], b"", whole[:10]):
        file.write_bytes(broken)
        with pytest.raises(ValueError, match=r"x\.parquet is not a Parquet file: ") as caught:
            open_split(f"parquet:{file}", None)
        assert "\n" not in str(caught.value)

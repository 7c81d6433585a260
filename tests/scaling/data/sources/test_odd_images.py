"""Odd images: which of them exist does not depend on the decoder, and no pixel is made up or wrapped."""

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from scaling.data.sources import decoding
from scaling.data.sources.decoding import decode, decode_reduced, image_size
from scaling.data.sources.metadata import without_metadata
from scaling.data.sources.read import open_split

RNG = np.random.default_rng(0)
PHOTO = Image.fromarray(RNG.integers(0, 256, (6, 8, 3), dtype=np.uint8)).resize((64, 48), Image.Resampling.BICUBIC)
simplejpeg = pytest.importorskip("simplejpeg")


@pytest.fixture(params=["simplejpeg", "Pillow"], autouse=True)
def decoder(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    if request.param == "Pillow":
        monkeypatch.setattr(decoding, "simplejpeg", None)
    decoding._whole.clear()
    yield request.param
    decoding._whole.clear()


def file_of(image: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


JPEG = file_of(PHOTO, quality=90)
SCAN = JPEG.index(b"\xff\xda")
HARMLESS = {
    "unknown JFIF revision": JPEG.replace(b"JFIF\0\x01", b"JFIF\0\x03"),
    "invalid SOS parameters": JPEG[: SCAN + 11] + b"\0\0\0" + JPEG[SCAN + 14 :],
    "bytes before the end": JPEG[:-2] + b"abcde" + JPEG[-2:],
    "bytes before a table": JPEG.replace(b"\xff\xdb", b"zz\xff\xdb", 1),
    "a null before the scan": JPEG[:SCAN] + b"\0" + JPEG[SCAN:],
    "bytes after the end": JPEG + b"a trailer\xff\xd9",
    "an ICC profile of no parts": JPEG[:2] + b"\xff\xe2\0\x10ICC_PROFILE\0\x09\x01" + JPEG[2:],
    "an unknown Adobe transform": JPEG[:2] + b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0\x07" + JPEG[2:],
}


@pytest.mark.parametrize("data", HARMLESS.values(), ids=HARMLESS)
def test_jpegs_that_other_programs_show_are_decoded(data: bytes) -> None:
    pixels = decode(data)
    assert np.abs(pixels.astype(int) - decode(JPEG)).max() <= 2
    assert image_size(data) == (48, 64)
    reduced = decode_reduced(data, 2)
    assert reduced is not None
    assert reduced.shape == (24, 32, 3)


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 1}], ids=str)
@pytest.mark.parametrize("end", [b"", b"\xff\xd9"], ids=["cut", "cut and ended"])
def test_a_jpeg_that_ends_early_is_none(options: dict[str, Any], end: bytes) -> None:
    data = file_of(PHOTO, quality=90, **options)
    assert decode(data).shape == (48, 64, 3)
    for length in (len(data) // 2, len(data) * 9 // 10, len(data) - 40, len(data) - 8):
        for read in (decode, lambda cut: decode_reduced(cut, 2)):
            with pytest.raises((ValueError, OSError)):
                read(data[:length] + end)


@given(
    st.integers(2, len(JPEG) - 1),
    st.sampled_from(["cut", "cut and ended", "flip", "insert", "remove"]),
    st.binary(min_size=1, max_size=4),
)
def test_both_decoders_take_the_same_jpegs(place: int, change: str, some: bytes) -> None:
    data = {
        "cut": JPEG[:place],
        "cut and ended": JPEG[:place] + b"\xff\xd9",
        "flip": JPEG[:place] + bytes([JPEG[place] ^ (1 << some[0] % 8)]) + JPEG[place + 1 :],
        "insert": JPEG[:place] + some + JPEG[place:],
        "remove": JPEG[:place] + JPEG[place + len(some) :],
    }[change]
    results = []
    with pytest.MonkeyPatch.context() as patch:
        for library in (simplejpeg, None):
            patch.setattr(decoding, "simplejpeg", library)
            decoding._whole.clear()
            results.append([shape(read, data) for read in (decode, lambda data: decode_reduced(data, 2), image_size)])
    assert results[0][:2] == results[1][:2]
    if results[0][0] is not None:
        assert results[0] == results[1]
        assert results[0][2] == results[0][0][:2]


def shape(read: Callable[[bytes], object], data: bytes) -> tuple[int, ...] | None:
    try:
        result = read(data)
    except Exception:  # decoders raise anything
        return None
    assert isinstance(result, tuple | np.ndarray)
    return result if isinstance(result, tuple) else result.shape


def png_with(*texts: tuple[str, str, bool], profile: bytes | None = None) -> bytes:
    info = PngImagePlugin.PngInfo()
    for key, text, zipped in texts:
        info.add_text(key, text, zip=zipped)
    return file_of(PHOTO, "PNG", pnginfo=info, icc_profile=profile)


PNGS = {
    "a compressed text of 3 MB": png_with(("k", "x" * (3 << 20), True)),
    "a profile of 3 MB": png_with(profile=b"\0" * (3 << 20)),
    "many texts": png_with(*((f"k{i}", "x" * 1_000_000, True) for i in range(70))),
}


def crc_of_text_wrong(data: bytes) -> bytes:
    place = data.index(b"tEXt")
    return data[: place + 4] + b"K" + data[place + 5 :]


@pytest.mark.parametrize("data", [*PNGS.values(), crc_of_text_wrong(png_with(("k", "x", False)))], ids=[*PNGS, "crc"])
def test_pngs_with_large_or_broken_text_are_decoded(data: bytes) -> None:
    assert np.array_equal(decode(data), np.asarray(PHOTO))
    assert image_size(data) == (48, 64)
    for length in (len(data) // 2, len(data) - 2000, len(data) - 20):
        with pytest.raises((ValueError, OSError, SyntaxError)):
            decode(data[:length])


def test_what_is_stripped_changes_no_pixel() -> None:
    palette = PHOTO.quantize(16)
    for data in (
        JPEG,
        file_of(palette, "PNG", transparency=3),
        file_of(PHOTO.convert("CMYK")),
        file_of(PHOTO.convert("L")),
    ):
        with Image.open(io.BytesIO(data)) as a, Image.open(io.BytesIO(without_metadata(data))) as b:
            assert np.array_equal(np.asarray(a.convert("RGB")), np.asarray(b.convert("RGB")))
    for kind in ("BMP", "GIF", "WEBP"):
        assert without_metadata(file_of(PHOTO, kind)) == file_of(PHOTO, kind)


GREY = np.arange(48 * 64, dtype=np.uint16).reshape(48, 64) * 21


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
def test_of_sixteen_bits_the_upper_eight_are_taken(kind: str) -> None:
    pixels = decode(file_of(Image.fromarray(GREY), kind))
    assert np.array_equal(pixels, np.repeat((GREY >> 8).astype(np.uint8)[..., None], 3, axis=2))


def tiff(rows: np.ndarray, bits: int, photometric: int, data: bytes, order: str = "<") -> bytes:
    """A grey TIFF of one strip."""
    height, width = rows.shape
    tags = [(256, width), (257, height), (258, bits), (259, 1), (262, photometric), (273, 8), (277, 1), (278, height)]
    tags.append((279, len(data)))
    ifd = struct.pack(f"{order}H", len(tags))
    for tag, value in tags:
        kind, form = (4, "I") if tag in (256, 257, 273, 278, 279) else (3, "Hxx")
        ifd += struct.pack(f"{order}HHI{form}", tag, kind, 1, value)
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8 + len(data))
    return head + data + ifd + b"\0\0\0\0"


def test_tiffs_of_twelve_bits_and_with_white_at_zero() -> None:
    upper = (GREY >> 8).astype(np.uint8)
    for order in "<>":
        assert np.array_equal(decode(tiff(GREY, 16, 1, GREY.astype(f"{order}u2").tobytes(), order))[..., 0], upper)
    assert np.array_equal(decode(tiff(GREY, 16, 0, (65535 - GREY).astype("<u2").tobytes()))[..., 0], upper)
    twelve = (GREY >> 4).astype(np.uint16).reshape(-1, 2)
    packed = np.stack([twelve[:, 0] >> 4, (twelve[:, 0] & 15) << 4 | twelve[:, 1] >> 8, twelve[:, 1] & 255], 1)
    assert np.array_equal(decode(tiff(GREY, 12, 1, packed.astype(np.uint8).tobytes()))[..., 0], upper)


@pytest.mark.parametrize(
    ("pixels", "what"),
    [
        (GREY.astype(np.int32) * 1000, r"32-bit integers \(mode I\)"),
        ((GREY % 256).astype(np.int32), r"32-bit integers \(mode I\)"),
        (RNG.random((48, 64)).astype(np.float32), r"floating-point numbers \(mode F\)"),
    ],
)
def test_numbers_without_a_range_are_refused(tmp_path: Path, pixels: np.ndarray, what: str) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.tif").write_bytes(file_of(Image.fromarray(pixels), "TIFF"))
    with pytest.raises(
        ValueError, match=rf"a/x\.tif cannot be decoded: its pixels are {what}, of no fixed range"
    ) as caught:
        open_split(f"imagefolder:{tmp_path}", None).decode(0)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("turn", range(2, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_pixels_are_as_they_are_stored(turn: int, kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = turn
    data = file_of(PHOTO, kind, exif=exif)
    assert np.array_equal(decode(data), decode(file_of(PHOTO, kind)))
    assert image_size(data) == (48, 64)


def png_header(height: int, width: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + b"IHDR" + header + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    return b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))


def test_too_many_pixels_are_refused_by_both() -> None:
    place = JPEG.index(b"\xff\xc0") + 5
    huge = JPEG[:place] + struct.pack(">HH", 60_000, 60_000) + JPEG[place + 4 :]
    for data in (huge, png_header(60_000, 60_000)):
        for read in (decode, image_size):
            with pytest.raises((ValueError, Image.DecompressionBombError), match=r"pixels"):
                read(data)

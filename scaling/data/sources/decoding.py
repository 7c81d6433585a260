"""Decoding one image: JPEG with simplejpeg where it is installed, everything else with Pillow.

The two decoders differ by one or two grey levels in some pixels; each gives the same pixels every time. Which images
can be decoded does not depend on them: what simplejpeg refuses, which is every JPEG that its library warns of, Pillow
decides. An image is refused that ends early, that has more than MOST_PIXELS, or whose numbers have no fixed range.
"""

import contextlib
import io
from collections.abc import Callable
from typing import TypeVar

import numpy as np
from PIL import Image

from scaling.checks import check
from scaling.data.sources.metadata import JPEG, end_of_jpeg, without_metadata

try:
    import simplejpeg
except ImportError:
    simplejpeg = None

T = TypeVar("T")
JPEG_SPACES = ("YCbCr", "Gray", "RGB")  # that simplejpeg converts to RGB; CMYK goes to Pillow
MOST_PIXELS = 178_956_970  # of an image; Pillow's own limit
PAD = b"\xaa" * 64  # in place of the rest of a JPEG: no rest that it could have
REMEMBERED = 1 << 17  # JPEGs of which it is remembered that they are whole
BITS, PHOTOMETRIC = 258, 262  # tags of TIFF


class CorruptImageError(ValueError):
    """An image that cannot be decoded. The message is one line and names the image."""


def decode(data: bytes) -> np.ndarray:
    """An encoded image as RGB, uint8 [H, W, 3]: grey is repeated, palettes and CMYK are converted, alpha is dropped.

    Of 16 bits the upper 8 are taken. Pixels are as they are stored: EXIF's orientation is not applied, as in
    tf.image.decode_jpeg. Raises whatever the decoder raises for broken data, and ValueError for 32-bit numbers.
    """
    if _is_fast(data):
        try:
            pixels: np.ndarray = simplejpeg.decode_jpeg(data, colorspace="RGB")
            return pixels
        except ValueError:
            pass
    pixels = _with_pillow(data, rgb_pixels)
    _check_whole(data, pixels)
    return pixels


def image_size(data: bytes) -> tuple[int, int]:
    """Height and width of an encoded image in pixels, from its header. Raises ValueError for too many pixels."""
    size: tuple[int, int] | None = None
    if simplejpeg is not None and data[:2] == JPEG:
        with contextlib.suppress(ValueError):
            size = simplejpeg.decode_jpeg_header(data)[:2]
    if size is None:
        return _with_pillow(data, lambda image: (image.height, image.width))
    _check_size(*size)
    return size


def decode_reduced(data: bytes, factor: int) -> np.ndarray | None:
    """A JPEG decoded at 1/2, 1/4 or 1/8 of its size, uint8 [ceil(H / factor), ceil(W / factor), 3]; None for others.

    Each pixel is about the mean of factor x factor pixels: the decoder computes it from the low frequencies of the
    JPEG's transform alone, which is what makes it faster than decoding and shrinking.
    """
    if data[:2] != JPEG:
        return None
    height, width = image_size(data)
    if _is_fast(data):
        least = -(-height // factor), -(-width // factor)  # rounded up
        try:
            pixels: np.ndarray | None = simplejpeg.decode_jpeg(
                data, colorspace="RGB", min_height=least[0], min_width=least[1]
            )
            return pixels
        except ValueError:
            pass

    def reduced(image: Image.Image) -> np.ndarray:
        image.draft(None, (width // factor, height // factor))
        return rgb_pixels(image)

    pixels = _with_pillow(data, reduced)
    _check_whole(data, None)
    return pixels


def _is_fast(data: bytes) -> bool:
    """Whether simplejpeg may decode it. Raises ValueError for too many pixels."""
    if simplejpeg is None or data[:2] != JPEG:
        return False
    try:
        height, width, space = simplejpeg.decode_jpeg_header(data)[:3]
    except ValueError:
        return False
    _check_size(height, width)
    return space in JPEG_SPACES


def _check_size(height: int, width: int) -> None:
    check(
        height * width <= MOST_PIXELS, f"it has {width:,} x {height:,} pixels, of which {MOST_PIXELS:,} can be decoded"
    )


def _with_pillow(data: bytes, read: Callable[[Image.Image], T]) -> T:
    """`read` of the image as Pillow opens it.

    Where Pillow refuses it, it is tried without text, profiles and camera data: they may be larger than Pillow's
    limits, or broken, and the pixels do not depend on them.
    """
    try:
        return _opened(data, read)
    except Exception:
        bare = without_metadata(data)
        if bare == data:
            raise
        try:
            return _opened(bare, read)
        except Exception:  # what was wrong with the file as it is says more
            pass
        raise


def _opened(data: bytes, read: Callable[[Image.Image], T]) -> T:
    with Image.open(io.BytesIO(data)) as image:
        _check_size(image.height, image.width)
        return read(image)


_whole: set[int] = set()  # hashes of JPEGs that are


def _check_whole(data: bytes, pixels: np.ndarray | None) -> None:
    """Raise ValueError for a JPEG that ends early, though a marker says that it ends there: Pillow makes it up in grey.

    simplejpeg notices. With Pillow the image, `pixels` if it is decoded already, is compared with what it becomes when
    other bytes stand in place of the end. That takes time, and is done once for each JPEG while it is remembered.
    """
    if data[:2] != JPEG or hash(data) in _whole:
        return
    end = end_of_jpeg(data)
    if end is not None:
        padded = _with_pillow(data[:end] + PAD + data[end:], rgb_pixels)
        whole = np.array_equal(_with_pillow(data, rgb_pixels) if pixels is None else pixels, padded)
        check(whole, "its data end early")
    if len(_whole) >= REMEMBERED:
        _whole.clear()
    _whole.add(hash(data))


def rgb_pixels(image: Image.Image) -> np.ndarray:
    """An open image as `decode` returns it."""
    if image.mode == "F" or (image.mode == "I" and image.format != "PPM"):  # of a PGM with 16 bits Pillow says I
        kind = "32-bit integers" if image.mode == "I" else "floating-point numbers"
        raise ValueError(f"its pixels are {kind} (mode {image.mode}), of no fixed range: save it with 8 or 16 bits")
    if image.mode.startswith("I"):
        return _rgb_of_grey(_upper_bits(image))
    if image.mode == "L":
        return _rgb_of_grey(np.asarray(image))
    if image.mode == "P" and "transparency" in image.info:
        # By way of RGBA: Pillow warns of palettes that go straight from transparency to RGB.
        return np.array(image.convert("RGBA").convert("RGB"))
    # A copy: an array over Pillow's memory cannot be written to, which torch warns of.
    return np.array(image if image.mode == "RGB" else image.convert("RGB"))


def _upper_bits(image: Image.Image) -> np.ndarray:
    """The upper 8 of the 16 bits of a grey image, or of the 12 that a TIFF may have: uint8 [H, W]."""
    tags = getattr(image, "tag_v2", {})
    upper = (np.asarray(image) >> (4 if tags.get(BITS) == (12,) else 8)).astype(np.uint8)
    return 255 - upper if tags.get(PHOTOMETRIC) == 0 else upper  # white is 0; with 8 bits Pillow turns it round itself


def _rgb_of_grey(grey: np.ndarray) -> np.ndarray:
    return np.repeat(grey[..., None], 3, axis=2)

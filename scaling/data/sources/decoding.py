"""Decoding one image: JPEG with simplejpeg where it is installed, everything else with Pillow.

The two decoders differ by one or two grey levels in some pixels; each gives the same pixels every time.
"""

import io

import numpy as np
from PIL import Image

try:
    import simplejpeg
except ImportError:
    simplejpeg = None

JPEG = b"\xff\xd8"  # first bytes of every JPEG
JPEG_SPACES = ("YCbCr", "Gray", "RGB")  # that simplejpeg converts to RGB; CMYK goes to Pillow


class CorruptImageError(ValueError):
    """An image that cannot be decoded. The message is one line and names the image."""


def decode(data: bytes) -> np.ndarray:
    """An encoded image as RGB, uint8 [H, W, 3]: grey is repeated, palettes and CMYK are converted, alpha is dropped.

    Raises whatever the decoder raises for broken data.
    """
    if simplejpeg is not None and data[:2] == JPEG and simplejpeg.decode_jpeg_header(data)[2] in JPEG_SPACES:
        pixels: np.ndarray = simplejpeg.decode_jpeg(data, colorspace="RGB")
        return pixels
    with Image.open(io.BytesIO(data)) as image:
        return _rgb(image)


def image_size(data: bytes) -> tuple[int, int]:
    """Height and width of an encoded image in pixels, from its header."""
    if simplejpeg is not None and data[:2] == JPEG:
        height_and_width: tuple[int, int] = simplejpeg.decode_jpeg_header(data)[:2]
        return height_and_width
    with Image.open(io.BytesIO(data)) as image:
        return image.height, image.width


def decode_reduced(data: bytes, factor: int) -> np.ndarray | None:
    """A JPEG decoded at 1/2, 1/4 or 1/8 of its size, uint8 [ceil(H / factor), ceil(W / factor), 3]; None for others.

    Each pixel is about the mean of factor x factor pixels: the decoder computes it from the low frequencies of the
    JPEG's transform alone, which is what makes it faster than decoding and shrinking.
    """
    if data[:2] != JPEG:
        return None
    height, width = image_size(data)
    if simplejpeg is not None and simplejpeg.decode_jpeg_header(data)[2] in JPEG_SPACES:
        least = -(-height // factor), -(-width // factor)  # rounded up
        pixels: np.ndarray | None = simplejpeg.decode_jpeg(
            data, colorspace="RGB", min_height=least[0], min_width=least[1]
        )
        return pixels
    with Image.open(io.BytesIO(data)) as image:
        image.draft(None, (width // factor, height // factor))
        return _rgb(image)


def _rgb(image: Image.Image) -> np.ndarray:
    if image.mode.startswith("I"):  # 16 bits of grey
        return _rgb_of_grey((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode == "L":
        return _rgb_of_grey(np.asarray(image))
    if image.mode == "P" and "transparency" in image.info:
        # By way of RGBA: Pillow warns of palettes that go straight from transparency to RGB.
        return np.array(image.convert("RGBA").convert("RGB"))
    # A copy: an array over Pillow's memory cannot be written to, which torch warns of.
    return np.array(image if image.mode == "RGB" else image.convert("RGB"))


def _rgb_of_grey(grey: np.ndarray) -> np.ndarray:
    return np.repeat(grey[..., None], 3, axis=2)

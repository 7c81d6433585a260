"""Whether two images show the same picture: a perceptual hash to find candidates, and a comparison to decide on them.

Everything is computed from a grey thumbnail of 16 x 16 pixels, aspect ratio not kept, so images of all sizes compare.
The hash consists of the signs of its low frequencies (the DCT hash of Zauner 2010, with 0 in place of the median). The
comparison is a tangent distance (Simard et al. 1993) of low frequencies: what is left of one image after the best fit
by the other, which may move and stretch a little and change in brightness and contrast. High frequencies are left out:
JPEG and resizing change them more than a different picture does.
"""

import numpy as np
from PIL import Image

SIDE = 16  # pixels on a side of a thumbnail
LOW = 8  # frequencies below this are hashed and compared
CROP = 0.05  # share of the width and height that a crop leaves out
CROPS = 10  # the whole image, and nine crops of it
FLAT = 3.0  # grey levels: an image whose low frequencies deviate less cannot be recognised


def thumbnail(pixels: np.ndarray) -> np.ndarray:
    """The grey thumbnail, float32 [SIDE, SIDE], of an image uint8 [H, W, 3]."""
    return np.asarray(_grey(pixels).resize((SIDE, SIDE), Image.Resampling.BILINEAR), np.float32)


def crops(pixels: np.ndarray) -> np.ndarray:
    """Thumbnails of an image and of nine crops, each smaller by CROP: float32 [CROPS, SIDE, SIDE]."""
    grey = _grey(pixels)
    width, height = grey.size
    places = [(left, top) for left in (0.0, CROP / 2, CROP) for top in (0.0, CROP / 2, CROP)]
    boxes = [(x * width, y * height, (x + 1 - CROP) * width, (y + 1 - CROP) * height) for x, y in places]
    whole = (0.0, 0.0, float(width), float(height))
    thumbnails = [grey.resize((SIDE, SIDE), Image.Resampling.BILINEAR, box=box) for box in (whole, *boxes)]
    return np.stack([np.asarray(image, np.float32) for image in thumbnails])


def turns(thumbnails: np.ndarray) -> list[np.ndarray]:
    """Thumbnails [n, SIDE, SIDE] in the seven other orientations that an image can have (EXIF's 2 to 8).

    They are those of the turned images: a thumbnail is square whatever the image's shape.
    """
    mirrored = thumbnails[:, :, ::-1]
    quarters = [np.rot90(some, quarter, (1, 2)) for some in (thumbnails, mirrored) for quarter in range(4)]
    return [np.ascontiguousarray(some) for some in quarters[1:]]


def perceptual_hashes(thumbnails: np.ndarray) -> np.ndarray:
    """Perceptual hashes uint64 [n] of thumbnails [n, SIDE, SIDE]: one bit for the sign of each of 63 frequencies."""
    low = _DCT[:LOW] @ thumbnails @ _DCT[:LOW].T
    bits = low.reshape(len(thumbnails), LOW * LOW) > 0
    bits[:, 0] = False  # the mean
    # In the machine's own order of bytes, on which no distance depends.
    return np.packbits(bits, axis=1).view(np.uint64)[:, 0]


def signatures(thumbnails: np.ndarray) -> np.ndarray:
    """The low frequencies without the mean, float32 [n, F], of thumbnails [n, SIDE, SIDE]: what is compared."""
    products: np.ndarray = thumbnails.reshape(len(thumbnails), SIDE * SIDE) @ _DIRECT
    return products


def flat(signatures: np.ndarray) -> np.ndarray:
    """Which of the images [n, F] have next to no contrast: bool [n]."""
    are_flat: np.ndarray = np.linalg.norm(signatures, axis=1) < FLAT * SIDE  # Parseval: SIDE times the deviation
    return are_flat


def tangents(thumbnails: np.ndarray) -> np.ndarray:
    """Orthonormal bases, float32 [n, F, 5], of what images become when moved, stretched and changed in contrast."""
    pixels = thumbnails.reshape(len(thumbnails), SIDE * SIDE)
    spanned = np.stack([pixels @ matrix for matrix in (_DIRECT, *_MOVES)], axis=-1)
    return np.linalg.qr(spanned)[0]


def residuals(bases: np.ndarray, signatures: np.ndarray) -> np.ndarray:
    """Share of each signature [n, F] that another image's basis [n, F, 5] does not explain: 0 for a copy, at most 1."""
    explained = np.einsum("nfk,nf->nk", bases, signatures)
    energy = np.maximum((signatures**2).sum(1), 1e-6)
    residual: np.ndarray = np.maximum(1 - (explained**2).sum(1) / energy, 0)
    return residual


def residuals_to_all(bases: np.ndarray, signatures: np.ndarray) -> np.ndarray:
    """The residuals [n, m] of all pairs of bases [n, F, 5] and signatures [m, F]."""
    explained = (np.matmul(signatures, bases) ** 2).sum(2)
    residual: np.ndarray = np.maximum(1 - explained / np.maximum((signatures**2).sum(1), 1e-6), 0)
    return residual


def _grey(pixels: np.ndarray) -> Image.Image:
    return Image.fromarray(pixels).convert("L").convert("F")  # floats, so that dark thumbnails are not rounded


def _cosines() -> np.ndarray:
    """The orthonormal DCT-II: float32 [SIDE frequencies, SIDE pixels]."""
    frequency, place = np.arange(SIDE)[:, None], np.arange(SIDE) + 0.5
    cosines = np.cos(np.pi * frequency * place / SIDE) * np.sqrt(2 / SIDE)
    cosines[0] /= np.sqrt(2)
    table: np.ndarray = cosines.astype(np.float32)
    return table


def _linear() -> tuple[np.ndarray, list[np.ndarray]]:
    """Matrices [SIDE * SIDE, F] from a thumbnail to its low frequencies, and to those of its first-order changes.

    These are the derivatives along shifts to the bottom and right, and along stretches in both directions.
    """
    pixels = np.eye(SIDE * SIDE, dtype=np.float32).reshape(-1, SIDE, SIDE)
    down, right = np.gradient(pixels, axis=1), np.gradient(pixels, axis=2)
    place = np.linspace(-1, 1, SIDE, dtype=np.float32)
    frequency = np.hypot(np.arange(SIDE)[:, None], np.arange(SIDE))
    kept = (frequency < LOW) & (frequency > 0)
    changes = (pixels, down, right, down * place[:, None], right * place)
    direct, *moves = [(_DCT @ change @ _DCT.T)[:, kept] for change in changes]
    return direct, moves


_DCT = _cosines()
_DIRECT, _MOVES = _linear()

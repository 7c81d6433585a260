"""JPEGs large enough to count as photographs, whole or cut off."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from scaling.data.sources import encoding


def jpeg(number: int, height: int, width: int, mode: str = "RGB") -> bytes:
    """A smooth pattern of many colours."""
    coarse = np.random.default_rng(number).integers(0, 256, (6, 5, 3), dtype=np.uint8)
    smooth = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    out = io.BytesIO()
    smooth.convert(mode).save(out, "JPEG", quality=90)
    return out.getvalue()


def photograph(number: int) -> bytes:
    """163 to 200 pixels high, 150 to 199 wide."""
    return jpeg(number, 200 - number % 37, 150 + number % 50)


def written(path: Path, images: Sequence[bytes], torn: Sequence[int] = ()) -> str:
    """The URI of a file of four classes; `torn` are cut off."""
    files = [data[: len(data) // 3 if i in torn else None] for i, data in enumerate(images)]
    path.write_bytes(encoding.encode_parquet(files, np.arange(len(files)) % 4, list("abcd")))
    return f"parquet:{path}"

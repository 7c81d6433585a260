"""The other common preprocessing for evaluation: resize the short side, then crop the central square."""

import numpy as np
import torch
from torch.nn.functional import interpolate

from scaling.data.sources import Images


def center_crops(images: Images, indices: np.ndarray, resize: int, resolution: int) -> torch.Tensor:
    """The central squares of images whose short side was resized to `resize` pixels, aspect ratio kept.

    Args:
        images: the split.
        indices: int64 [n].
        resize: pixels of the short side, at least `resolution`; bilinear with antialiasing.
        resolution: R, pixels on a side of the result.

    Returns:
        uint8 [n, 3, R, R]. Raises CorruptImageError for an image that cannot be decoded.
    """
    out = torch.empty((len(indices), 3, resolution, resolution), dtype=torch.uint8)
    for place, index in enumerate(indices.tolist()):
        # A copy, since torch warns of arrays that cannot be written to, which decoders may return.
        x = torch.from_numpy(images.decode(index).copy()).permute(2, 0, 1)[None]
        height, width = x.shape[2:]
        scale = resize / min(height, width)
        # max: rounding must not make the short side smaller than the crop.
        size = (max(resize, round(height * scale)), max(resize, round(width * scale)))
        if size != (height, width):
            x = interpolate(x, size=size, mode="bilinear", antialias=True)
        top, left = (size[0] - resolution) // 2, (size[1] - resolution) // 2
        out[place] = x[0, :, top : top + resolution, left : left + resolution]
    return out

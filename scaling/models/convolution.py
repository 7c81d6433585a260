"""The one place where ResNets convolve: what is tuned to a device is tuned here.

Shapes: B images, C channels, O filters, H x W positions.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

FEW_POSITIONS = 128  # of a feature map: below, all images make one product, above each image makes its own


def convolve(x: Tensor, filters: Tensor, stride: int = 1, padding: int = 0) -> Tensor:
    """Images [B, C, H, W] by filters [O, C, h, w] -> [B, O, H', W'].

    On a CPU those of one position are products of matrices, which saves bfloat16 the reordering of whole feature maps.
    """
    if not x.is_cpu or filters.shape[2:] != (1, 1) or padding:
        return F.conv2d(x, filters, stride=stride, padding=padding)
    x = x[:, :, ::stride, ::stride] if stride > 1 else x
    weight, flat = filters.flatten(1).to(x.dtype), x.flatten(2)  # [O, C], [B, C, H' W']
    product = weight @ flat if flat.shape[2] < FEW_POSITIONS else torch.bmm(weight.expand(len(x), -1, -1), flat)
    return product.unflatten(2, x.shape[2:])

"""The one place where ResNets convolve: what is tuned to a device or a dtype is tuned here.

Shapes: B images, C channels, O filters, H x W positions.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

FEW_POSITIONS = 128  # of a feature map: below, all images make one product, above each image makes its own


def convolve(x: Tensor, filters: Tensor, stride: int = 1, padding: int = 0) -> Tensor:
    """Images [B, C, H, W] by filters [O, C, h, w] -> [B, O, H', W'].

    In bfloat16 on a CPU filters of one position are products of matrices: a convolution would bring whole feature maps
    into another order first, which takes longer than the product. (Float32 has no need of that.)
    """
    if x.is_cpu and x.dtype == torch.bfloat16 and filters.shape[2:] == (1, 1) and padding == 0:
        x = x[:, :, ::stride, ::stride]
        weight, flat = filters.flatten(1).to(x.dtype), x.flatten(2)  # [O, C], [B, C, H' W']
        product = weight @ flat if flat.shape[2] < FEW_POSITIONS else torch.bmm(weight.expand(len(x), -1, -1), flat)
        return product.unflatten(2, x.shape[2:])
    return F.conv2d(x, filters, stride=stride, padding=padding)

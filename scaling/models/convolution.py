"""The one place where ResNets convolve and pool: what is tuned to a device or a dtype is tuned here.

Shapes: B images, C channels, O filters, H x W positions.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

FEW_POSITIONS = 256  # of a feature map: below, all images make one product, above each image makes its own


def convolve(x: Tensor, filters: Tensor, stride: int = 1, padding: int = 0) -> Tensor:
    """Images [B, C, H, W] by filters [O, C, h, w] -> [B, O, H', W'].

    In bfloat16 on a CPU filters of one position are products of matrices: a convolution would bring whole feature maps
    into another order first, which takes longer than the product. (Float32 has no need of that.)
    """
    if x.is_cpu and x.dtype == torch.bfloat16 and filters.shape[2:] == (1, 1) and padding == 0:
        x = x[:, :, ::stride, ::stride]
        weight, flat = filters.flatten(1).to(x.dtype), x.flatten(2)  # [O, C], [B, C, H' W']
        if flat.shape[2] < FEW_POSITIONS:
            joined = flat.transpose(0, 1).flatten(1)  # [C, B * H' W']
            product = (weight @ joined).unflatten(1, (len(x), -1)).transpose(0, 1)
        else:
            product = torch.bmm(weight.expand(len(x), -1, -1), flat)
        return product.unflatten(2, x.shape[2:])
    return F.conv2d(x, filters, stride=stride, padding=padding)


def max_pool(x: Tensor, padding: tuple[int, int] = (0, 0), *, ceil: bool = False) -> Tensor:
    """Maximum over windows of 3x3 with stride 2, [B, C, H, W] -> [B, C, H', W'], of which no border is ever part.

    `padding` is the border (of rows, of columns) before and after; with `ceil` a last window may reach beyond it.
    On a CPU the places of the maxima are looked for with the channels last, where a register holds a row of them, and
    what is found there is taken from the maps as they lie: torch's own ways do either all or nothing in that order.
    """
    if not x.is_cpu or torch.compiler.is_compiling():
        return F.max_pool2d(x, 3, 2, padding, ceil_mode=ceil)
    by_position = x.detach().contiguous(memory_format=torch.channels_last)
    _, places = F.max_pool2d_with_indices(by_position, [3, 3], [2, 2], padding, ceil_mode=ceil)
    return x.flatten(2).gather(2, places.contiguous().flatten(2)).view_as(places)

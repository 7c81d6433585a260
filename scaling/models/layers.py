"""The one place where ResNets convolve and pool: what is tuned to a device or a dtype is tuned here.

Shapes: B images, C channels, O filters, H x W positions.
"""

import logging
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import CheckpointPolicy, checkpoint, create_selective_checkpoint_contexts

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


def attend(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None = None) -> Tensor:
    """softmax(q k^T / sqrt(d) + bias) v (Eq. 6-7): q [..., N, d], k [..., M, d], v [..., M, e] -> [..., N, e].

    `bias` [..., N, M] is in units of the logits: it is not divided by sqrt(d).
    """
    if q.is_cpu and q.dtype == torch.bfloat16:  # torch's fused kernel takes two to three times as long here
        logits = (q * q.shape[-1] ** -0.5) @ k.mT  # [..., N, M]
        return (logits if bias is None else logits + bias).softmax(dim=-1) @ v
    return F.scaled_dot_product_attention(q, k, v, attn_mask=bias)


class Dense(nn.Linear):
    """x W^T + b: [..., in] -> [..., out].

    Compiled for a CPU, the bias waits for what is compiled after the product: torch's bfloat16 product with a bias
    first fills its result with it, which on one core takes a quarter of the product's own time.
    """

    def forward(self, x: Tensor) -> Tensor:
        if not (torch.compiler.is_compiling() and x.is_cpu):
            return super().forward(x)
        y = F.linear(x, self.weight)
        return (y.to(self.bias.dtype) + self.bias).to(y.dtype)  # rounded once


class GroupNorm(nn.GroupNorm):
    """torch's GroupNorm, [B, C, ...] -> [B, C, ...], in float32 inside; what comes in bfloat16 leaves in bfloat16.

    Autocast would let it leave in float32, which doubles what every layer behind it has to read.
    """

    def forward(self, x: Tensor) -> Tensor:
        if x.is_cuda and torch.compiler.is_compiling():
            return norm_by_sums(x, self)
        return super().forward(x).to(x.dtype)


def norm_by_sums(x: Tensor, layer: nn.GroupNorm) -> Tensor:
    """`layer` of x [B, C, ...] as a scale and a shift a channel, from sums over positions and then over a group.

    For a GPU's compiler, which makes of it one pass over the images for the sums and one for the rest, there and back,
    fused with what stands around. Of torch's own form it makes Welford steps by group: a ResNet's training step takes
    two to three times as long. The variance is E[x^2] - E[x]^2, flax's default.
    """
    B, C, G = x.shape[0], x.shape[1], layer.num_groups
    positions = tuple(range(2, x.ndim))
    values = x.float()
    mean = values.mean(dim=positions).view(B, G, C // G).mean(dim=2, keepdim=True)  # [B, G, 1]
    square = (values * values).mean(dim=positions).view(B, G, C // G).mean(dim=2, keepdim=True)
    scale = torch.rsqrt((square - mean * mean).clamp(min=0) + layer.eps) * layer.weight.view(G, -1)  # [B, G, C/G]
    shift = layer.bias.view(G, -1) - mean * scale
    by_channel = (B, C) + (1,) * len(positions)
    return (values * scale.view(by_channel) + shift.view(by_channel)).to(x.dtype)


# It warns of operations in place under a checkpoint, of which there are none here.
logging.getLogger("torch._higher_order_ops.wrap").setLevel(logging.ERROR)


def gelu(x: Tensor) -> Tensor:
    """0.5 x (1 + tanh(u)) with u = sqrt(2 / pi) (x + 0.044715 x^3), the approximation that is flax's default.

    For the compiler it is written x sigmoid(2 u), which is the same: on a CPU its tanh takes twice as long. There the
    sigmoid is also kept for the backward pass, as its exponential takes longer than memory does; on a GPU it does not.
    """
    if not torch.compiler.is_compiling():
        return F.gelu(x, approximate="tanh")
    return _KEPT(x) if x.is_cpu and torch.is_grad_enabled() else _by_sigmoid(x)


def _by_sigmoid(x: Tensor) -> Tensor:
    return x * torch.sigmoid(1.5957691216057308 * (x + 0.044715 * x**3))


def _keep_sigmoid(_context: Any, op: Any, *_args: Any, **_kwargs: Any) -> CheckpointPolicy:
    kept = op is torch.ops.aten.sigmoid.default
    return CheckpointPolicy.MUST_SAVE if kept else CheckpointPolicy.PREFER_RECOMPUTE


_KEPT = partial(
    checkpoint,
    _by_sigmoid,
    use_reentrant=False,
    preserve_rng_state=False,
    context_fn=partial(create_selective_checkpoint_contexts, _keep_sigmoid),
)


def embed_patches(x: Tensor, layer: nn.Conv2d) -> Tensor:
    """What `layer`, whose stride is its kernel, makes of images [B, C, H, W], in raster order: [B, N, D].

    Rows and columns that fill no whole patch are ignored. A convolution does the same, in bfloat16 on a CPU more
    slowly by a factor of 2 to 15.
    """
    P = layer.kernel_size[0]
    h, w = x.shape[2] // P, x.shape[3] // P
    x = x[:, :, : h * P, : w * P].unflatten(3, (w, P)).unflatten(2, (h, P))  # [B, C, h, P, w, P]
    # Rounded and reordered at once, before axes are joined: the compiler's code for a CPU is four times as fast.
    x = x.permute(0, 2, 4, 1, 3, 5).to(_dtype_of_products(x)).contiguous()
    x = x.view(len(x), h * w, -1)  # [B, N, C P P]
    return F.linear(x, layer.weight.flatten(1), layer.bias)


def _dtype_of_products(x: Tensor) -> torch.dtype:
    kind = x.device.type
    rounded = torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)  # of meta there is none
    return torch.get_autocast_dtype(kind) if rounded else x.dtype


def lecun_normal_(weight: Tensor) -> None:
    """Fill a kernel [out, in, ...] from the truncated normal of variance 1 / fan_in, flax's default for its layers."""
    std = weight[0].numel() ** -0.5 / 0.87962566103423978  # the last: deviation of a unit normal cut at +-2
    nn.init.trunc_normal_(weight, std=std, a=-2 * std, b=2 * std)


def normalise(x: torch.Tensor) -> torch.Tensor:
    """uint8 [...] to float32 in [-1, 1], on the tensor's own device."""
    return x.float() / 127.5 - 1

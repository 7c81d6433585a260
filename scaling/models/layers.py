"""Layers that several models are made of, each written for the devices and dtypes that it is trained on.

What belongs here is used by more than one model, or is the form of an operation that is fastest on some device; what
one model alone is made of is in that model's file. Every function computes what its docstring says, in whatever form.

Shapes: B images, C channels in and O out, H x W positions, P pixels a side of a patch, N patches, D width, G groups.
`kh kw` is a kernel's height and width, `H_out W_out` the positions after a stride.
"""

import logging
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Float32, Int64, UInt8
from torch import Tensor, nn
from torch.utils.checkpoint import CheckpointPolicy, checkpoint, create_selective_checkpoint_contexts

# Positions of a feature map. Below, one product over all images fills the cores best; above, an image has enough of its
# own, and joining the images would only copy them.
FEW_POSITIONS = 256
CLASSIFIER = frozenset({"head.weight", "head.bias"})  # names of its parameters in every model of ours


# --- images and patches ------------------------------------------------------------------------------------------


def normalise(x: UInt8[Tensor, "*shape"]) -> Float32[Tensor, "*shape"]:
    """Images of uint8 to float32 in [-1, 1], on the device where they are."""
    return x.float() / 127.5 - 1


def embed_patches(x: Float[Tensor, "B C H W"], layer: nn.Conv2d) -> Float[Tensor, "B N D"]:
    """The convolution `layer`, whose stride is its kernel, of images: a vector of width D per patch, in raster order.

    Rows and columns that fill no whole patch are ignored. It is written as a product of matrices: a convolution takes
    2 to 15 times as long in bfloat16 on a CPU.
    """
    P = layer.kernel_size[0]
    h, w = x.shape[2] // P, x.shape[3] // P
    x = x[:, :, : h * P, : w * P].unflatten(3, (w, P)).unflatten(2, (h, P))  # [B, C, h, P, w, P]
    # Rounded and reordered at once, before axes are joined: the compiler's code for a CPU is four times as fast.
    x = x.permute(0, 2, 4, 1, 3, 5).to(_dtype_of_products(x)).contiguous()
    x = x.view(len(x), h * w, -1)  # [B, N, C P P]
    return F.linear(x, layer.weight.flatten(1), layer.bias)


def _dtype_of_products(x: Tensor) -> torch.dtype:
    """The dtype in which matrices are multiplied: autocast's where it is on, else that of `x`."""
    kind = x.device.type
    rounded = torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)  # none for the meta device
    return torch.get_autocast_dtype(kind) if rounded else x.dtype


# --- Transformers ------------------------------------------------------------------------------------------------


def attend(
    q: Float[Tensor, "*heads N d"],
    k: Float[Tensor, "*heads M d"],
    v: Float[Tensor, "*heads M e"],
    bias: Float[Tensor, "*heads N M"] | None = None,
) -> Float[Tensor, "*heads N e"]:
    """softmax(q k^T / sqrt(d) + bias) v (Eq. 6-7), for N queries and M keys of size d.

    `bias` is in units of the logits: it is not divided by sqrt(d).
    """
    if q.is_cpu and q.dtype == torch.bfloat16:  # torch's fused kernel takes two to three times as long here
        # The queries are scaled, not the logits, of which there are more as soon as the tokens outnumber d.
        logits = (q * q.shape[-1] ** -0.5) @ k.mT  # [..., N, M]
        y: Float[Tensor, "*heads N e"] = (logits if bias is None else logits + bias).softmax(dim=-1) @ v
        return y
    return F.scaled_dot_product_attention(q, k, v, attn_mask=bias)


class Dense(nn.Linear):
    """x W^T + b over the last dimension, from C to O channels.

    Compiled for a CPU, the bias is added after the product: torch's bfloat16 product with a bias first fills its result
    with the bias, which on one core takes a quarter of the product's own time. The compiler fuses the separate addition
    with whatever follows.
    """

    def forward(self, x: Float[Tensor, "*batch C"]) -> Float[Tensor, "*batch O"]:
        if not (torch.compiler.is_compiling() and x.is_cpu):
            return super().forward(x)
        y = F.linear(x, self.weight)
        return (y.to(self.bias.dtype) + self.bias).to(y.dtype)  # rounded once, as in the product with a bias


def gelu(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """0.5 x (1 + tanh(u)) with u = sqrt(2 / pi) (x + 0.044715 x^3), the approximation that is flax's default.

    Compiled, it is written x sigmoid(2 u), which is equal: on a CPU the compiler's tanh takes twice as long. There the
    sigmoid is also saved for the backward pass, because computing its exponential again takes longer than reading it;
    on a GPU it is computed again.
    """
    if not torch.compiler.is_compiling():
        return F.gelu(x, approximate="tanh")
    return _gelu_saving_sigmoid(x) if x.is_cpu and torch.is_grad_enabled() else _gelu_by_sigmoid(x)


def _gelu_by_sigmoid(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    return x * torch.sigmoid(1.5957691216057308 * (x + 0.044715 * x**3))  # the constant is 2 sqrt(2 / pi)


def _save_sigmoid(_context: Any, op: Any, *_args: Any, **_kwargs: Any) -> CheckpointPolicy:
    save = op is torch.ops.aten.sigmoid.default
    return CheckpointPolicy.MUST_SAVE if save else CheckpointPolicy.PREFER_RECOMPUTE


# Selective checkpointing is the one way to tell the compiler what to save: by itself it computes the sigmoid again.
_gelu_saving_sigmoid = partial(
    checkpoint,
    _gelu_by_sigmoid,
    use_reentrant=False,
    preserve_rng_state=False,  # nothing inside is random
    context_fn=partial(create_selective_checkpoint_contexts, _save_sigmoid),
)
# The compiler warns of operations in place under a checkpoint, of which there are none here.
logging.getLogger("torch._higher_order_ops.wrap").setLevel(logging.ERROR)


# --- ResNets -----------------------------------------------------------------------------------------------------


def convolve(
    x: Float[Tensor, "B C H W"], filters: Float[Tensor, "O C kh kw"], stride: int = 1, padding: int = 0
) -> Float[Tensor, "B O H_out W_out"]:
    """Convolution of feature maps, with `padding` zeros on every side.

    In bfloat16 on a CPU, 1 x 1 filters are applied as products of matrices: torch's convolution would bring whole
    feature maps into another memory order first, which takes longer than the product. In float32 it does not.
    """
    # In bfloat16 alone: MKL's float32 products are slow on some CPUs.
    if x.is_cpu and x.dtype == torch.bfloat16 and filters.shape[2:] == (1, 1) and padding == 0:
        x = x[:, :, ::stride, ::stride]
        weight, flat = filters.flatten(1).to(x.dtype), x.flatten(2)  # [O, C], [B, C, H_out W_out]
        if flat.shape[2] < FEW_POSITIONS:
            joined = flat.transpose(0, 1).flatten(1)  # [C, B H_out W_out]
            product = (weight @ joined).unflatten(1, (len(x), -1)).transpose(0, 1)
        else:
            # Not for small maps, beside which the copy of the filters that is made for each image would weigh.
            product = torch.bmm(weight.expand(len(x), -1, -1), flat)
        y: Float[Tensor, "B O H_out W_out"] = product.unflatten(2, x.shape[2:])
        return y
    return F.conv2d(x, filters, stride=stride, padding=padding)


def max_pool(
    x: Float[Tensor, "B C H W"], padding: tuple[int, int] = (0, 0), *, ceil: bool = False
) -> Float[Tensor, "B C H_out W_out"]:
    """Maximum over windows of 3x3 with stride 2; positions of the border never win.

    `padding` is the border (of rows, of columns) before and after; with `ceil` a last window may reach beyond it.
    On a CPU the indices of the maxima are found with the channels last in memory, where a register holds many channels
    of one position, and the maxima are then gathered from the maps in their own order: torch's operator would do both
    steps in one of the two orders, and be slow at one of them.
    """
    if not x.is_cpu or torch.compiler.is_compiling():
        return F.max_pool2d(x, 3, 2, padding, ceil_mode=ceil)
    # Detached: only the indices are taken from it, and gradients flow through the gather below.
    channels_last = x.detach().contiguous(memory_format=torch.channels_last)
    indices: Int64[Tensor, "B C H_out W_out"]
    _, indices = F.max_pool2d_with_indices(channels_last, [3, 3], [2, 2], padding, ceil_mode=ceil)
    # torch's own pool took 5 % of an R50x1's training step.
    return x.flatten(2).gather(2, indices.contiguous().flatten(2)).view_as(indices)


class GroupNorm(nn.GroupNorm):
    """torch's GroupNorm: computed in float32, returned in the dtype of its input.

    Under autocast torch's own returns float32, which doubles what every layer behind it has to read.
    """

    def forward(self, x: Float[Tensor, "B C *positions"]) -> Float[Tensor, "B C *positions"]:
        if x.is_cuda and torch.compiler.is_compiling():
            return norm_by_sums(x, self)
        return super().forward(x).to(x.dtype)


def norm_by_sums(x: Float[Tensor, "B C *positions"], layer: nn.GroupNorm) -> Float[Tensor, "B C *positions"]:
    """The GroupNorm `layer` as one scale and one shift per channel, from sums over positions and then over a group.

    For a GPU's compiler, which makes of this one pass over the images for the sums and one for the rest, forward and
    backward, fused with the operations around it. From torch's own form it makes Welford steps by group, with which a
    ResNet's training step takes two to three times as long. The variance is E[x^2] - E[x]^2, flax's default.
    """
    B, C, G = x.shape[0], x.shape[1], layer.num_groups
    positions = tuple(range(2, x.ndim))
    values = x.float()
    mean = values.mean(dim=positions).view(B, G, C // G).mean(dim=2, keepdim=True)  # [B, G, 1]
    square = (values * values).mean(dim=positions).view(B, G, C // G).mean(dim=2, keepdim=True)
    # Roundings can make the difference negative where all values of a group are equal.
    scale = torch.rsqrt((square - mean * mean).clamp(min=0) + layer.eps) * layer.weight.view(G, -1)  # [B, G, C/G]
    shift = layer.bias.view(G, -1) - mean * scale
    by_channel = (B, C) + (1,) * len(positions)
    return (values * scale.view(by_channel) + shift.view(by_channel)).to(x.dtype)


# --- initial weights ---------------------------------------------------------------------------------------------


def lecun_normal_(weight: Float[Tensor, "out in *kernel"]) -> None:
    """Fill a kernel, in place, from the truncated normal of variance 1 / fan_in, flax's default for its layers."""
    std = weight[0].numel() ** -0.5 / 0.87962566103423978  # the last: deviation of a unit normal cut at +-2
    nn.init.trunc_normal_(weight, std=std, a=-2 * std, b=2 * std)

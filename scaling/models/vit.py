"""Vision Transformer (Dosovitskiy et al. 2021, §3.1 and Appendix A).

Shapes: B images, C channels, H x W positions of the stem, N patches, S tokens (N, or 1+N with a class token), D width,
k heads, K classes.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from scaling.models.layers import CLASSIFIER, Dense, attend, embed_patches, gelu, lecun_normal_
from scaling.models.positions import INIT_STD, fresh_tables, relative_logits, tables_by_place
from scaling.specs import ViT

NORM_EPS = 1e-6  # of every LayerNorm, as in the official code


class Attention(nn.Module):
    """Multi-head self-attention (Eq. 5-8).

    `offsets` is the number 2N-1 of relative offsets, each with a learned key that the heads share (§D.4), or 0 for
    attention without relative positions.
    """

    def __init__(self, width: int, num_heads: int, offsets: int = 0) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv = Dense(width, 3 * width)
        self.out = Dense(width, width)
        self.relative = nn.Parameter(INIT_STD * torch.randn(offsets, width // num_heads)) if offsets else None
        for kernel in (*self.qkv.weight.detach().chunk(3), self.out.weight):  # each D x D: fan_out is D, not 3D
            nn.init.xavier_uniform_(kernel)
        nn.init.zeros_(self.qkv.bias)
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Float[Tensor, "B S D"]) -> Float[Tensor, "B S D"]:
        B, S, D = x.shape
        # q, k, v: [B, k, S, D/k]
        q, k, v = (part.view(B, S, self.num_heads, -1).transpose(1, 2) for part in self.qkv(x).chunk(3, dim=-1))
        bias = None if self.relative is None else relative_logits(q, self.relative)
        x = attend(q, k, v, bias)
        y: Float[Tensor, "B S D"] = self.out(x.transpose(1, 2).reshape(B, S, D))
        return y


class Block(nn.Module):
    """Pre-norm encoder block (Eq. 2-3). Dropout follows every dense layer but that of q, k and v (§B.1)."""

    def __init__(self, spec: ViT, grid: int, dropout: float) -> None:
        super().__init__()
        offsets = 2 * grid * grid - 1 if spec.positions == "relative" else 0
        self.norm1 = nn.LayerNorm(spec.width, eps=NORM_EPS)
        self.attention = Attention(spec.width, spec.num_heads, offsets)
        self.norm2 = nn.LayerNorm(spec.width, eps=NORM_EPS)
        self.fc1 = nn.Linear(spec.width, spec.mlp_dim)  # no Dense: GELU's gradient needs its sum anyway
        self.fc2 = Dense(spec.mlp_dim, spec.width)
        self.dropout = nn.Dropout(dropout)
        for dense in (self.fc1, self.fc2):
            nn.init.xavier_uniform_(dense.weight)
            # As in the official code.
            nn.init.normal_(dense.bias, std=1e-6)

    def forward(self, x: Float[Tensor, "B S D"]) -> Float[Tensor, "B S D"]:
        x = x + self.dropout(self.attention(self.norm1(x)))
        h = self.dropout(gelu(self.fc1(self.norm2(x))))  # [B, S, mlp_dim]
        y: Float[Tensor, "B S D"] = x + self.dropout(self.fc2(h))
        return y


class AxialBlock(nn.Module):
    """A block along the rows of N = G x G patches, then one along the columns, each with attention and MLP (§D.6)."""

    def __init__(self, row: nn.Module, column: nn.Module, grid: int) -> None:
        super().__init__()
        self.row, self.column, self.grid = row, column, grid

    def forward(self, x: Float[Tensor, "B N D"]) -> Float[Tensor, "B N D"]:
        B, _, D = x.shape
        G = self.grid
        x = self.row(x.reshape(B * G, G, D)).view(B, G, G, D)  # attention among the patches of one row
        x = x.transpose(1, 2).reshape(B * G, G, D)
        x = self.column(x).view(B, G, G, D)  # and among those of one column
        return x.transpose(1, 2).reshape(B, G * G, D)


def encoder_layer(spec: ViT, grid: int, dropout: float) -> Block | AxialBlock:
    """One of the encoder's `depth` layers, over a square grid of patches."""
    if spec.attention == "axial":
        return AxialBlock(Block(spec, grid, dropout), Block(spec, grid, dropout), grid)
    return Block(spec, grid, dropout)


class VisionTransformer(nn.Module):
    """Encoder over patches of an image, or of the feature map that `stem` makes of it (a hybrid's ResNet).

    `in_channels` are the channels of what is cut into patches, `grid` the patches a side. Patches are cut without
    padding, so rows and columns that fill no whole patch are ignored (H/14 at 384 pixels sees 378).
    Raises ValueError when there is not one whole patch.
    """

    classifier = CLASSIFIER

    def __init__(
        self,
        spec: ViT,
        num_classes: int,
        *,
        grid: int,
        stem: nn.Module | None = None,
        in_channels: int = 3,
        dropout: float = 0.0,
        head_bias: float = 0.0,
    ) -> None:
        super().__init__()
        if grid < 1:
            raise ValueError(
                f"the image is smaller than one patch ({spec.patch_size}) of the model: raise the resolution"
            )
        self.spec = spec
        self.stem = stem if stem is not None else nn.Identity()
        # Never called: it holds the kernel in the form that checkpoints have, see `embed_patches`.
        self.patch_embed = nn.Conv2d(in_channels, spec.width, spec.patch_size, stride=spec.patch_size)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, spec.width)) if spec.pool == "token" else None
        self.pos_embed = fresh_tables(spec, grid)
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(encoder_layer(spec, grid, dropout) for _ in range(spec.depth))
        self.norm = nn.LayerNorm(spec.width, eps=NORM_EPS)
        size = spec.representation_size
        self.pre_logits = None if size is None else nn.Linear(spec.width, size)
        self.head = nn.Linear(size or spec.width, num_classes)

        for dense in (self.patch_embed, self.pre_logits):
            if dense is not None:
                lecun_normal_(dense.weight)
                assert dense.bias is not None
                nn.init.zeros_(dense.bias)
        # Zero, as §3.2 has it for fine-tuning, and the official code for pre-training too.
        nn.init.zeros_(self.head.weight)
        nn.init.constant_(self.head.bias, head_bias)

    def embed(self, x: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B N D"]:
        """The embedded patches of images, without positions."""
        x = self.stem(x)  # [B, C, H, W]
        return embed_patches(x, self.patch_embed)

    def encode(self, x: Float[Tensor, "B N D"]) -> Float[Tensor, "B S D"]:
        """The tokens of the last layer, before the final norm, from embedded patches.

        Dropout follows the addition of positions at the stem, or stands there alone; additions at layers have none.
        The tokens keep the patches' dtype: under autocast the residual stream is bfloat16, at half the memory traffic.
        """
        if self.cls_token is not None:
            x = torch.cat([self.cls_token.expand(len(x), -1, -1).to(x.dtype), x], dim=1)  # [B, 1+N, D]
        at_stem, *at_layers = tables_by_place(self.pos_embed, self.spec)
        x = self.dropout(x if at_stem is None else (x + at_stem).to(x.dtype))
        for block, table in zip(self.blocks, at_layers, strict=True):
            x = block(x if table is None else (x + table).to(x.dtype))
        return x

    def features(self, x: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B D"]:
        """The representation of images: the class token after the final norm, or the mean of all patches (§D.3).

        A pre-training head's hidden layer `pre_logits` is applied, without its tanh.
        """
        x = self.encode(self.embed(x))  # [B, S, D]
        # A LayerNorm is per token, so the tokens that are not read need none.
        x = self.norm(x[:, 0]) if self.cls_token is not None else self.norm(x).mean(dim=1)  # [B, D]
        # §D.3 does not say whether few-shot features come before the tanh or after it.
        return x if self.pre_logits is None else self.pre_logits(x)

    def forward(self, x: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B K"]:
        """The logits of images; the pre-training head has one hidden layer with tanh (§D.3)."""
        x = self.features(x)
        y: Float[Tensor, "B K"] = self.head(x if self.pre_logits is None else torch.tanh(x))
        return y

"""Masked patch prediction (§4.6, §B.1.2): a ViT reads images with corrupted patches and predicts what those were.

Shapes: B images, N patches, C of them corrupted, D width, P predicted numbers a patch.
"""

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from scaling.models.vit import VisionTransformer

MASK = -1  # in place of a patch's number: the [mask] embedding


class MaskedPatchPrediction(nn.Module):
    """`encoder` with its classifier as the prediction layer, of P outputs, and a learned [mask] embedding.

    The checkpoint of a run is the encoder alone: its parameters have the names of any ViT's, and a transfer drops its
    classifier.
    """

    def __init__(self, encoder: VisionTransformer) -> None:
        super().__init__()
        self.encoder = encoder
        self.mask_token = nn.Parameter(torch.zeros(encoder.patch_embed.out_channels))

    def forward(self, x: Float[Tensor, "B 3 H W"], corruption: Int64[Tensor, "B C 2"]) -> Float[Tensor, "B C P"]:
        """Predictions for the corrupted patches of images.

        `corruption` holds two numbers for each of them: the patch's own, in raster order, and that of the patch whose
        embedding it is given (its own again: it stays as it is), or MASK.
        """
        position, source = corruption.unbind(-1)  # [B, C] each
        patches = self.encoder.embed(x)  # [B, N, D]
        masked = (source == MASK)[..., None]
        # One dtype: autocast makes the patches bfloat16. A MASK is no index, so it is clamped; that row is not used.
        replaced = torch.where(masked, self.mask_token.to(patches.dtype), _take(patches, source.clamp(min=0)))
        # Before positions are added (§B.1.2 replaces patch embeddings): a masked patch still says where it is.
        patches = patches.scatter(1, _index(position, patches), replaced)
        patches = self.encoder.encode(patches)[:, -patches.shape[1] :]  # [B, N, D], without a class token
        y: Float[Tensor, "B C P"] = self.encoder.head(self.encoder.norm(_take(patches, position)))
        return y


def _take(x: Float[Tensor, "B N D"], which: Int64[Tensor, "B C"]) -> Float[Tensor, "B C D"]:
    """The tokens of x whose numbers are `which`."""
    return x.gather(1, _index(which, x))


def _index(which: Int64[Tensor, "B C"], x: Float[Tensor, "B N D"]) -> Int64[Tensor, "B C D"]:
    return which[..., None].expand(-1, -1, x.shape[-1])

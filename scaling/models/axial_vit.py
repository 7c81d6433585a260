"""Axial Transformer block (§D.6): in place of one block over all tokens, one along the rows and one along the columns.

Shapes: B images, G x G patches, D width.
"""

from torch import Tensor, nn


class AxialBlock(nn.Module):
    """Row block, then column block, each with its own attention and MLP: [B, G*G, D] -> [B, G*G, D]."""

    def __init__(self, row: nn.Module, column: nn.Module, grid: int) -> None:
        super().__init__()
        self.row, self.column, self.grid = row, column, grid

    def forward(self, x: Tensor) -> Tensor:
        B, _, D = x.shape
        G = self.grid
        x = self.row(x.reshape(B * G, G, D)).view(B, G, G, D)  # attention among the patches of one row
        x = x.transpose(1, 2).reshape(B * G, G, D)
        x = self.column(x).view(B, G, G, D)  # and of one column
        return x.transpose(1, 2).reshape(B, G * G, D)

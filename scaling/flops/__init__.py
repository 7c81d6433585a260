"""Parameters, MACs and training FLOPs of specs: in closed form, or counted where there is none."""

from scaling.flops.counts import forward_macs, parameters, pretrain_flops, train_flops, transfer_flops

__all__ = [
    "forward_macs",
    "parameters",
    "pretrain_flops",
    "train_flops",
    "transfer_flops",
]

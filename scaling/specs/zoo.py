"""The named models: a table, one row a model, with its source.

Papers: ViT (Dosovitskiy et al. 2021), BiT (Kolesnikov et al. 2020), DeiT (Touvron et al. 2021), AugReg (Steiner et al.
2022). The ViT paper's own models carry its pre-training head, one hidden layer as wide as the encoder (§D.3).
"""

from difflib import get_close_matches

from scaling.specs.architectures import Hybrid, ResNet, ViT
from scaling.specs.models import Architecture, Custom

R26 = ResNet((2, 2, 2, 2))
R50 = ResNet((3, 4, 6, 3))
R50_16 = ResNet((3, 4, 9))  # stage 4's blocks moved into stage 3 (ViT §4.1)
ZOO: dict[str, ViT | ResNet | Hybrid] = {
    # ViT Table 1; name/patch size.  patch, width, depth, MLP, heads, representation
    "ViT-B/16": ViT(16, 768, 12, 3072, 12, 768),
    "ViT-B/32": ViT(32, 768, 12, 3072, 12, 768),
    "ViT-L/16": ViT(16, 1024, 24, 4096, 16, 1024),
    "ViT-L/32": ViT(32, 1024, 24, 4096, 16, 1024),
    "ViT-H/14": ViT(14, 1280, 32, 5120, 16, 1280),
    # Smaller ones: DeiT Table 1, AugReg Table 2. S/32 has the sizes of ViT's Fig. 4 'b/32', half of B's.
    "ViT-Ti/16": ViT(16, 192, 12, 768, 3),
    "ViT-S/16": ViT(16, 384, 12, 1536, 6),
    "ViT-S/32": ViT(32, 384, 12, 1536, 6),
    # ViT §D.6: ViT-B in axial form, the head on the mean of the patches.
    "Axial-ViT-B/16": ViT(16, 768, 12, 3072, 12, 768, pool="gap", attention="axial"),
    "Axial-ViT-B/32": ViT(32, 768, 12, 3072, 12, 768, pool="gap", attention="axial"),
    # BiT ResNets, depth x width factor: BiT §3.1, ViT Table 6; depths as in He et al. 2016.
    "R50x1": R50,
    "R50x2": ResNet((3, 4, 6, 3), width=128),
    "R101x1": ResNet((3, 4, 23, 3)),
    "R152x1": ResNet((3, 8, 36, 3)),
    "R152x2": ResNet((3, 8, 36, 3), width=128),
    "R200x3": ResNet((3, 24, 36, 3), width=192),
    "R152x4": ResNet((3, 8, 36, 3), width=256),
    # BiT's own pre-activation form, that of its released checkpoints (google-research/big_transfer). In ViT's Figure 2,
    # R152x4 is BiT-L and R50x3 VIVI.
    "BiT-R50x1": ResNet((3, 4, 6, 3), activation="pre"),
    "BiT-R101x1": ResNet((3, 4, 23, 3), activation="pre"),
    "BiT-R50x3": ResNet((3, 4, 6, 3), width=192, activation="pre"),
    "BiT-R101x3": ResNet((3, 4, 23, 3), width=192, activation="pre"),
    "BiT-R152x2": ResNet((3, 8, 36, 3), width=128, activation="pre"),
    "BiT-R152x4": ResNet((3, 8, 36, 3), width=256, activation="pre"),
    # AxialResNet50 (ViT §D.6, Figure 13): R50 and relative positions are the paper's; 8 heads, keys half as wide as
    # values, where the GroupNorms stand and the pooling are the authors' later open code's (scenic's axial_resnet).
    "AxialR50x1": ResNet((3, 4, 6, 3), spatial="axial"),
    # Hybrids, backbone + encoder/stride of the backbone: ViT §4.1, Table 6; R26 from AugReg Table 2.
    "R50x1+ViT-B/16": Hybrid(R50_16, ViT(1, 768, 12, 3072, 12, 768)),
    "R50x1+ViT-B/32": Hybrid(R50, ViT(1, 768, 12, 3072, 12, 768)),
    "R50x1+ViT-L/16": Hybrid(R50_16, ViT(1, 1024, 24, 4096, 16, 1024)),
    "R50x1+ViT-L/32": Hybrid(R50, ViT(1, 1024, 24, 4096, 16, 1024)),
    "R26+ViT-S/32": Hybrid(R26, ViT(1, 384, 12, 1536, 6)),
    # Ours, for images of 16 to 32 pixels on a CPU: shallow and wide, which suits it.
    "ViT-micro-S/4": ViT(4, 32, 1, 128, 2),
    "ViT-micro-M/4": ViT(4, 40, 2, 160, 2),
    "ViT-micro-L/4": ViT(4, 64, 2, 256, 4),
    "Axial-ViT-micro-S/4": ViT(4, 32, 1, 128, 2, pool="gap", attention="axial"),
    "R-micro-S": ResNet((1, 1), width=8, groups=8),
    "R-micro-M": ResNet((1, 1), width=16, groups=8),
    "R-micro-L": ResNet((1, 1), width=32, groups=8),
    "BiT-R-micro-S": ResNet((1, 1), width=8, groups=8, activation="pre"),
    "AxialR-micro-S": ResNet((1, 1), width=8, groups=8, spatial="axial", num_heads=2),
    "R+ViT-micro-S/4": Hybrid(ResNet((1,), width=8, groups=8), ViT(1, 32, 1, 128, 2)),
    "R+ViT-micro-M/4": Hybrid(ResNet((1,), width=8, groups=8), ViT(1, 48, 2, 192, 3)),
    "R+ViT-micro-L/4": Hybrid(ResNet((1,), width=16, groups=8), ViT(1, 64, 2, 256, 4)),
}


def zoo_model(name: str) -> Architecture:
    """The architecture called `name`, or a `Custom` by its path: 'timm:resnet18', 'my_models:convnext'.

    Raises ValueError, with the names most like it, when the zoo has none.
    """
    if name in ZOO:
        return ZOO[name]
    if ":" in name:
        return Custom(name)
    close = get_close_matches(name, ZOO, n=3) or sorted(ZOO)
    raise ValueError(f"no model {name!r} in the zoo; did you mean {', '.join(close)}?")

"""The shape of the Transformer (ViT §D.2, Figure 8): which dimension is worth its compute.

    python scaling/run_study.py transformer_shape --plan          (as published)
    python scaling/run_study.py transformer_shape --miniature     (on a laptop)

One ViT with 8 layers, width 1024, MLP 2048 and patches of 32 pixels on JFT-300M for 7 epochs, scaled in depth, width,
MLP width or patch size alone, and in all of them together; linear 5-shot accuracy. The paper gives neither its grid nor
the number of heads: doublings, and 64 features per head, are our choice.

Cost: 3,766 exaFLOPs of pre-training, 2,039 TPU v3 core-days at the paper's own throughput.
Numbers to expect (Figure 8, ImageNet 5-shot): from about 0.35 at the intersection; depth helps most and up to 64
layers, less so after 16; width helps least; smaller patches help robustly without more parameters.
"""

from dataclasses import replace

from scaling.specs import Study, ViT
from search_spaces.scales import MINIATURE as SMALL
from search_spaces.scales import PAPER, Scale


def lines(base: ViT) -> dict[str, ViT]:
    """The points of Figure 8's lines by name. Heads keep their width, so that their number grows with the model's."""

    def wider(factor: int) -> ViT:
        return replace(base, width=base.width * factor, num_heads=base.num_heads * factor)

    shapes = {"base": base}
    shapes |= {f"depth {base.depth * factor}": replace(base, depth=base.depth * factor) for factor in (2, 4, 8)}
    shapes |= {f"width {base.width * factor}": wider(factor) for factor in (2, 4)}
    shapes |= {f"MLP {base.mlp_dim * factor}": replace(base, mlp_dim=base.mlp_dim * factor) for factor in (2, 4)}
    shapes |= {
        f"patch {base.patch_size // factor}": replace(base, patch_size=base.patch_size // factor) for factor in (2, 4)
    }
    shapes["all x2"] = replace(
        wider(2), depth=base.depth * 2, mlp_dim=base.mlp_dim * 2, patch_size=base.patch_size // 2
    )
    return shapes


def study(scale: Scale) -> Study:
    """Figure 8 at a scale."""
    reference = scale.run("ViT-B/32", 7)
    return Study(
        name=f"transformer_shape{scale.suffix}",
        runs=tuple(replace(reference, name=name, model=model) for name, model in lines(scale.shape).items()),
        fewshot=(scale.fewshot,),
        hardware=scale.hardware,
    )


STUDY = study(PAPER)
MINIATURE = study(SMALL)

"""Class token or global average pooling (ViT §D.3, Figure 9): the learning rate decides, not the head.

    python scaling/run_study.py head_type --plan          (as published)
    python scaling/run_study.py head_type --miniature     (on a laptop)

One ViT on JFT-300M for 7 epochs: with the class token and the pre-training MLP at a learning rate of 8e-4, and with the
mean of the patch tokens and a linear classifier at 8e-4 and at 3e-4; linear 5-shot accuracy. The paper does not name
the model; its range of accuracies fits B/32.

Cost: 167 exaFLOPs of pre-training, 90 TPU v3 core-days at the paper's own throughput.
Numbers to expect (Figure 9): the mean at 8e-4 far below the class token, at 3e-4 equal to it.
"""

from dataclasses import replace

from scaling.specs import Study, ViT
from search_spaces.scales import MINIATURE as SMALL
from search_spaces.scales import PAPER, Scale


def study(scale: Scale) -> Study:
    """Figure 9 at a scale; the lower learning rate is 3/8 of the model's own, as 3e-4 is of 8e-4."""
    token = scale.run("ViT-B/32", 7, variant="class token")
    assert isinstance(token.model, ViT)
    pooled = replace(token.model, pool="gap", representation_size=None)
    same, lower = token.base_lr, round(token.base_lr * 3 / 8, 12)
    return Study(
        name=f"head_type{scale.suffix}",
        runs=(
            token,
            scale.run("ViT-B/32", 7, variant=f"GAP, rate {same:g}", model=pooled),
            scale.run("ViT-B/32", 7, variant=f"GAP, rate {lower:g}", model=pooled, base_lr=lower),
        ),
        fewshot=(scale.fewshot,),
        hardware=scale.hardware,
    )


STUDY = study(PAPER)
MINIATURE = study(SMALL)

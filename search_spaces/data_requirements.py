"""How much data a Vision Transformer needs (ViT §4.3, Figures 3 and 4, Table 5).

    python scaling/run_study.py data_requirements --plan          (as published)
    python scaling/run_study.py data_requirements --miniature     (on a laptop)

Figure 3: ViTs pre-trained on ImageNet, ImageNet-21k and JFT-300M, the smaller sets with Table 3's regularization
(weight decay, dropout, for ImageNet label smoothing), fine-tuned on ImageNet. Figure 4: ViTs and ResNets on nested
random subsets of JFT-300M of 9, 30 and 90 million images and on all of it, with the same recipe and number of steps, no
further regularization, keeping the weights of the best held-out accuracy; linear 5-shot accuracy. Here every run gets
both evaluations; the paper did not fine-tune those of Figure 4.

Cost: 15,080 exaFLOPs of pre-training, 8,165 TPU v3 core-days at the paper's own throughput.
Numbers to expect: fine-tuned on ImageNet (Table 5), ViT-L/16 76.53 after ImageNet, 85.15 after ImageNet-21k, 87.12
after JFT-300M; B/16 77.91, 83.97, 84.15. On 9 million images ViT-B/32 is much worse than R50x1 and L/16 than R152x2;
from 90 million on both are better (Figure 4).
"""

from scaling.specs import Pretrain, Study
from search_spaces.scales import MINIATURE as SMALL
from search_spaces.scales import PAPER, Scale

HELD_OUT = 0.02  # share of the images for early stopping; the paper does not say how many
JFT_EPOCHS = {"ViT-B/32": 7, "ViT-B/16": 7, "ViT-L/32": 7, "ViT-L/16": 14, "ViT-H/14": 14}  # Table 5's models
FIGURE_4 = ("ViT-L/16", "ViT-L/32", "ViT-B/32", "ViT-S/32", "R50x1", "R152x2")  # S/32: 'b/32', half of B


def three_sets(scale: Scale) -> list[Pretrain]:
    """Figure 3 and Table 5; H/14 was not trained on ImageNet."""
    models = scale.has(*JFT_EPOCHS)
    imagenet = [scale.run(name, 300, scale.imagenet, variant="ImageNet") for name in models if name != "ViT-H/14"]
    imagenet_21k = [scale.run(name, 90, scale.imagenet_21k, variant="ImageNet-21k") for name in models]
    return [*imagenet, *imagenet_21k, *(scale.run(name, JFT_EPOCHS[name], variant="JFT") for name in models)]


def nested_subsets(scale: Scale) -> list[Pretrain]:
    """Figure 4: as many steps on each subset as on the whole set, so the images of a small one are seen more often."""
    held_out = round(HELD_OUT * scale.images)
    whole = scale.images - held_out
    return [
        scale.run(
            name,
            7 * whole / (subset or whole),
            variant=f"on {_short(subset or whole)} images",
            subset=subset,
            dev_fraction=HELD_OUT,
            evaluations=20,
            early_stopping=20,  # as many as the evaluations: never stops early, but keeps the best weights
        )
        for name in scale.has(*FIGURE_4)
        for subset in (*scale.subsets, None)
    ]


def study(scale: Scale) -> Study:
    """Figures 3 and 4 at a scale."""
    return Study(
        name=f"data_requirements{scale.suffix}",
        runs=(*three_sets(scale), *nested_subsets(scale)),
        tasks=scale.tasks[:1],
        seeds=scale.seeds,
        fewshot=(scale.fewshot,),
        hardware=scale.hardware,
    )


def _short(images: int) -> str:
    return f"{images / 1e6:.0f}M" if images >= 1e6 else str(images)


STUDY = study(PAPER)
MINIATURE = study(SMALL)

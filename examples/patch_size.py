"""Do smaller patches pay? One ViT at three patch sizes, at equal pre-training data.

    python scaling/run_study.py examples/patch_size.py --plan
    python scaling/run_study.py examples/patch_size.py

Pre-trained on fractals of 16 pixels that are made on the spot, fine-tuned on scikit-learn's digits at the same 16
pixels. The models are values, not names of the zoo: of an image of 16 pixels, patches of 8, 4 and 2 make 4, 16 and 64
tokens, so compute rises about fivefold from step to step with almost the same parameters.
"""

from scaling.data import ifs
from scaling.specs import Pretrain, Recipe, Scratch, Study, ViT
from search_spaces.grids import TASKS

RECIPE = Recipe(
    batch_size=32,
    warmup_steps=50,
    schedule="cosine",
    weight_decay=0.05,
    grad_clip=1.0,
    loss="softmax",
    head_bias=0.0,
    crop="none",
    flip=False,
)
MODELS = {f"ViT/{patch}": ViT(patch, width=32, depth=2, mlp_dim=128, num_heads=2) for patch in (8, 4, 2)}

STUDY = Study(
    name="patch_size",
    runs=tuple(
        Pretrain(name, model, ifs(classes=10, images=500, size=16), 2e-3, 3, RECIPE, resolution=16)
        for name, model in MODELS.items()
    ),
    tasks=(TASKS["digits"],),
    scratch=tuple(Scratch(name, model) for name, model in MODELS.items()),
    seeds=(0, 1),
    hardware="cpu",
)

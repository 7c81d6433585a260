"""The two scales of the paper's experiments: as published, to plan with, and miniature, to run on a laptop.

The function `study(scale)` of each experiment builds both, so that running the miniature tests the real one. A scale
holds everything that has a size (models, data, learning rates, steps), and nothing of what an experiment compares.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from scaling.data import DIGITS, FASHION, IMAGENET, IMAGENET_21K, JFT_300M, ifs, layouts
from scaling.specs import ZOO, Dataset, FewShot, Pretrain, Recipe, Task, ViT
from search_spaces import recipes
from search_spaces.grids import PAPER_TASKS, TASKS
from search_spaces.recipes import RECIPE


@dataclass(frozen=True)
class PretrainSetup:
    """An upstream data set, and how models are pre-trained on it."""

    data: Dataset
    recipe: Recipe
    base_lrs: Mapping[str, float]  # base learning rate by the model's name in the paper
    epochs: float = 1.0  # epochs at this scale for one of the paper's


@dataclass(frozen=True)
class Scale:
    """Everything in the paper's experiments that has a size."""

    suffix: str  # of the study's name
    models: Mapping[str, str]  # the paper's name of a model: its name in the zoo; `has` leaves out the others
    jft: PretrainSetup  # the upstream data set of most experiments
    imagenet_21k: PretrainSetup
    imagenet: PretrainSetup
    resolution: int  # of pre-training, pixels on a side
    shape: ViT  # the model in which the lines of Figure 8 intersect
    subsets: tuple[int, ...]  # numbers of images of `jft` to train on (§4.3)
    images: int  # number of all images of `jft`
    tasks: tuple[Task, ...]
    fewshot: FewShot
    sgd: Recipe  # BiT's pre-training with SGD (Table 7)
    sgd_base_lr: float  # its learning rate
    masked: PretrainSetup  # masked patch prediction (§4.6)
    masked_fewshot: FewShot
    positional: PretrainSetup  # for Table 8's position embeddings
    positional_fewshot: FewShot
    pretrain_seeds: tuple[int, ...]  # of studies that compare small differences: Table 8, §4.6
    seeds: tuple[int, ...]  # of the final fine-tuning runs
    hardware: str  # chip of `clusters.hardware` that a plan assumes

    def has(self, *names: str) -> list[str]:
        """Those of the paper's models that exist at this scale."""
        return [name for name in names if name in self.models]

    def run(
        self,
        paper_name: str,
        epochs: float,
        upstream: PretrainSetup | None = None,
        *,
        variant: str = "",
        **changes: Any,
    ) -> Pretrain:
        """The pre-training of a model at this scale.

        Args:
            paper_name: the model's name in the paper.
            epochs: the paper's epochs.
            upstream: the upstream data set; None: `jft`.
            variant: what tells the run from others of the model; added to its name.
            changes: other values of fields of Pretrain.
        """
        setup, name = upstream or self.jft, self.models[paper_name]
        run = Pretrain(
            f"{name} {variant}".strip(),
            ZOO[name],
            setup.data,
            setup.base_lrs[paper_name],
            epochs * setup.epochs,
            setup.recipe,
            resolution=self.resolution,
        )
        return replace(run, **changes)


PAPER = Scale(
    suffix="",
    models={name: name for name in ZOO},
    jft=PretrainSetup(JFT_300M, recipes.JFT, recipes.JFT_BASE_LR),
    imagenet_21k=PretrainSetup(IMAGENET_21K, recipes.IMAGENET_21K, dict.fromkeys(ZOO, 1e-3)),
    imagenet=PretrainSetup(IMAGENET, recipes.IMAGENET, dict.fromkeys(ZOO, 3e-3)),
    resolution=224,
    shape=ViT(32, 1024, 8, 2048, 16, 1024),
    subsets=(9_000_000, 30_000_000, 90_000_000),
    images=303_000_000,
    tasks=PAPER_TASKS,
    fewshot=FewShot(IMAGENET, shots=(5,)),
    sgd=recipes.SGD_TABLE_7,
    sgd_base_lr=recipes.SGD_TABLE_7_BASE_LR,
    masked=PretrainSetup(JFT_300M, recipes.MASKED, dict.fromkeys(ZOO, recipes.MASKED_BASE_LR)),
    masked_fewshot=FewShot(IMAGENET, shots=(5,)),
    positional=PretrainSetup(JFT_300M, recipes.JFT, recipes.JFT_BASE_LR),
    positional_fewshot=FewShot(IMAGENET, shots=(5,)),
    pretrain_seeds=(0,),
    seeds=(0, 1, 2),
    hardware="tpu-v3",
)

MICRO = {  # stand-ins for the paper's models
    "ViT-B/32": "ViT-micro-S/4",
    "ViT-B/16": "ViT-micro-M/4",
    "ViT-L/16": "ViT-micro-L/4",
    "R50x1": "R-micro-S",
    "R152x2": "R-micro-M",
    "R50x1+ViT-B/32": "R+ViT-micro-S/4",
    "R50x1+ViT-L/16": "R+ViT-micro-M/4",
    "Axial-ViT-B/32": "Axial-ViT-micro-S/4",
    "AxialR50x1": "AxialR-micro-S",
}
PLACES = layouts(classes=8, images=300, size=16)
SMALL_DATA = replace(RECIPE, weight_decay=0.1, dropout=0.1, label_smoothing=1e-4)
MICRO_BASE_LR = {name: 1e-3 if "+" in name else 2e-3 for name in MICRO}

MINIATURE = Scale(
    suffix="-miniature",
    models=MICRO,
    jft=PretrainSetup(ifs(classes=10, images=600, size=16), RECIPE, MICRO_BASE_LR, 1 / 7),
    imagenet_21k=PretrainSetup(
        ifs(classes=10, images=200, size=16), replace(RECIPE, dropout=0.1), MICRO_BASE_LR, 3 / 90
    ),
    imagenet=PretrainSetup(ifs(classes=10, images=60, size=16), SMALL_DATA, MICRO_BASE_LR, 10 / 300),
    resolution=16,
    shape=ViT(8, 32, 2, 64, 2, 32),
    subsets=(600, 1_800),
    images=6_000,
    tasks=(replace(TASKS["digits"], base_lrs=(0.1,)), replace(TASKS["fashion"], base_lrs=(0.1,))),
    fewshot=FewShot(FASHION, shots=(5, 25), resolution=16),
    sgd=replace(RECIPE, optimizer="sgd", schedule="steps", decay_at=recipes.SGD_TABLE_7.decay_at, weight_decay=1e-4),
    sgd_base_lr=0.1,
    masked=PretrainSetup(ifs(classes=10, images=600, size=16), RECIPE, MICRO_BASE_LR, 10 / 13.5),
    masked_fewshot=FewShot(DIGITS, shots=(5, 25), resolution=16),
    positional=PretrainSetup(PLACES, RECIPE, MICRO_BASE_LR, 14 / 7),
    positional_fewshot=FewShot(PLACES, shots=(5, 25), resolution=16),
    pretrain_seeds=(0, 1, 2),
    seeds=(0,),
    hardware="cpu",
)

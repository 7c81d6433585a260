"""The study of the storages of earlier versions: a run, two dev trials, a final run and a probe, in seconds."""

from dataclasses import replace

from scaling.data import FASHION, ifs
from scaling.specs import FewShot, Pretrain, Study, ViT
from search_spaces.grids import TASKS
from search_spaces.recipes import RECIPE

STUDY = Study(
    name="tiny",
    runs=(
        Pretrain(
            "ViT-tiny/8",
            ViT(8, 16, 1, 32, 2),
            ifs(classes=4, images=24, size=16),
            1e-3,
            2,
            replace(RECIPE, batch_size=8, warmup_steps=2),
            resolution=16,
            dev_fraction=0.25,
        ),
    ),
    tasks=(replace(TASKS["digits"], base_lrs=(0.1, 0.2), steps=4, resolution=16),),
    fewshot=(FewShot(FASHION, shots=(1,), seeds=(0,), resolution=16),),
    seeds=(0,),
    hardware="cpu",
)

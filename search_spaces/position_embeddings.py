"""Position embeddings (ViT §D.4, Table 8): having one matters, its kind does not.

    python scaling/run_study.py position_embeddings --plan          (as published)
    python scaling/run_study.py position_embeddings --miniature     (on a laptop)

ViT-B/16 on JFT-300M for 7 epochs without a position embedding and with a 1-D, a 2-D and a relative one. Their tables
are added to the input, or to the input of every layer, one for each or one that is shared; linear 5-shot accuracy. The
miniature trains, with three seeds, on images whose class is decided by where things are (`scaling.data.layouts`).

Cost: 1,799 exaFLOPs of pre-training, 974 TPU v3 core-days at the paper's own throughput.
Numbers to expect (Table 8, ImageNet 5-shot): none 0.614; 1-D 0.642, 0.640, 0.643; 2-D 0.640, 0.640, 0.640;
relative 0.640.
"""

from dataclasses import replace

from scaling.specs import Study, ViT
from search_spaces.scales import MINIATURE as SMALL
from search_spaces.scales import PAPER, Scale


def rows(model: ViT) -> dict[str, ViT]:
    """Table 8's entries by name, each a form of `model`."""
    one, two = replace(model, positions="1d"), replace(model, positions="2d")
    return {
        "none": replace(model, positions="none"),
        **{f"1-D, {where}": placed for where, placed in _places(one).items()},
        **{f"2-D, {where}": placed for where, placed in _places(two).items()},
        "relative": replace(model, positions="relative"),
    }


def _places(model: ViT) -> dict[str, ViT]:
    """The columns of Table 8: where the table of positions is added."""
    return {
        "stem": model,
        "every layer": replace(model, positions_at="every_layer"),
        "every layer, shared": replace(model, positions_at="every_layer_shared"),
    }


def study(scale: Scale) -> Study:
    """Table 8 at a scale."""
    model = scale.run("ViT-B/16", 7).model
    assert isinstance(model, ViT)
    return Study(
        name=f"position_embeddings{scale.suffix}",
        runs=tuple(
            scale.run("ViT-B/16", 7, scale.positional, variant=name, model=variant, seed=seed)
            for name, variant in rows(model).items()
            for seed in scale.pretrain_seeds
        ),
        fewshot=(scale.positional_fewshot,),
        hardware=scale.hardware,
    )


STUDY = study(PAPER)
MINIATURE = study(SMALL)

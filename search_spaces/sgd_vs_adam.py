"""SGD against Adam for pre-training ResNets (ViT §D.1, Table 7).

    python scaling/run_study.py sgd_vs_adam --plan          (as published)
    python scaling/run_study.py sgd_vs_adam --miniature     (on a laptop)

R50x1 and R152x2 on JFT-300M for 7 epochs, once with Table 3's Adam and once with BiT's SGD, whose learning rate falls
as BiT's does, scaled to 7 epochs; each fine-tuned on the five data sets.

Cost: 1,220 exaFLOPs of pre-training, 661 TPU v3 core-days at the paper's own throughput.
Numbers to expect (Table 7, mean of the five sets): R50x1 89.33 with Adam, 88.79 with SGD; R152x2 94.01 and 93.72.
"""

from scaling.specs import Study
from search_spaces.scales import MINIATURE as SMALL
from search_spaces.scales import PAPER, Scale


def study(scale: Scale) -> Study:
    """Table 7 at a scale."""
    models = ("R50x1", "R152x2")
    adam = tuple(scale.run(name, 7, variant="Adam") for name in models)
    sgd = tuple(scale.run(name, 7, variant="SGD", recipe=scale.sgd, base_lr=scale.sgd_base_lr) for name in models)
    return Study(
        name=f"sgd_vs_adam{scale.suffix}",
        runs=(*adam, *sgd),
        tasks=scale.tasks,
        seeds=scale.seeds,
        hardware=scale.hardware,
    )


STUDY = study(PAPER)
MINIATURE = study(SMALL)

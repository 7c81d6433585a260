"""Axial attention (ViT §D.6, Figure 13): two cheap attentions per block, and one more MLP.

    python scaling/run_study.py axial --plan          (as published)
    python scaling/run_study.py axial --miniature     (on a laptop)

ViT-B and ResNet50 beside the same models with attention only along rows and columns, pre-trained on JFT-300M for 7
epochs; linear 5-shot accuracy against compute. The paper describes neither the head nor the learning rates of the axial
models: global average pooling and the learning rate of their counterparts are our choice.

Cost: 917 exaFLOPs of pre-training, 497 TPU v3 core-days at the paper's own throughput.
Numbers to expect (Figure 13, ImageNet 5-shot, off the axis): ResNet50 about 0.50, AxialResNet50 0.55, ViT-B/32 0.57,
Axial-ViT-B/16 above 0.65: both axial ViTs above their counterparts, at more compute.
"""

from scaling.specs import Study
from search_spaces.scales import MINIATURE as SMALL
from search_spaces.scales import PAPER, Scale

MODELS = ("ViT-B/32", "ViT-B/16", "Axial-ViT-B/32", "Axial-ViT-B/16", "R50x1", "AxialR50x1")


def study(scale: Scale) -> Study:
    """Figure 13 at a scale."""
    return Study(
        name=f"axial{scale.suffix}",
        runs=tuple(scale.run(name, 7) for name in scale.has(*MODELS)),
        fewshot=(scale.fewshot,),
        hardware=scale.hardware,
    )


STUDY = study(PAPER)
MINIATURE = study(SMALL)

"""Specs: what an experiment is, as frozen values.

A spec holds everything that decides a result and nothing else. Its id is a hash of those fields, so equal experiments
have equal ids on every machine; where the data lie, what a run is called and how wide a search is are left out of it
(fields marked OUTSIDE).
"""

from scaling.specs.architectures import (
    Architecture,
    Hybrid,
    ResNet,
    ViT,
    family,
    token_stride,
    whole_patches,
    without_representation,
)
from scaling.specs.augmentation import (
    AutoAugment,
    ColorJitter,
    RandAugment,
    RandomErasing,
    ThreeAugment,
    TrivialAugment,
)
from scaling.specs.execution import Execution, Precision
from scaling.specs.functions import (
    Augmentation,
    Loss,
    Optimizer,
    ParameterGroup,
    ParameterKind,
    Schedule,
    check_schedule,
    factor,
    named_function,
)
from scaling.specs.identity import OUTSIDE, Identified, added, from_json, identity, to_json
from scaling.specs.pretraining import Dataset, FewShot, Pretrain, Released, Scratch, Upstream
from scaling.specs.recipe import FINETUNE, Augment, MaskedPatches, Recipe, check_batches
from scaling.specs.search import (
    PARAMETERS,
    Choice,
    Distribution,
    Halving,
    Range,
    Search,
    Setting,
    parameters_of,
    with_parameters,
)
from scaling.specs.study import Probe, Study, Task, Transfer, check_sizes
from scaling.specs.zoo import ZOO, zoo_model

__all__ = [
    "FINETUNE",
    "OUTSIDE",
    "PARAMETERS",
    "ZOO",
    "Architecture",
    "Augment",
    "Augmentation",
    "AutoAugment",
    "Choice",
    "ColorJitter",
    "Dataset",
    "Distribution",
    "Execution",
    "FewShot",
    "Halving",
    "Hybrid",
    "Identified",
    "Loss",
    "MaskedPatches",
    "Optimizer",
    "ParameterGroup",
    "ParameterKind",
    "Precision",
    "Pretrain",
    "Probe",
    "RandAugment",
    "RandomErasing",
    "Range",
    "Recipe",
    "Released",
    "ResNet",
    "Schedule",
    "Scratch",
    "Search",
    "Setting",
    "Study",
    "Task",
    "ThreeAugment",
    "Transfer",
    "TrivialAugment",
    "Upstream",
    "ViT",
    "added",
    "check_batches",
    "check_schedule",
    "check_sizes",
    "factor",
    "family",
    "from_json",
    "identity",
    "named_function",
    "parameters_of",
    "to_json",
    "token_stride",
    "whole_patches",
    "with_parameters",
    "without_representation",
    "zoo_model",
]

"""Specs: what an experiment is, as frozen values.

A spec holds everything that decides a result and nothing else. Its id is a hash of those fields, so equal experiments
have equal ids on every machine; where the data lie, what a run is called and how wide a search is are left out of it
(fields marked OUTSIDE).
"""

from scaling.specs.architectures import Hybrid, ResNet, ViT
from scaling.specs.augmentation import (
    AutoAugment,
    ColorJitter,
    RandAugment,
    RandomErasing,
    ThreeAugment,
    TrivialAugment,
)
from scaling.specs.code import code_version, named_in, source_version, user_files
from scaling.specs.data import Dataset, FewShot
from scaling.specs.evaluations import (
    ALEXNET,
    CORRUPTIONS,
    KNN,
    AnyEvaluation,
    Calibration,
    Evaluation,
    LinearProbe,
    Robustness,
    check_function,
    data_of,
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
from scaling.specs.models import (
    Architecture,
    Count,
    Custom,
    family,
    token_stride,
    whole_patches,
    without_representation,
)
from scaling.specs.pretraining import Pretrain, Released, Scratch, Upstream
from scaling.specs.recipe import FINETUNE, Augment, MaskedPatches, Recipe, check_batches
from scaling.specs.search import (
    PARAMETERS,
    Choice,
    Distribution,
    Halving,
    Range,
    Sampler,
    Search,
    Setting,
    parameters_of,
    with_parameters,
)
from scaling.specs.study import EvaluationRun, Probe, Study, Task, Transfer, check_sizes, evaluated, has_classifier
from scaling.specs.zoo import ZOO, zoo_model

__all__ = [
    "ALEXNET",
    "CORRUPTIONS",
    "FINETUNE",
    "KNN",
    "OUTSIDE",
    "PARAMETERS",
    "ZOO",
    "AnyEvaluation",
    "Architecture",
    "Augment",
    "Augmentation",
    "AutoAugment",
    "Calibration",
    "Choice",
    "ColorJitter",
    "Count",
    "Custom",
    "Dataset",
    "Distribution",
    "Evaluation",
    "EvaluationRun",
    "Execution",
    "FewShot",
    "Halving",
    "Hybrid",
    "Identified",
    "LinearProbe",
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
    "Robustness",
    "Sampler",
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
    "check_function",
    "check_schedule",
    "check_sizes",
    "code_version",
    "data_of",
    "evaluated",
    "factor",
    "family",
    "from_json",
    "has_classifier",
    "identity",
    "named_function",
    "named_in",
    "parameters_of",
    "source_version",
    "to_json",
    "token_stride",
    "user_files",
    "whole_patches",
    "with_parameters",
    "without_representation",
    "zoo_model",
]

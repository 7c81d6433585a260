"""Specs: what an experiment is, as frozen values with ids; the one face of the specs."""

from scaling.specs.architectures import Architecture, Hybrid, ResNet, ViT, family, whole_patches, without_representation
from scaling.specs.identity import OUTSIDE, Identified, added, from_json, identity, to_json
from scaling.specs.pretraining import Dataset, FewShot, Pretrain, Released, Scratch, Upstream
from scaling.specs.recipe import FINETUNE, MaskedPatches, Recipe, check_batches
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
from scaling.specs.study import Precision, Probe, Study, Task, Transfer
from scaling.specs.zoo import ZOO, zoo_model

__all__ = [
    "FINETUNE",
    "OUTSIDE",
    "PARAMETERS",
    "ZOO",
    "Architecture",
    "Choice",
    "Dataset",
    "Distribution",
    "FewShot",
    "Halving",
    "Hybrid",
    "Identified",
    "MaskedPatches",
    "Precision",
    "Pretrain",
    "Probe",
    "Range",
    "Recipe",
    "Released",
    "ResNet",
    "Scratch",
    "Search",
    "Setting",
    "Study",
    "Task",
    "Transfer",
    "Upstream",
    "ViT",
    "added",
    "check_batches",
    "family",
    "from_json",
    "identity",
    "parameters_of",
    "to_json",
    "whole_patches",
    "with_parameters",
    "without_representation",
    "zoo_model",
]

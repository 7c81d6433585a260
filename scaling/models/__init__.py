"""Models: from a spec to a torch module, fresh or with pre-trained weights."""

from scaling.models.build import Model, build, outline
from scaling.models.custom import CustomModel, check_fits, count_model, fingerprint
from scaling.models.finite import NonFiniteError, check_finite_weights, non_finite_origin, non_finite_weights
from scaling.models.layers import normalise
from scaling.models.masked import MASK, MaskedPatchPrediction
from scaling.models.positions import relative_logits, tables_by_place
from scaling.models.pretrained import is_classifier, load_pretrained
from scaling.models.resnet import BiTResNet, standardized
from scaling.models.vit import Attention, AxialBlock, VisionTransformer

__all__ = [
    "MASK",
    "Attention",
    "AxialBlock",
    "BiTResNet",
    "CustomModel",
    "MaskedPatchPrediction",
    "Model",
    "NonFiniteError",
    "VisionTransformer",
    "build",
    "check_finite_weights",
    "check_fits",
    "count_model",
    "fingerprint",
    "is_classifier",
    "load_pretrained",
    "non_finite_origin",
    "non_finite_weights",
    "normalise",
    "outline",
    "relative_logits",
    "standardized",
    "tables_by_place",
]

"""Ids of specs of which one field has another value than usual: which fields an id is made of, and how."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from scaling.specs import (
    ALEXNET,
    FINETUNE,
    KNN,
    Augmentation,
    AutoAugment,
    Calibration,
    ColorJitter,
    Dataset,
    Evaluation,
    EvaluationRun,
    FewShot,
    LinearProbe,
    Loss,
    MaskedPatches,
    Optimizer,
    ParameterGroup,
    Pretrain,
    Probe,
    RandAugment,
    RandomErasing,
    Recipe,
    ResNet,
    Robustness,
    Schedule,
    Scratch,
    Task,
    ThreeAugment,
    TrivialAugment,
    ViT,
)

Key = tuple[str, str, str]  # where the spec comes from, its kind, what it is
Line = tuple[Key, str]

VIT, RESNET = ViT(4, 32, 2, 64, 2), ResNet((1, 1), width=64)
DATA = Dataset("pictures", num_classes=10, num_train=1000, num_test=100, fingerprint="0123456789abcdef")
RUN = Pretrain("tiny", VIT, DATA, 1e-3, 2.5, Recipe(batch_size=100), resolution=16, dev_fraction=0.1)
TASK = Task("birds", DATA, (0.01,), 20, FINETUNE, resolution=16)
FEWSHOT = FewShot(DATA, (5,), resolution=16)
FUNCTION = Evaluation("my_measures:collapse")
OPTIMIZER, GROUP = Optimizer("torch.optim:NAdam"), ParameterGroup()
CALLED: list[dict[str, Any]] = [{"path": "other:name"}, {"options": {"by": 0.5}}, {"version": "2"}]
CHANGED: dict[Any, list[dict[str, Any]]] = {  # each field that is in an id, at a value that is not its default
    RUN.recipe: [
        {"optimizer": "sgd"},
        {"optimizer": Optimizer("torch.optim:NAdam", {"momentum_decay": 0.01})},
        {"batch_size": 64},
        {"warmup_steps": 5},
        {"schedule": "cosine"},
        {"end_lr": 0.0},
        {"schedule": "steps", "decay_at": (0.5, 0.75)},
        {"schedule": "rsqrt", "timescale": 1000},
        {"schedule": "wsd", "decay_share": 0.2, "decay_shape": "cosine"},
        {"schedule": "constant"},
        {"weight_decay": 0.03},
        {"decayed": "all"},
        {"momentum": 0.5},
        {"betas": (0.8, 0.99)},
        {"dropout": 0.1},
        {"grad_clip": 1},
        {"loss": "softmax"},
        {"label_smoothing": 1e-4},
        {"mixup": 0.1},
        {"cutmix": 1.0},
        {"polyak": 0.999},
        {"head_bias": 0.0},
        {"crop": "none"},
        {"min_crop_area": 0.5},
        {"crop": "random", "resize": 20},
        {"flip": False},
        {"schedule": Schedule("my_functions:restarts", {"cycles": 3})},
        {"loss": Loss("my_functions:margin", {"margin": 0.5})},
        {"loss": "focal", "focal_gamma": 2.0},
        {"augment": (RandAugment(),)},
        {"repeats": 2},
    ],
    RandAugment(): [
        {"layers": 3},
        {"magnitude": 5.0},
        {"operations": "increasing"},
        {"std": 0.5},
        {"probability": 0.5},
        {"kind": "randaugment"},
    ],
    AutoAugment(): [{"kind": "autoaugment"}],
    TrivialAugment(): [{"kind": "trivialaugment"}],
    ThreeAugment(): [{"jitter": 0.4}, {"kind": "threeaugment"}],
    ColorJitter(): [
        {"brightness": 0.4},
        {"contrast": 0.4},
        {"saturation": 0.4},
        {"hue": 0.1},
        {"probability": 0.8},
        {"kind": "colorjitter"},
    ],
    RandomErasing(): [
        {"probability": 0.5},
        {"min_area": 0.05},
        {"max_area": 0.4},
        {"min_aspect": 0.5},
        {"fill": "grey"},
        {"kind": "randomerasing"},
    ],
    Augmentation("my_functions:fade"): CALLED,
    Loss("my_functions:margin"): CALLED,
    Schedule("my_functions:restarts"): CALLED,
    OPTIMIZER: [
        {"path": "timm.optim:Lion"},
        {"options": {"betas": (0.9, 0.98), "amsgrad": True}},
        {"groups": (ParameterGroup("head", lr=10.0),)},
        {"layer_decay": 0.75},
        {"version": "2"},
    ],
    GROUP: [{"kind": "norms"}, {"named": "blocks.*"}, {"lr": 0.5}, {"weight_decay": 0.0}],
    VIT: [
        {"patch_size": 8},
        {"width": 64},
        {"depth": 3},
        {"mlp_dim": 128},
        {"num_heads": 4},
        {"representation_size": 32},
        {"pool": "gap"},
        {"positions": "2d"},
        {"positions_at": "every_layer"},
        {"pool": "gap", "attention": "axial"},
        {"kind": "vit"},
    ],
    RESNET: [
        {"depths": (1, 2)},
        {"width": 128},
        {"stem": "small"},
        {"groups": 16},
        {"activation": "pre"},
        {"spatial": "axial"},
        {"num_heads": 4},
        {"kind": "resnet"},
    ],
    DATA: [
        {"name": "photographs"},
        {"num_classes": 11},
        {"num_train": 1001},
        {"num_test": None},
        {"fingerprint": None},
        {"corrupt": "skip"},
    ],
    MaskedPatches(): [{"target": "pixels"}, {"corrupted": 0.15}, {"masked": 0.5}, {"random": 0.2}, {"bits": 2}],
    FEWSHOT: [
        {"data": replace(DATA, fingerprint=None)},
        {"shots": (1, 5)},
        {"seeds": (0,)},
        {"l2": 1.5},
        {"resolution": 32},
    ],
    KNN(DATA): [
        {"data": replace(DATA, fingerprint=None)},
        {"k": (5,)},
        {"temperature": 0.1},
        {"resolution": 32},
        {"kind": "knn"},
    ],
    LinearProbe(DATA): [
        {"data": replace(DATA, fingerprint=None)},
        {"method": "logistic"},
        {"l2": (1.0,)},
        {"dev_fraction": 0.2},
        {"resolution": 32},
        {"kind": "linear"},
    ],
    Calibration(DATA): [
        {"data": replace(DATA, fingerprint=None)},
        {"bins": 10},
        {"among": "data"},
        {"resolution": 32},
        {"kind": "calibration"},
    ],
    Robustness(DATA): [
        {"data": replace(DATA, fingerprint=None)},
        {"corruptions": ("fog",)},
        {"severities": (1, 5)},
        {"baseline": ALEXNET},
        {"seed": 1},
        {"resolution": 32},
        {"kind": "robustness"},
    ],
    FUNCTION: [
        {"path": "my_measures:rank"},
        {"options": {"images": 32, "among": ("a", None)}},
        {"resolution": 32},
        {"version": "2"},
        {"kind": "function"},
    ],
    RUN: [
        {"model": RESNET},
        {"data": replace(DATA, fingerprint=None)},
        {"base_lr": 1 / 3},
        {"epochs": 1e3 / 7},
        {"recipe": FINETUNE},
        {"resolution": 32},
        {"seed": 1},
        {"dev_fraction": 0.02},
        {"subset": 500},
        {"evaluations": 3},
        {"early_stopping": 2},
        {"masked": MaskedPatches()},
        {"shuffle": "shards"},
        {"shuffle_window": 8},
    ],
    TASK: [
        {"name": "flowers"},
        {"data": replace(DATA, fingerprint=None)},
        {"steps": 30},
        {"recipe": Recipe()},
        {"dev_fraction": 0.2},
        {"resolution": 32},
        {"final_resolution": 32},
        {"final_polyak": 0.9999},
    ],
    TASK.own: [{"base_lr": 1e-9}, {"steps": 30}, {"resolution": 32}, {"recipe": Recipe()}],
}


def field_ids() -> Iterator[Line]:
    """Each field of each spec but for its usual value, in the id of something that is stored."""
    for spec, changes in CHANGED.items():
        for change in ({}, *changes):
            label = ", ".join(
                f"{name}={value}" for name, value in change.items() if isinstance(value, str | int | float)
            )
            label = label or ", ".join(change) or "as it is"
            yield ("fields", type(spec).__name__, label), _stored(replace(spec, **change)).id


def _stored(spec: Any) -> Any:
    """The smallest thing with an id that holds the spec."""
    match spec:
        case Recipe():
            return replace(RUN, recipe=spec)
        case Optimizer():
            return _stored(replace(RUN.recipe, optimizer=spec))
        case ParameterGroup():
            return _stored(replace(OPTIMIZER, groups=(spec,)))
        case Loss():
            return _stored(replace(RUN.recipe, loss=spec))
        case Schedule():
            return _stored(replace(RUN.recipe, schedule=spec))
        case RandAugment() | AutoAugment() | TrivialAugment() | ThreeAugment() | ColorJitter() | RandomErasing():
            return _stored(replace(RUN.recipe, augment=(spec,)))
        case Augmentation():
            return _stored(replace(RUN.recipe, augment=(spec,)))
        case ViT() | ResNet():
            return Scratch("tiny", spec)
        case Dataset():
            return replace(RUN, data=spec)
        case MaskedPatches():
            return replace(RUN, masked=spec)
        case FewShot():
            return Probe(RUN, spec)
        case KNN() | LinearProbe() | Calibration() | Robustness() | Evaluation():
            return EvaluationRun(RUN, spec)
        case _:
            return spec

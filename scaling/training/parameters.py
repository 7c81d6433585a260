"""Which parameters a recipe's optimizer trains in which way: groups of torch.optim."""

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

from torch import Tensor, nn

from scaling.models import is_classifier
from scaling.specs import Optimizer, ParameterKind, Recipe

# §4.1 does not say what is decayed: kernels, as in the authors' later code. By type, because tables have two axes too.
LAYERS_WITH_KERNELS = (nn.Linear, nn.Conv1d, nn.Conv2d)
NORMS = (nn.LayerNorm, nn.GroupNorm, nn.RMSNorm, nn.modules.batchnorm._BatchNorm)


def kernels(module: nn.Module) -> list[Tensor]:
    """The weights of dense and convolution layers: no biases, norms, tokens or tables of positions, of any shape."""
    weights = {id(layer.weight) for layer in module.modules() if isinstance(layer, LAYERS_WITH_KERNELS)}
    # In the module's own order, by which the optimizer numbers its state.
    return [parameter for parameter in module.parameters() if id(parameter) in weights]


def parameter_groups(module: nn.Module, recipe: Recipe) -> list[dict[str, Any]]:
    """The groups of a recipe: params, weight_decay, lr_scale (times the learning rate) and kind.

    Of the two optimizers that recipes name by a word there are two, decayed and not decayed.
    """
    decayed = kernels(module) if recipe.decayed == "kernels" else list(module.parameters())
    # By identity: `p in decayed` would compare the values of tensors.
    inside = {id(p) for p in decayed}
    if not isinstance(recipe.optimizer, Optimizer):
        others = [p for p in module.parameters() if id(p) not in inside]
        return [
            {"params": decayed, "weight_decay": recipe.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ]
    groups: dict[tuple[Any, ...], dict[str, Any]] = {}
    layers = layer_of(module)
    last = max(layers.values())
    for name, parameter, kind in named_kinds(module):
        weight_decay = recipe.weight_decay if id(parameter) in inside else 0.0
        lr_scale = recipe.optimizer.layer_decay ** (last - layers[name])
        for rule in recipe.optimizer.groups:
            if rule.kind in (None, kind) and fnmatchcase(name, rule.named):
                lr_scale *= rule.lr
                weight_decay = weight_decay if rule.weight_decay is None else rule.weight_decay
        group = {"weight_decay": weight_decay, "lr_scale": lr_scale, "kind": kind}
        groups.setdefault(tuple(group.values()), {"params": [], **group})["params"].append(parameter)
    return list(groups.values())


def described_groups(name: str, module: nn.Module, recipe: Recipe) -> list[dict[str, Any]]:
    """The groups of a recipe's `Optimizer`, for people: rates, decays, numbers of parameters."""
    return [
        {
            "name": name,
            "kind": group["kind"],
            "times the learning rate": round(group["lr_scale"], 4),
            "weight decay": group["weight_decay"],
            "parameters": sum(parameter.numel() for parameter in group["params"]),
        }
        for group in parameter_groups(module, recipe)
    ]


def named_kinds(module: nn.Module) -> Iterator[tuple[str, Tensor, ParameterKind]]:
    """Name, parameter and kind of all parameters, in the module's own order."""
    kinds: dict[int, ParameterKind] = {}
    for part in module.modules():
        for name, parameter in part.named_parameters(recurse=False):
            if isinstance(part, NORMS):
                kinds[id(parameter)] = "norms"
            elif isinstance(part, LAYERS_WITH_KERNELS):
                kinds[id(parameter)] = "kernels" if name == "weight" else "biases"
    for name, parameter in module.named_parameters():
        yield name, parameter, "head" if is_classifier(module, name) else kinds.get(id(parameter), "embeddings")


def layer_of(module: nn.Module) -> dict[str, int]:
    """The layer of each parameter, by name: the numbered modules in their order, from 1.

    What has no number counts to the layer before it (patches, tokens and tables are layer 0), but what comes after the
    last one, and the head, to a layer of their own.
    """
    layers: dict[str, int] = {}
    numbers: dict[tuple[str, ...], int] = {}
    after: list[str] = []  # names since the last number
    for name, _ in module.named_parameters():
        parts = name.split(".")
        digits = [place for place, part in enumerate(parts) if part.isdigit()]
        if digits and not is_classifier(module, name):
            layers[name] = numbers.setdefault(tuple(parts[: digits[0] + 1]), len(numbers) + 1)
            after.clear()
        else:
            layers[name] = len(numbers)
            after.append(name)
    last = dict.fromkeys([name for name in layers if name in after or is_classifier(module, name)], len(numbers) + 1)
    return layers | last

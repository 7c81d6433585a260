"""A user's or timm's model as one of ours: logits, features, and which of its parameters are the classifier."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache, partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from scaling.checks import check, named_error
from scaling.specs import Custom, named_function


class CustomModel(nn.Module):
    """`model` as it is, under the names `model.*`, with `forward(x)` (logits [B, K]) and `features(x)` [B, D].

    Images x are float [B, 3, R, R] in [-1, 1]. `classifier` are the names of the parameters that follow the number of
    classes. `mean` and `std` are those that pretrained weights want images to be normalized by, of values in [0, 1].
    """

    def __init__(self, model: nn.Module, classifier: frozenset[str], mean: Any = None, std: Any = None) -> None:
        super().__init__()
        self.model = model
        self.classifier = classifier
        self._mean, self._std = mean, std

    def forward(self, x: Float[Tensor, "b 3 r r"]) -> Any:  # what a model returns is looked at by `count_model`
        return self.model(self._normalized(x))

    def features(self, x: Float[Tensor, "b 3 r r"]) -> Any:
        """The model's own `features`, timm's, or what goes into the classifier."""
        model: Any = self.model
        x, found = self._normalized(x), None
        own = getattr(model, "features", None)
        if callable(own) and not isinstance(own, nn.Module):
            found = own(x)
        elif callable(getattr(model, "forward_features", None)) and callable(getattr(model, "forward_head", None)):
            found = model.forward_head(model.forward_features(x), pre_logits=True)
        else:
            found = self._into_classifier(x)
        return _rows(found)

    @torch.no_grad()
    def zero_classifier(self) -> None:
        for name in self.classifier:
            self.get_parameter(name).zero_()

    def _normalized(self, x: Tensor) -> Tensor:
        if self._mean is None:
            return x
        mean, std = (x.new_tensor(values)[:, None, None] for values in (self._mean, self._std))
        return ((x + 1) / 2 - mean) / std

    def _into_classifier(self, x: Tensor) -> Any:
        # By its weight: a layer that is called several times counts with the last call.
        (layer,) = {name.rpartition(".")[0] for name in self.classifier}
        inputs: list[Any] = []
        hook = self.get_submodule(layer).register_forward_pre_hook(lambda _, args: inputs.append(args[0]))
        try:
            self.model(x)
        finally:
            hook.remove()
        return inputs[-1]


def _rows(x: Any) -> Any:
    """Features [B, D] of [B, D, 1, 1], as a classifier that is a convolution takes them."""
    return x.flatten(1) if isinstance(x, Tensor) and x.ndim == 4 and x.shape[2:] == (1, 1) else x


def custom_model(model: Custom, num_classes: int, resolution: int) -> CustomModel:
    """The module of a spec, with fresh weights or timm's. Raises ValueError, in one line, when it cannot be made."""
    made = _made(model, num_classes, resolution, pretrained=model.pretrained)
    classifier = _classifier(_drawn(model), num_classes, resolution)
    if not model.pretrained:
        return CustomModel(made, classifier)
    wanted: Any = made
    return CustomModel(made, classifier, wanted.pretrained_cfg["mean"], wanted.pretrained_cfg["std"])


def custom_outline(model: Custom, num_classes: int, resolution: int) -> CustomModel:
    """The module with names and shapes alone, on the meta device."""
    return CustomModel(_outlined(model, num_classes, resolution), _classifier(_drawn(model), num_classes, resolution))


def _drawn(model: Custom) -> tuple[str, Any]:
    """What decides names and shapes."""
    return str(model.path).removesuffix("?pretrained"), model.options


@lru_cache(maxsize=256)
def _classifier(drawn: tuple[str, Any], num_classes: int, resolution: int) -> frozenset[str]:
    """Names of the parameters whose shape follows the number of classes: of a dense layer or a 1x1 convolution."""
    path, options = drawn
    sizes = [
        {name: tuple(p.shape) for name, p in _outlined(Custom(path, options), classes, resolution).named_parameters()}
        for classes in (num_classes, num_classes + 1)
    ]
    check(sizes[0].keys() == sizes[1].keys(), f"Custom {path} must have the same parameters for any num_classes")
    names = frozenset(name for name, shape in sizes[0].items() if sizes[1][name] != shape)
    layers = {name.rpartition(".")[0] for name in names}
    check(
        len(layers) == 1,
        f"Custom {path} must have one layer whose shape follows num_classes, its classifier; it has "
        f"{', '.join(sorted(layers)) or 'none'}",
    )
    return frozenset(f"model.{name}" for name in names)  # as `CustomModel` has them


def _outlined(model: Custom, num_classes: int, resolution: int) -> nn.Module:
    """The user's module on the meta device; where its function cannot be called there, it is made and then moved."""
    with _generator_kept():
        try:
            with torch.device("meta"):
                return _made(model, num_classes, resolution).to("meta")
        except ValueError:  # such as of values that it reads from a tensor; an error of its own comes again
            return _made(model, num_classes, resolution).to("meta")


@contextmanager
def _generator_kept() -> Iterator[None]:
    """Outlines draw nothing from the generator that the weights come from."""
    state = torch.get_rng_state()
    try:
        yield
    finally:
        torch.set_rng_state(state)


def _made(model: Custom, num_classes: int, resolution: int, *, pretrained: bool = False) -> nn.Module:
    label = f"Custom {model.path}"
    make = partial(_timm_model, model, pretrained=pretrained) if model.is_timm else named_function(model)
    try:
        made = make(num_classes, resolution, **dict(model.options))
    except Exception as error:  # of any code of the user's
        raise ValueError(f"{label} cannot be made: {named_error(error)}") from error
    check(isinstance(made, nn.Module), f"{label} must return a torch module, it returns {type(made).__name__}")
    module: nn.Module = made
    return module


def _timm_model(model: Custom, num_classes: int, resolution: int, *, pretrained: bool, **options: Any) -> Any:
    try:
        import timm  # here: it is no dependency, and few studies have its models
    except ImportError as error:
        raise ValueError(f"timm cannot be imported: {error}: pip install timm") from None
    options["num_classes"] = num_classes
    check(timm.is_model(model.timm_name.partition(".")[0]), "timm has no model of this name: see timm.list_models()")
    try:
        return timm.create_model(model.timm_name, pretrained=pretrained, img_size=resolution, **options)
    except TypeError as error:
        if "img_size" not in str(error):
            raise
    return timm.create_model(model.timm_name, pretrained=pretrained, **options)

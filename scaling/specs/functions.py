"""What is named by its import path, with plain options: functions and classes of a library or of yours.

Optimizers, losses, schedules and augmentations. `docs/functions.md` has an example of each.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from importlib import import_module
from math import inf
from numbers import Real
from typing import Any, Literal

from scaling.checks import as_tuples, check, check_numbers, check_types, named_error, short

# A mapping, or pairs, of plain values by name; in a spec they are pairs in the order of the names.
Options = Mapping[str, Any] | tuple[tuple[str, Any], ...]
ParameterKind = Literal["kernels", "biases", "norms", "embeddings", "head"]


@dataclass(frozen=True)
class ParameterGroup:
    """Parameters with a learning rate or a weight decay of their own.

    - `kind`: 'kernels' are the weights of dense and convolution layers, 'biases' their biases, 'norms' the parameters
      of normalization layers, 'head' all of the classifier, 'embeddings' the rest: tokens and tables of positions.
      None: of any kind.
    - `named`: a pattern of shell form that their names match, such as 'encoder.*.attention.*'.
    """

    kind: ParameterKind | None = None  # of this kind; None: of any
    named: str = "*"  # with names that match this pattern
    lr: float = 1.0  # times the learning rate
    weight_decay: float | None = None  # None: the recipe's

    def __post_init__(self) -> None:
        check_types(self)
        check(self.lr >= 0, f"lr of a parameter group must not be negative, got {self.lr}")
        decay = self.weight_decay
        check(decay is None or decay >= 0, f"weight_decay of a parameter group must not be negative, got {decay}")
        check(self.named != "", "named of a parameter group must be a pattern of names, got ''")
        check_numbers(self)


@dataclass(frozen=True)
class Optimizer:
    """A class or function by its import path, called as `path(groups, **options)`.

    `groups` are those of torch.optim: dictionaries with params, lr, weight_decay, and `kind` of a `ParameterGroup`.
    Examples: `Optimizer("torch.optim:NAdam", {"betas": (0.9, 0.98)})`, `Optimizer("scaling.training:Lion")`,
    `Optimizer("my_module:soap")`, or the class itself.

    - `groups`: where several name a parameter, its learning rates are multiplied, and the last weight decay counts.
    - `layer_decay`: each layer's learning rate is so many times that of the next one (BEiT, ELECTRA); the head has the
      whole. Layers are the numbered modules of the model, in their order; what comes before the first is layer 0.
    - `version`: a word of yours that tells changes of the code apart; part of the identity.
    """

    path: str | Callable[..., Any]  # 'module:name', or the class or function itself
    options: Options = ()  # named arguments: numbers, texts, truth values, None, and tuples of them
    groups: tuple[ParameterGroup, ...] = ()  # parameters with a learning rate or weight decay of their own
    layer_decay: float = 1.0  # learning rate of a layer by that of the next one
    version: str = ""  # of your code

    def __post_init__(self) -> None:
        as_path(self)
        as_options(self)
        as_tuples(self, "groups")
        check_types(self)
        check(0 < self.layer_decay <= 1, f"layer_decay of {self.path} must be in (0, 1], got {self.layer_decay}")
        check_numbers(self)


@dataclass(frozen=True)
class Loss:
    """A loss by its import path, called as `path(logits, targets, **options)` with float tensors [b, K].

    Targets are 1 for an image's label, or its labels, and 0 elsewhere, mixed by MixUp and CutMix; label smoothing is
    the function's own. It gives the mean over the b images, a tensor without dimensions that gradients flow from.
    """

    path: str | Callable[..., Any]  # 'module:name', or the function itself
    options: Options = ()  # named arguments: numbers, texts, truth values, None, and tuples of them
    version: str = ""  # of your code

    def __post_init__(self) -> None:
        as_call(self)


@dataclass(frozen=True)
class Schedule:
    """A schedule by its import path, called as `path(step, steps, **options)` for each step from 0 to steps - 1.

    It gives what the peak learning rate is multiplied by, a number of at least 0; a warm-up of the recipe multiplies
    it further.
    """

    path: str | Callable[..., Any]  # 'module:name', or the function itself
    options: Options = ()  # named arguments: numbers, texts, truth values, None, and tuples of them
    version: str = ""  # of your code

    def __post_init__(self) -> None:
        as_call(self)


@dataclass(frozen=True)
class Augmentation:
    """An augmentation by its import path, called as `path(image, generator, **options)`.

    The image is a uint8 array [R, R, 3] of its own, which may be changed; the result is one of that form. All random
    numbers must be the generator's, a `numpy.random.Generator` that is made anew for each image and epoch.
    """

    path: str | Callable[..., Any]  # 'module:name', or the function itself
    options: Options = ()  # named arguments: numbers, texts, truth values, None, and tuples of them
    version: str = ""  # of your code

    def __post_init__(self) -> None:
        as_call(self)


def factor(schedule: Schedule, step: int, steps: int) -> float:
    """What a schedule multiplies the peak learning rate by. Raises ValueError for what is no number of at least 0."""
    function, label = named_function(schedule), f"Schedule {schedule.path}"
    try:
        found = function(step, steps, **dict(schedule.options))
    except Exception as error:  # of any code of the user's
        raise ValueError(f"{label} fails at step {step} of {steps}: {named_error(error)}") from None
    number = isinstance(found, Real) and not isinstance(found, bool) and 0 <= float(found) < inf
    check(number, f"{label} must give a number of at least 0, it gives {short(found)} at step {step} of {steps}")
    return float(found)


def check_schedule(schedule: Schedule, steps: int) -> None:
    """Raise ValueError unless the schedule gives numbers at the first, the middle and the last step."""
    for step in (0, steps // 2, steps - 1):
        factor(schedule, step, steps)


def named_function(spec: Any) -> Callable[..., Any]:
    """What the path of a spec means. Raises ValueError, in one line, when it cannot be imported or is no function."""
    module, _, name = spec.path.partition(":")
    label = f"{type(spec).__name__} {spec.path}"
    try:
        place: Any = import_module(module)
        found = reduce(getattr, name.split("."), place)
    except ModuleNotFoundError as error:
        where = ": its folder must be on PYTHONPATH" if error.name == module.partition(".")[0] else ""
        raise ValueError(f"{label} cannot be imported: {named_error(error)}{where}") from None
    except Exception as error:  # of any code of the user's
        raise ValueError(f"{label} cannot be imported: {named_error(error)}") from None
    check(callable(found), f"{label} must be a function or class, it is {type(found).__name__}")
    function: Callable[..., Any] = found
    return function


def as_call(spec: Any) -> None:
    """Bring the fields of a spec of path, options and version into their form. Raises ValueError for other values."""
    as_path(spec)
    as_options(spec)
    check_types(spec)


def as_path(spec: Any) -> None:
    """Put 'module:name' in place of a function or class in a spec's `path`, and of 'FILE.py:name', whose module is
    called as the file. Raises ValueError for what has none."""
    given = spec.path
    if isinstance(given, str) and (file := re.fullmatch(r"(?:.*/)?([^/:]+)\.py:(.*)", given)):
        given = f"{file[1]}:{file[2]}"
        object.__setattr__(spec, "path", given)
    if callable(given):
        name, module = getattr(given, "__qualname__", ""), getattr(given, "__module__", "")
        check(
            bool(name and module) and "<" not in name,
            f"{type(spec).__name__} needs a function or class that can be imported, got {short(given)}: define it at "
            "the top of a module",
        )
        object.__setattr__(spec, "path", f"{module}:{name}")
        return
    parts = given.split(":") if isinstance(given, str) else ()
    named = len(parts) == 2 and all(part.isidentifier() for text in parts for part in text.split("."))
    check(named, f"{type(spec).__name__} path must be 'module:name', got {short(given)}")


def as_options(spec: Any) -> None:
    """Put pairs, sorted by name, in place of a mapping in a spec's `options`. Raises ValueError for other values."""
    given = spec.options
    if not isinstance(given, Mapping | tuple | list):
        raise ValueError(f"options of {spec.path} must be named values, got {short(given)}")
    try:
        pairs = dict(given)
    except (TypeError, ValueError):
        raise ValueError(f"options of {spec.path} must be named values, got {short(given)}") from None
    for name in pairs:
        check(isinstance(name, str) and name.isidentifier(), f"options of {spec.path} need names, got {short(name)}")
    plain = tuple((name, _plain(value, f"option {name} of {spec.path}")) for name, value in sorted(pairs.items()))
    object.__setattr__(spec, "options", plain)


def _plain(value: Any, label: str) -> Any:
    """The value with tuples in place of lists."""
    if isinstance(value, tuple | list):
        return tuple(_plain(each, label) for each in value)
    finite = not isinstance(value, float) or value - value == 0
    check(
        (value is None or type(value) in (str, bool, int, float)) and finite,
        f"{label} must be a number, a text, a truth value, None or a tuple of them, got {short(value)}",
    )
    return value

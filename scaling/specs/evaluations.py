"""What a study measures of its models besides fine-tunings, as frozen values: nearest neighbours, linear probes,
calibration, robustness, and functions of the user's own."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from scaling.checks import as_tuples, check, check_label, check_numbers, check_types, named_error
from scaling.specs.data import Dataset
from scaling.specs.functions import Options, as_options, as_path, named_function
from scaling.specs.identity import OUTSIDE, Identified

CORRUPTIONS = (
    *("gaussian_noise", "shot_noise", "impulse_noise", "defocus_blur", "glass_blur", "motion_blur", "zoom_blur"),
    *("snow", "frost", "fog", "brightness", "contrast", "elastic_transform", "pixelate", "jpeg_compression"),
)
# Error of AlexNet on ImageNet-C, mean over the severities, by which mCE is normalised (Hendrycks & Dietterich 2019,
# Table 1, in %).
_ALEXNET = (88.6, 89.4, 92.3, 82.0, 82.6, 78.6, 79.8, 86.7, 82.7, 81.9, 56.5, 85.3, 64.6, 71.8, 60.7)
ALEXNET = tuple((name, percent / 100) for name, percent in zip(CORRUPTIONS, _ALEXNET, strict=True))


@dataclass(frozen=True)
class KNN(Identified):
    """Nearest neighbours of frozen features: the training images of highest cosine similarity vote with the weights
    exp(similarity / temperature) (Wu et al. 2018; DINO, Caron et al. 2021, Appendix F.1)."""

    data: Dataset  # its training images vote, accuracy is that of its test images
    k: tuple[int, ...] = (10, 20)  # numbers of neighbours; one accuracy for each
    temperature: float = 0.07  # of the votes
    resolution: int | None = None  # pixels on a side; None: the run's own
    name: str = field(metadata=OUTSIDE, default="knn")  # in tables and figures
    kind: Literal["knn"] = "knn"  # tells evaluations apart in JSON

    def __post_init__(self) -> None:
        as_tuples(self, "k")
        check_types(self)
        _check_distinct("k of knn", self.k)
        check(min(self.k) > 0, f"k of knn must be positive, got {self.k}")
        # exp(1 / temperature) must be a number
        check(self.temperature >= 0.01, f"temperature of knn must be 0.01 or more, got {self.temperature}")
        _check_common(self)


@dataclass(frozen=True)
class LinearProbe(Identified):
    """A linear classifier on frozen features of all training images, which are standardised first.

    'ridge' is the regression to targets in {-1, 1}, in closed form; 'logistic' the regression whose mean cross-entropy
    is regularized, n * CE + l2 / 2 * |W|^2, to convergence. Biases are not regularized. Of several `l2` the best on a
    held-out share of the training images is taken, and all of them are reported.
    """

    data: Dataset  # its training images are fitted, accuracy is that of its test images
    method: Literal["ridge", "logistic"] = "ridge"  # of the two regressions
    l2: tuple[float, ...] = (1.0, 100.0, 10_000.0)  # strengths of the L2 regularization, to choose from
    dev_fraction: float = 0.1  # share of the training images that l2 is chosen on, where the data have no dev split
    resolution: int | None = None  # pixels on a side; None: the run's own
    name: str = field(metadata=OUTSIDE, default="linear probe")  # in tables and figures
    kind: Literal["linear"] = "linear"  # tells evaluations apart in JSON

    def __post_init__(self) -> None:
        as_tuples(self, "l2")
        check_types(self)
        _check_distinct("l2 of a linear probe", self.l2)
        check(min(self.l2) > 0, f"l2 of a linear probe must be positive, got {self.l2}")
        share = self.dev_fraction
        check(0 < share < 1, f"dev_fraction of a linear probe must be in (0, 1), got {share}")
        _check_common(self)


@dataclass(frozen=True)
class Calibration(Identified):
    """How well an upstream's own classifier knows what it knows, on images of its classes: top-1, mean negative
    log-likelihood (nats) and expected calibration error over bins of equal width (Guo et al. 2017, §2).

    Classes are aligned by name with those of the pre-training, by number where one of the two has no names. For sets
    with a part of the classes, such as ImageNet-A and -R, `among='data'` lets the classifier choose among those only.
    """

    data: Dataset  # its test images; needs no train=
    bins: int = 15  # of the confidence, of equal width
    among: Literal["all", "data"] = "all"  # what is predicted: any class, or one of the data's
    resolution: int | None = None  # pixels on a side; None: the run's own
    name: str = field(metadata=OUTSIDE, default="calibration")  # in tables and figures
    kind: Literal["calibration"] = "calibration"  # tells evaluations apart in JSON

    def __post_init__(self) -> None:
        check_types(self)
        check(0 < self.bins <= 10_000, f"bins of calibration must be 1 to 10,000, got {self.bins}")
        _check_common(self)


@dataclass(frozen=True)
class Robustness(Identified):
    """Accuracy of an upstream's own classifier on corrupted images, made on the fly (`scaling.data.corruptions`):
    ImageNet-C's corruptions at five severities (Hendrycks & Dietterich 2019).

    The mean error is that over all corruptions and severities. With a `baseline`, the errors of another model by
    corruption, mCE is the mean over corruptions of the error (mean over severities) by the baseline's: `ALEXNET` for
    ImageNet with all severities. Classes are aligned as in `Calibration`.
    """

    data: Dataset  # its test images; needs no train=
    corruptions: tuple[str, ...] = CORRUPTIONS  # which of the fifteen
    severities: tuple[int, ...] = (1, 2, 3, 4, 5)  # 1 is weak, 5 strong
    baseline: tuple[
        tuple[str, float], ...
    ] = ()  # (corruption, error as a fraction) of the model that mCE is relative to
    seed: int = 0  # of the random corruptions
    resolution: int | None = None  # pixels on a side; None: the run's own
    name: str = field(metadata=OUTSIDE, default="robustness")  # in tables and figures
    kind: Literal["robustness"] = "robustness"  # tells evaluations apart in JSON

    def __post_init__(self) -> None:
        as_tuples(self, "corruptions", "severities", "baseline")
        check_types(self)
        _check_distinct("corruptions", self.corruptions)
        _check_distinct("severities", self.severities)
        unknown = [name for name in self.corruptions if name not in CORRUPTIONS]
        check(not unknown, f"corruptions must be of {', '.join(CORRUPTIONS)}, got {unknown}")
        check(set(self.severities) <= {1, 2, 3, 4, 5}, f"severities must be of 1 to 5, got {self.severities}")
        errors = dict(self.baseline)
        lacking = [name for name in self.corruptions if name not in errors] if errors else []
        check(not lacking, f"baseline must have an error for every corruption, lacks {', '.join(lacking)}")
        check(all(0 < error <= 1 for error in errors.values()), f"errors of a baseline must be in (0, 1], got {errors}")
        _check_common(self)


@dataclass(frozen=True)
class Evaluation(Identified):
    """A function of yours by its import path, called as `path(model, device, **options)`.

    `model` is the upstream's module in evaluation mode, on `device`, a torch.device: `model(x)` are the logits of
    images x [B, 3, R, R] in [-1, 1], `model.features(x)` their features [B, D]. Weights without a classifier (masked
    patch prediction, baselines) have one output of zeros. It returns finite numbers by name, {"score": 0.5}.
    """

    path: str | Callable[..., Any]  # 'module:name', or the function itself
    options: Options = ()  # named arguments: numbers, texts, truth values, None, and tuples of them
    resolution: int | None = None  # R, pixels on a side; None: the run's own
    version: str = ""  # a word that tells changes of your code apart
    name: str = field(metadata=OUTSIDE, default="")  # in tables and figures; '': the function's name
    kind: Literal["function"] = "function"  # tells evaluations apart in JSON

    def __post_init__(self) -> None:
        as_path(self)
        as_options(self)
        if not self.name:
            object.__setattr__(self, "name", str(self.path).rpartition(":")[2])
        check_types(self)
        _check_common(self)


AnyEvaluation = KNN | LinearProbe | Calibration | Robustness | Evaluation


def data_of(evaluation: AnyEvaluation) -> Dataset | None:
    """The data set of an evaluation; None for a function, which brings its own."""
    return None if isinstance(evaluation, Evaluation) else evaluation.data


def check_function(evaluation: Evaluation) -> None:
    """Raise ValueError, in one line, unless the function is there and can be called with (model, device, **options)."""
    function = named_function(evaluation)
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # of some built-in functions nobody knows
        return
    try:
        signature.bind("model", "device", **dict(evaluation.options))
    except TypeError as error:
        raise ValueError(
            f"Evaluation {evaluation.path} must take (model, device) and its options: {named_error(error)}"
        ) from None


def _check_common(spec: Any) -> None:
    check_label("name of an evaluation", spec.name)
    size = spec.resolution
    check(size is None or size > 0, f"resolution of evaluation {spec.name} must be positive, got {size}")
    check_numbers(spec)


def _check_distinct(what: str, values: tuple[Any, ...]) -> None:
    check(len(values) > 0, f"{what} must be one or more, got none")
    check(len(set(values)) == len(values), f"{what} must differ, got {values}")

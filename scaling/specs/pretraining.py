"""What a fine-tuning starts from, as frozen values: pre-training runs, from-scratch baselines, and
weights that were trained elsewhere."""

from dataclasses import dataclass, field
from typing import Literal

from scaling.checks import check, check_label, check_numbers, check_types
from scaling.specs.architectures import ViT
from scaling.specs.data import Dataset, FewShot
from scaling.specs.identity import OUTSIDE, Identified
from scaling.specs.models import Architecture, Custom, token_stride
from scaling.specs.recipe import PRETRAIN, MaskedPatches, Recipe

__all__ = ["Dataset", "FewShot", "Pretrain", "Released", "Scratch", "Upstream"]  # the first two for those who look here


@dataclass(frozen=True)
class Pretrain(Identified):
    """One model trained on one upstream data set (§4.1, Table 3).

    - `subset` (§4.3): train on that many of the images, or on that share of them when it is a float below 1. They are
      the first of one shuffled order, so that smaller subsets lie in larger ones. Shares become counts when the data
      are read: a share and the number that it comes to are the same experiment.
    - `early_stopping` (§4.3): end the training after that many evaluations in a row without a higher accuracy, and keep
      the weights of the best evaluation.
    - `shuffle`: 'full' permutes all images in every epoch, 'shards' those of `shuffle_window` files at a time, for
      disks and networks that are slow at random access.
    """

    name: str = field(metadata=OUTSIDE)  # the model's name in figures and tables, e.g. 'ViT-B/16'
    model: Architecture  # the architecture, a row of ZOO or your own values
    data: Dataset  # the upstream data set
    base_lr: float  # peak learning rate, absolute: it is not scaled with recipe.batch_size
    epochs: float  # passes over the training images
    recipe: Recipe = PRETRAIN  # the other hyperparameters of the training (Table 3, JFT)
    resolution: int = 224  # pixels on a side of the square images (§4.1)
    seed: int = 0  # seed of the initial weights, the data order and the augmentation
    dev_fraction: float = 0.0  # share of the training images that is held out to evaluate on
    subset: int | float | None = None  # number or share of the training images; None: all
    evaluations: int = 5  # number of evaluations on the held-out images, evenly spread over the steps
    early_stopping: int | None = None  # evaluations without a gain that end the run; None: train to the last step
    masked: MaskedPatches | None = None  # masked patch prediction in place of the labels (§4.6)
    shuffle: Literal["full", "shards"] = "full"  # shuffle all images, or those of a few files at a time
    shuffle_window: int = 16  # files whose images are shuffled together, when shuffle is shards
    fewshot: FewShot | None = field(metadata=OUTSIDE, default=None)  # in the curve rows; changes no weight

    def __post_init__(self) -> None:
        check_types(self)
        check_label("run name", self.name)
        check(self.base_lr > 0, f"base_lr of {self.name} must be positive, got {self.base_lr}")
        check(self.epochs > 0, f"epochs of {self.name} must be positive, got {self.epochs}")
        check(0 <= self.dev_fraction < 1, f"dev_fraction of {self.name} must be in [0, 1), got {self.dev_fraction}")
        check(self.resolution > 0, f"resolution of {self.name} must be positive, got {self.resolution}")
        check(self.shuffle_window > 0, f"shuffle_window of {self.name} must be positive, got {self.shuffle_window}")
        subset = self.subset
        check(
            subset is None or (subset > 0 if isinstance(subset, int) else 0 < subset < 1),
            f"subset of {self.name} must be a positive number of images or a share in (0, 1), got {subset}",
        )
        check(self.evaluations > 0, f"evaluations of {self.name} must be positive, got {self.evaluations}")
        patience = self.early_stopping
        check(
            patience is None or (patience > 0 and self.dev_fraction > 0),
            f"early_stopping of {self.name} must be positive and needs a dev_fraction above 0, got early_stopping "
            f"{patience} and dev_fraction {self.dev_fraction}",
        )
        stride = token_stride(self.model)
        check(
            stride is None or self.resolution % stride == 0,
            f"patch size {stride} of {self.name} does not divide the image: resolution {self.resolution} "
            f"(take {max(self.resolution // (stride or 1), 1) * (stride or 1)})",
        )
        if self.masked:
            self._check_masked()
        check(
            self.fewshot is None or (len(self.fewshot.shots) == 1 and self.fewshot.resolution == self.resolution),
            f"fewshot of {self.name} is one curve: give it one number of shots, and the run's resolution "
            f"{self.resolution}",
        )
        check_numbers(self)

    def _check_masked(self) -> None:
        model, objective = self.model, f"masked patch prediction of {self.name}"
        check(isinstance(model, ViT), f"{objective} needs a ViT, got a {model.kind}")
        assert isinstance(model, ViT)
        check(model.representation_size is None, f"{objective} has no hidden layer: take without_representation(model)")
        check(
            self.resolution > model.patch_size, f"{objective} needs more than one patch, resolution {self.resolution}"
        )
        check(self.recipe.mixup == 0, f"{objective} has no labels to mix, got mixup {self.recipe.mixup}")
        check(self.recipe.cutmix == 0, f"{objective} has no labels to mix, got cutmix {self.recipe.cutmix}")
        check(
            self.predicts_classes or self.early_stopping is None,
            f"early_stopping needs an accuracy, and {objective} with target 'pixels' has none",
        )

    @property
    def predicts_classes(self) -> bool:
        """Whether the objective has an accuracy: on the labels, or on the colours of corrupted patches."""
        return self.masked is None or self.masked.target != "pixels"

    @property
    def num_images(self) -> int:
        """Training images of an epoch: the subset, or all that are not held out. Raises ValueError when unknown."""
        count = self.data.num_train
        check(count is not None, f"num_train of data set {self.data.name} is not known: give it, or a train URI")
        assert count is not None
        return self.subset_of(count - round(self.dev_fraction * count))

    def subset_of(self, count: int) -> int:
        """How many of `count` training images are in the subset. Raises ValueError when it is larger than that."""
        subset = max(1, round(self.subset * count)) if isinstance(self.subset, float) else self.subset or count
        check(
            subset <= count,
            f"subset {subset} of {self.name} is more than the {count} training images of {self.data.name}",
        )
        return subset

    @property
    def steps(self) -> int:
        """Optimizer steps."""
        return max(1, round(self.epochs * self.num_images / self.recipe.batch_size))


@dataclass(frozen=True)
class Scratch(Identified):
    """A from-scratch baseline: it is fine-tuned from the initial weights of `seed`, without any pre-training."""

    name: str = field(metadata=OUTSIDE)  # the model's name in figures and tables
    model: Architecture  # the architecture that is fine-tuned from initial weights
    seed: int = 0  # seed of the initial weights

    def __post_init__(self) -> None:
        check_types(self)
        check_label("name of a baseline", self.name)


@dataclass(frozen=True)
class Released(Identified):
    """Weights that were trained elsewhere: a `.npz` or `.safetensors` file that `scaling.checkpoints` can read.

    Its identity is the model and the file's hash, which a study reads from the file when it is None.
    """

    name: str = field(metadata=OUTSIDE)  # the model's name in figures and tables
    model: Architecture  # the architecture that the weights are of
    source: str = field(metadata=OUTSIDE)  # path or URI of the file
    sha256: str | None = None  # SHA-256 of the file, hexadecimal; None: computed from it

    def __post_init__(self) -> None:
        check_types(self)
        check_label("name of released weights", self.name)
        check(
            not isinstance(self.model, Custom), f"released weights {self.name} must be of a model of ours, not Custom"
        )
        check(self.source != "", f"released weights {self.name} must have a source, a path or URI, got ''")

    @property
    def seed(self) -> int:
        """Upstreams have a seed that initial weights are drawn with; here nothing was drawn."""
        return 0


Upstream = Pretrain | Scratch | Released

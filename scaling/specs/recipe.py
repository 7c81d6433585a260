"""Hyperparameters of a training, as frozen values: recipes, and the objective of masked patch prediction."""

from dataclasses import dataclass, field
from typing import Literal

from scaling.checks import as_tuples, check, check_numbers, check_types
from scaling.specs.augmentation import (
    AutoAugment,
    ColorJitter,
    RandAugment,
    RandomErasing,
    ThreeAugment,
    TrivialAugment,
)
from scaling.specs.functions import Augmentation, Loss, Optimizer, Schedule
from scaling.specs.identity import added

Augment = RandAugment | AutoAugment | TrivialAugment | ThreeAugment | ColorJitter | RandomErasing | Augmentation


@dataclass(frozen=True)
class Recipe:
    """Hyperparameters of a training except its learning rate and length. Defaults: pre-training on JFT (§4.1, Table 3).

    `loss` and `head_bias` go together: with one sigmoid per class, as in the authors' pre-training code, a classifier
    bias of -10 makes the first predictions 'none of the classes'; a softmax starts at 0.
    """

    optimizer: Literal["adamw", "sgd"] | Optimizer = "adamw"  # AdamW, SGD with momentum, or any other by its path
    batch_size: int = 4096  # images per step, over all workers
    warmup_steps: int = 10_000  # steps in which the learning rate rises linearly from 0
    schedule: Literal["linear", "cosine", "steps", "constant", "rsqrt", "wsd"] | Schedule = "linear"  # of the rate
    end_lr: float = 1e-5  # final learning rate of 'linear' (authors' code) and of 'wsd'; the cosine ends at 0
    decay_at: tuple[float, ...] = ()  # for 'steps': shares of the steps after which the learning rate falls to a tenth
    timescale: int | None = field(metadata=added(None), default=None)  # for 'rsqrt': steps until it is 1/sqrt(2)
    decay_share: float | None = field(metadata=added(None), default=None)  # for 'wsd': share of the steps, at the end
    decay_shape: Literal["linear", "1-sqrt", "cosine"] = field(metadata=added("1-sqrt"), default="1-sqrt")  # for 'wsd'
    weight_decay: float = 0.1  # AdamW's is decoupled, multiplied by the current learning rate
    decayed: Literal["kernels", "all"] = "kernels"  # which weights decay; kernels: as in the authors' later code
    momentum: float = 0.9  # momentum of SGD
    betas: tuple[float, float] = (0.9, 0.999)  # decay rates of AdamW's two moments
    dropout: float = 0.0  # probability of dropout, in the encoder of a ViT or hybrid
    grad_clip: float | None = None  # largest global norm of the gradients; None: no clipping
    loss: Literal["sigmoid", "softmax", "focal"] | Loss = "sigmoid"  # a sigmoid per class, a softmax, or of your own
    focal_gamma: float | None = field(metadata=added(None), default=None)  # for 'focal': less loss where it is sure
    label_smoothing: float = 0.0  # share of the target that is spread evenly over the classes
    mixup: float = 0.0  # alpha of MixUp's Beta distribution, which two images' shares are drawn from; 0: no MixUp
    cutmix: float = field(metadata=added(0.0), default=0.0)  # alpha of CutMix's Beta; beside mixup: evenly by step
    polyak: float | None = None  # decay of the moving average of the weights that is evaluated and kept; None: none
    head_bias: float = -10.0  # initial bias of the classifier (authors' code)
    crop: Literal["inception", "random", "none"] = "inception"  # a random area (Szegedy et al. 2015), BiT's, or all
    min_crop_area: float = 0.05  # smallest share of the image that an inception crop keeps
    resize: int | None = None  # for 'random': pixels on a side that the image is resized to before the crop (BiT)
    flip: bool = True  # mirror half of the training images left to right
    augment: tuple[Augment, ...] = field(metadata=added(()), default=())  # of the cropped image, in this order
    repeats: int = field(metadata=added(1), default=1)  # times that each image is in a batch, augmented anew

    def __post_init__(self) -> None:
        as_tuples(self, "betas", "decay_at", "augment")
        check_types(self)
        check(self.batch_size > 0, f"batch_size must be positive, got {self.batch_size}")
        check(self.warmup_steps >= 0, f"warmup_steps must not be negative, got {self.warmup_steps}")
        check(self.end_lr >= 0, f"end_lr must not be negative, got {self.end_lr}")
        check(self.weight_decay >= 0, f"weight_decay must not be negative, got {self.weight_decay}")
        check(0 <= self.dropout < 1, f"dropout must be in [0, 1), got {self.dropout}")
        check(0 <= self.label_smoothing < 1, f"label_smoothing must be in [0, 1), got {self.label_smoothing}")
        check(0 <= self.momentum < 1, f"momentum must be in [0, 1), got {self.momentum}")
        check(all(0 <= b < 1 for b in self.betas), f"betas must be in [0, 1), got {self.betas}")
        check(self.grad_clip is None or self.grad_clip > 0, f"grad_clip must be positive or None, got {self.grad_clip}")
        check(self.mixup >= 0, f"mixup must not be negative, got {self.mixup}")
        check(self.cutmix >= 0, f"cutmix must not be negative, got {self.cutmix}")
        check(self.polyak is None or 0 <= self.polyak < 1, f"polyak must be in [0, 1) or None, got {self.polyak}")
        check(
            list(self.decay_at) == sorted(set(self.decay_at)) and all(0 < at < 1 for at in self.decay_at),
            f"decay_at must be increasing shares in (0, 1), got {self.decay_at}",
        )
        check(
            (self.resize is not None) == (self.crop == "random"),
            f"resize belongs to crop 'random', got {self.resize} with {self.crop!r}",
        )
        check(self.resize is None or self.resize > 0, f"resize must be positive, got {self.resize}")
        check(0 < self.min_crop_area <= 1, f"min_crop_area must be in (0, 1], got {self.min_crop_area}")
        self._check_schedule()
        self._check_loss()
        self._check_repeats()
        check_numbers(self)

    def _check_schedule(self) -> None:
        check(
            bool(self.decay_at) == (self.schedule == "steps"),
            f"decay_at belongs to schedule 'steps', got {self.decay_at} with {self.schedule!r}",
        )
        for name, schedule in (("timescale", "rsqrt"), ("decay_share", "wsd")):
            value = getattr(self, name)
            check(
                (value is not None) == (self.schedule == schedule),
                f"{name} belongs to schedule {schedule!r}, got {value} with {self.schedule!r}",
            )
        check(self.timescale is None or self.timescale > 0, f"timescale must be positive, got {self.timescale}")
        share = self.decay_share
        check(share is None or 0 < share <= 1, f"decay_share must be in (0, 1], got {share}")
        check(
            self.decay_shape == "1-sqrt" or share is not None,
            f"decay_shape belongs to schedule 'wsd', got {self.decay_shape!r} with {self.schedule!r}",
        )

    def _check_loss(self) -> None:
        gamma = self.focal_gamma
        check(self.loss != "focal" or gamma is not None, "loss 'focal' needs a focal_gamma, such as 2.0")
        check(self.loss == "focal" or gamma is None, f"focal_gamma belongs to loss 'focal', got {gamma} without it")
        check(gamma is None or 0 <= gamma <= 100, f"focal_gamma must be 0 to 100, got {gamma}")
        if isinstance(self.loss, Loss):
            given = self.label_smoothing
            check(given == 0, f"label_smoothing is not for Loss {self.loss.path}, which has its options: got {given}")

    def _check_repeats(self) -> None:
        size, repeats = self.batch_size, self.repeats
        check(repeats > 0, f"repeats must be positive, got {repeats}")
        check(size % repeats == 0, f"repeats must divide batch_size: got {repeats} and {size}")
        check(
            repeats == 1 or self.tied == 1 or size > repeats,
            f"MixUp and CutMix need two images in a batch: got {repeats} repeats with batch_size {size}",
        )

    @property
    def tied(self) -> int:
        """Neighbours in a batch that stay on one worker and in one microbatch: mixed pairs, or each by itself."""
        return 2 if self.mixup or self.cutmix else 1


PRETRAIN = Recipe()
FINETUNE = Recipe(  # §4.1, §B.1.1, Table 4; warm-up as in the official code
    optimizer="sgd",
    batch_size=512,
    warmup_steps=500,
    schedule="cosine",
    weight_decay=0.0,
    grad_clip=1.0,
    loss="softmax",
    head_bias=0.0,
)


def check_batches(recipe: Recipe, resolution: int, *, workers: int, microbatch: int | None) -> None:
    """Whether a recipe's batches can be split over workers and microbatches, and its crops fit.

    Args:
        recipe: its batch size is that of all workers together.
        resolution: pixels on a side of the crops.
        workers: how many share each batch, as evenly as it goes.
        microbatch: images of a worker's share per forward pass; None: all of them.

    Raises ValueError when they do not.
    """
    check(microbatch is None or microbatch > 0, f"microbatch must be positive, got {microbatch}")
    size, tied = recipe.batch_size, recipe.tied
    mixer = "CutMix" if recipe.cutmix and not recipe.mixup else "MixUp"
    check(size % tied == 0, f"{mixer} mixes pairs: batch_size must be even, got {size}")
    check(
        microbatch is None or microbatch >= tied,
        f"{mixer} mixes pairs: microbatch must be at least {tied}, got {microbatch}",
    )
    check(
        workers <= size // tied,
        f"batch_size {size} is {size // tied} {f'pairs of {mixer}' if tied > 1 else 'images'}, too few for {workers} "
        "workers: ask for fewer, or a larger batch",
    )
    check(
        recipe.resize is None or recipe.resize >= resolution,
        f"resize {recipe.resize} is smaller than the {resolution} pixels of a crop",
    )


@dataclass(frozen=True)
class MaskedPatches:
    """Masked patch prediction in place of labels (§4.6, §B.1.2).

    Exactly the share `corrupted` of an image's patch embeddings is corrupted, before positions are added: of these the
    share `masked` becomes a learned [mask] embedding, the share `random` another patch's, and the others stay as they
    are. The loss is on the corrupted patches. Its `target` is the patch's mean colour in `bits` bits per channel, a
    classification; the colours of the patch downsized to 4x4 pixels; or all pixels, with an L2 loss. It replaces the
    recipe's loss: `loss`, `label_smoothing` and `head_bias` of the recipe are not read.
    """

    target: Literal["mean_color", "downsized", "pixels"] = "mean_color"  # what is predicted of a patch
    corrupted: float = 0.5  # share of an image's patches that is corrupted
    masked: float = 0.8  # share of the corrupted patches that becomes the [mask] embedding
    random: float = 0.1  # share of the corrupted patches that becomes another patch's embedding
    bits: int = 3  # bits per colour channel of targets that are colours: 3 make 512 colours

    def __post_init__(self) -> None:
        check_types(self)
        check(0 < self.corrupted <= 1, f"corrupted must be in (0, 1], got {self.corrupted}")
        check(
            min(self.masked, self.random) >= 0 and self.masked + self.random <= 1,
            f"masked and random must be shares of 1, got {self.masked} and {self.random}",
        )
        check(1 <= self.bits <= 4, f"bits must be 1 to 4, got {self.bits}")
        check_numbers(self)

    def count(self, patches: int) -> int:
        """How many of an image's `patches` are corrupted, at least one."""
        return max(1, round(self.corrupted * patches))

    def outputs(self, patch_size: int) -> int:
        """Numbers predicted per patch: scores of the colours for 1 or 16 pixels, or the values of its pixels."""
        colours = 2 ** (3 * self.bits)
        return int({"mean_color": colours, "downsized": 16 * colours, "pixels": 3 * patch_size**2}[self.target])

"""How to train, as frozen values: a recipe, the paper's fine-tuning one, and the masked-patch objective."""

from dataclasses import dataclass
from typing import Literal

from scaling.checks import check, check_types


@dataclass(frozen=True)
class Recipe:
    """How to train, but for the rate and the length. Defaults: §4.1 pre-training on JFT (Table 3)."""

    optimizer: Literal["adamw", "sgd"] = "adamw"
    batch_size: int = 4096
    warmup_steps: int = 10_000
    schedule: Literal["linear", "cosine", "steps"] = "linear"
    end_lr: float = 1e-5  # floor of the linear decay; the cosine ends in 0
    decay_at: tuple[float, ...] = ()  # of 'steps': shares of the training after which the rate falls to a tenth
    weight_decay: float = 0.1  # decoupled, times the current rate
    decayed: Literal["kernels", "all"] = "kernels"  # the paper does not say; the authors' later code decays kernels
    momentum: float = 0.9  # SGD
    betas: tuple[float, float] = (0.9, 0.999)  # AdamW
    dropout: float = 0.0
    grad_clip: float | None = None  # global norm
    loss: Literal["sigmoid", "softmax"] = "sigmoid"
    label_smoothing: float = 0.0
    mixup: float = 0.0  # alpha of the Beta distribution that two images' share is drawn from; 0: no MixUp
    polyak: float | None = None  # decay of a running average of the weights, which is what is evaluated and kept
    head_bias: float = -10.0  # initial bias of the classifier
    crop: Literal["inception", "random", "none"] = "inception"
    min_crop_area: float = 0.05  # smallest share of the image that an inception crop keeps
    resize: int | None = None  # of 'random': pixels a side that the whole image is brought to before the crop (BiT)
    flip: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "betas", tuple(self.betas))
        object.__setattr__(self, "decay_at", tuple(self.decay_at))
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
        check(self.polyak is None or 0 <= self.polyak < 1, f"polyak must be in [0, 1) or None, got {self.polyak}")
        check(
            list(self.decay_at) == sorted(set(self.decay_at)) and all(0 < at < 1 for at in self.decay_at),
            f"decay_at must be rising shares in (0, 1), got {self.decay_at}",
        )
        check(
            bool(self.decay_at) == (self.schedule == "steps"),
            f"decay_at belongs to schedule 'steps', got {self.decay_at} with {self.schedule!r}",
        )
        check(
            (self.resize is not None) == (self.crop == "random"),
            f"resize belongs to crop 'random', got {self.resize} with {self.crop!r}",
        )
        check(0 < self.min_crop_area <= 1, f"min_crop_area must be in (0, 1], got {self.min_crop_area}")


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
    """Raises ValueError for batches that cannot be cut up so, and for crops larger than what they are cut from."""
    check(microbatch is None or microbatch > 0, f"microbatch must be positive, got {microbatch}")
    check(recipe.batch_size % workers == 0, f"batch_size {recipe.batch_size} is not divisible by {workers} workers")
    share = recipe.batch_size // workers
    check(
        not recipe.mixup or (share % 2 == 0 and (microbatch or 0) % 2 == 0),
        f"MixUp mixes pairs: the images of a worker ({share}) and of a microbatch ({microbatch}) must be even",
    )
    check(
        recipe.resize is None or recipe.resize >= resolution,
        f"resize {recipe.resize} is smaller than the {resolution} pixels of a crop",
    )


@dataclass(frozen=True)
class MaskedPatches:
    """Masked patch prediction in place of labels (§4.6, §B.1.2).

    Of each image exactly `corrupted` of the patch embeddings are corrupted, before positions are added: `masked` of
    those by a learned [mask] embedding, `random` by another patch's, the rest stay. The loss is on corrupted patches:
    the mean colour in `bits` bits a channel, that of each pixel of the patch downsized to 4x4, or all pixels (L2). It
    takes the place of the recipe's, whose `loss`, `label_smoothing` and `head_bias` mean nothing here.
    """

    target: Literal["mean_color", "downsized", "pixels"] = "mean_color"
    corrupted: float = 0.5
    masked: float = 0.8
    random: float = 0.1
    bits: int = 3

    def __post_init__(self) -> None:
        check_types(self)
        check(0 < self.corrupted <= 1, f"corrupted must be in (0, 1], got {self.corrupted}")
        check(
            min(self.masked, self.random) >= 0 and self.masked + self.random <= 1,
            f"masked and random must be shares of 1, got {self.masked} and {self.random}",
        )
        check(1 <= self.bits <= 4, f"bits must be 1 to 4, got {self.bits}")

    def count(self, patches: int) -> int:
        """Corrupted patches of an image, at least one."""
        return max(1, round(self.corrupted * patches))

    def outputs(self, patch_size: int) -> int:
        """Numbers predicted for a patch: scores of the colours, of 1 or 16 pixels, or the patch's values."""
        colours = 2 ** (3 * self.bits)
        return {"mean_color": colours, "downsized": 16 * colours, "pixels": 3 * patch_size**2}[self.target]

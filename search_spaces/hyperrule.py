"""BiT-HyperRule (Kolesnikov et al. 2020, §3.3): how BiT fine-tunes, given only the size of a data set and its images.

No learning rate is searched. The ViT paper also fine-tunes its ResNets this way and keeps the better result (§B.1.1).
There are three sizes of data sets: small, below 20,000 training images; medium, below 500,000; and large.
"""

from scaling.specs import Dataset, Recipe, Setting

BASE_LR = 0.003


def bit_hyperrule(data: Dataset, *, height: int, width: int, r152x4: bool = False) -> Setting:
    """The setting for a data set whose images have about `height` x `width` pixels.

    `r152x4`: BiT-L's R152x4 gets photographs at a higher resolution than the other models (the official code gives all
    of them the higher one). Raises ValueError when the number of training images is not known.
    """
    if data.num_train is None:
        raise ValueError(
            f"the BiT-HyperRule needs the number of training images: data set {data.name} has num_train=None"
        )
    resize, resolution = crop(height, width, r152x4)
    recipe = Recipe(
        optimizer="sgd",
        batch_size=512,
        warmup_steps=warmup_steps(data.num_train),
        schedule="steps",
        decay_at=(0.3, 0.6, 0.9),
        weight_decay=0.0,
        loss="softmax",
        mixup=mixup(data.num_train),
        head_bias=0.0,
        crop="random",
        resize=resize,
    )
    return Setting(BASE_LR, steps(data.num_train), resolution, recipe)


def crop(height: int, width: int, r152x4: bool) -> tuple[int, int]:
    """Pixels on a side: of the resized images, and of the crops that are cut from them."""
    if height * width < 96 * 96:
        return 160, 128
    return (512, 480) if r152x4 else (448, 384)


def steps(num_train: int) -> int:
    """Optimizer steps: 500, 10,000 or 20,000 for small, medium and large sets."""
    return 500 if num_train < 20_000 else 10_000 if num_train < 500_000 else 20_000


def warmup_steps(num_train: int) -> int:
    """Steps of warm-up: a fifth of a small set's steps, 500 for the others, as in the official code."""
    return 100 if num_train < 20_000 else 500


def mixup(num_train: int) -> float:
    """Alpha of MixUp: 0, no MixUp, for small sets."""
    return 0.0 if num_train < 20_000 else 0.1

"""BiT-HyperRule (Kolesnikov et al. 2020, §3.3): how BiT fine-tunes, from a data set's size and its images' alone.

No rate is searched for. The ViT paper fine-tunes its ResNets this way too and keeps the better result (§B.1.1). Three
sizes of data sets: small, below 20,000 images to train on; medium, below 500,000; large.
"""

from scaling.specs import Dataset, Recipe, Setting

BASE_LR = 0.003


def bit_hyperrule(data: Dataset, *, height: int, width: int, r152x4: bool = False) -> Setting:
    """How to fine-tune on a data set whose images have about `height` x `width` pixels.

    BiT-L's R152x4 sees photographs at more pixels than the other models; the official code does so with all of them.
    Raises ValueError when the number of training images is not known.
    """
    if data.num_train is None:
        raise ValueError(f"the BiT-HyperRule needs the number of training images, which data set {data.name} lacks")
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
    """Pixels a side that images are resized to, and of the crop that is cut from them."""
    if height * width < 96 * 96:
        return 160, 128
    return (512, 480) if r152x4 else (448, 384)


def steps(num_train: int) -> int:
    """Optimizer steps: short for small sets."""
    return 500 if num_train < 20_000 else 10_000 if num_train < 500_000 else 20_000


def warmup_steps(num_train: int) -> int:
    """A fifth of a small set's steps, 500 for the others, as in the official code."""
    return 100 if num_train < 20_000 else 500


def mixup(num_train: int) -> float:
    """Alpha of MixUp: none for small sets."""
    return 0.0 if num_train < 20_000 else 0.1

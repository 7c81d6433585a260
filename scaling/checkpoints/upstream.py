"""The weights that a fine-tuning or a few-shot probe starts from."""

from safetensors import SafetensorError
from safetensors.torch import load, load_file
from torch import Tensor, nn

from scaling.checkpoints.formats import load_weights
from scaling.checkpoints.whole import WEIGHTS, check_whole
from scaling.checks import check, check_regular
from scaling.models import CustomModel, check_finite_weights, is_classifier, load_pretrained
from scaling.specs import Released, Upstream
from scaling.store import DamagedError, Storage


def load_upstream(module: nn.Module, upstream: Upstream, checkpoint: str | None) -> None:
    """Put the upstream's weights into a module that has the upstream's body, under a classifier of zeros.

    `checkpoint` is the checkpoint directory of a pre-training run, and None for a from-scratch baseline, whose fresh
    weights stay. Raises ValueError when the weights cannot be read, do not fit, or hold NaN or infinite values.
    """
    if isinstance(upstream, Released):
        load_weights(module, upstream.source, head="drop")
    elif checkpoint is not None:
        weights = read_weights(Storage.of(checkpoint))
        body = {name: value for name, value in weights.items() if not is_classifier(module, name)}
        check_finite_weights(body, f"checkpoint {checkpoint}")
        load_pretrained(module, body)
        if isinstance(module, CustomModel):  # ours are built with a classifier of zeros (§B.1.1)
            module.zero_classifier()


def read_weights(checkpoint: Storage) -> dict[str, Tensor]:
    """The weights in a checkpoint directory, by name. Raises ValueError when there are none, or they are damaged."""
    check(checkpoint.exists(WEIGHTS), f"{checkpoint.place} is no checkpoint: it has no {WEIGHTS}")
    check_whole(checkpoint)
    try:
        if checkpoint.local is not None:  # without a second copy of the file in memory
            check_regular(checkpoint.local / WEIGHTS)
            return load_file(checkpoint.local / WEIGHTS)
        return load(checkpoint.read(WEIGHTS))
    except SafetensorError as error:  # of one without digests
        raise DamagedError(f"{checkpoint.shown(WEIGHTS)} is damaged: {error}") from None

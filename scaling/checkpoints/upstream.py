"""The weights that a transfer starts from."""

from safetensors.torch import load, load_file
from torch import Tensor, nn

from scaling.checkpoints.formats import load_weights
from scaling.models import load_pretrained
from scaling.specs import Released, Upstream
from scaling.store import Storage


def load_upstream(module: nn.Module, upstream: Upstream, checkpoint: str | None) -> None:
    """Put the upstream's weights into a module of its body under another classifier, which stays as it is.

    `checkpoint` is the directory of a run's, None for a control. Raises ValueError when they cannot be read or do not
    fit.
    """
    if isinstance(upstream, Released):
        load_weights(module, upstream.source, head="drop")
    elif checkpoint is not None:
        load_pretrained(module, read_weights(Storage.of(checkpoint)))


def read_weights(checkpoint: Storage) -> dict[str, Tensor]:
    """The weights of a checkpoint directory. Raises ValueError when there are none."""
    try:
        if checkpoint.local is not None:
            return load_file(checkpoint.local / "model.safetensors")
        return load(checkpoint.read("model.safetensors"))
    except FileNotFoundError:
        raise ValueError(f"{checkpoint.uri} is no checkpoint: it has no model.safetensors") from None

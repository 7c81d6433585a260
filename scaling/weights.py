"""The weights that a transfer starts from."""

from torch import nn

from scaling.models import load_pretrained
from scaling.models.checkpoints import load
from scaling.specs import Released, Upstream
from scaling.storage import Storage
from scaling.training import state


def load_upstream(module: nn.Module, upstream: Upstream, checkpoint: str | None) -> None:
    """Put the upstream's weights into a module of its body under another classifier, which stays as it is.

    `checkpoint` is the directory of a run's, None for a control. Raises ValueError when they cannot be read or do not
    fit.
    """
    if isinstance(upstream, Released):
        load(module, upstream.source, head="drop")
    elif checkpoint is not None:
        load_pretrained(module, state.read_weights(Storage.of(checkpoint)))

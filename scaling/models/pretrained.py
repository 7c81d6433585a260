"""Pre-trained weights in a module with another classifier, and of another resolution."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from scaling.models.positions import fit_positions

HIDDEN = "pre_logits."  # how the names of the hidden layer before the classifier begin


def is_classifier(module: nn.Module, name: str) -> bool:
    """Whether a parameter of a model's module, by its name, is the classifier's: one of its `classifier`."""
    return name in getattr(module, "classifier", ())


def load_pretrained(module: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Load pre-trained weights into a module with another classifier; positions of every form are resized to its grid.

    The module's classifier stays as it is, and the hidden layer of the pre-training head is left out when the module
    has none (§B.1.1). Raises ValueError, and changes nothing, when a parameter is missing, left over or of another
    shape.
    """
    own = {name: value for name, value in module.state_dict().items() if not is_classifier(module, name)}
    given = {name: value for name, value in state.items() if not is_classifier(module, name)}
    if not any(name.startswith(HIDDEN) for name in own):
        given = {name: value for name, value in given.items() if not name.startswith(HIDDEN)}
    given = fit_positions(given, own)
    shapes = [
        f"{name} {list(given[name].shape)} instead of {list(own[name].shape)}"
        for name in own.keys() & given.keys()
        if given[name].shape != own[name].shape
    ]
    mismatches = {"missing": own.keys() - given.keys(), "left over": given.keys() - own.keys(), "wrong shape": shapes}
    problems = [f"{kind}: {', '.join(sorted(names))}" for kind, names in mismatches.items() if names]
    if problems:
        raise ValueError(f"pre-trained weights do not fit the model: {'; '.join(problems)}")
    with torch.no_grad():
        for name, value in own.items():  # all of them: the mismatches above left nothing out
            # The tensors of a state dict share their memory with the parameters.
            value.copy_(given[name])

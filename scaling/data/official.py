"""Official validation splits: images of a training set that choices are made on."""

import numpy as np

from scaling.data.sources import Images


def set_apart(images: Images, dev: Images) -> tuple[np.ndarray, np.ndarray]:
    """The places in `images` of those that are not in `dev`, and of those that are, by name: int64, ascending.

    Raises ValueError for a dev image that is not among the others, and when nothing is left to train on.
    """
    wanted = {dev.name(index) for index in range(len(dev))}
    inside = np.array([images.name(index) in wanted for index in range(len(images))])
    if inside.sum() < len(wanted):
        known = {images.name(int(index)) for index in np.flatnonzero(inside)}
        raise ValueError(f"the dev split's image {min(wanted - known)!r} is not among the training images")
    if inside.all():
        raise ValueError("the dev split holds all training images: none is left to train on")
    return np.flatnonzero(~inside), np.flatnonzero(inside)

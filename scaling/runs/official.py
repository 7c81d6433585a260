"""The official dev split of a data set: which of the training images it holds."""

import numpy as np

from scaling.data.sources import Images, MultiLabels


def official_dev_split(images: Images, dev: Images) -> tuple[np.ndarray, np.ndarray]:
    """Indices in `images` of those that are not in `dev`, and of those that are, by name: int64, ascending.

    Raises ValueError for a dev image that is not among the others or has another class there, and when nothing is left
    to train on.
    """
    names = {dev.name(index): index for index in range(len(dev))}
    inside = np.array([images.name(index) in names for index in range(len(images))])
    if inside.sum() < len(names):
        known = {images.name(int(index)) for index in np.flatnonzero(inside)}
        raise ValueError(f"the dev split's image {min(names.keys() - known)!r} is not among the training images")
    if inside.all():
        raise ValueError("the dev split holds all training images: none is left to train on")
    held = np.flatnonzero(inside)
    if not isinstance(images.labels, MultiLabels) and not isinstance(dev.labels, MultiLabels):
        theirs = dev.labels[[names[images.name(int(index))] for index in held]]
        if len(other := np.flatnonzero(theirs != images.labels[held])):
            name = images.name(int(held[other[0]]))
            raise ValueError(f"the dev split's image {name!r} has another class than among the training images")
    return np.flatnonzero(~inside), held

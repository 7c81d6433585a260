"""A dev split by the names of its images."""

from pathlib import Path

import numpy as np
import pytest

from scaling.data.sources.images import Images
from scaling.data.sources.read import open_split
from scaling.runs.official import official_dev_split
from tests.helpers.images import pictures, write_list


@pytest.fixture
def whole(tmp_path: Path) -> tuple[str, Images]:
    uri = write_list(tmp_path / "set", pictures(6), np.array([0, 1, 0, 1, 0, 1]))
    return uri, open_split(uri, None)


def test_the_images_of_the_dev_split_are_set_apart(whole: tuple[str, Images]) -> None:
    uri, images = whole
    rest, dev = official_dev_split(images, open_split(f"{uri}?part=2:4", None))
    assert (rest.tolist(), dev.tolist()) == ([0, 1, 4, 5], [2, 3])


def test_a_strange_image_or_nothing_left_is_an_error(whole: tuple[str, Images]) -> None:
    uri, images = whole
    part = open_split(f"{uri}?part=:4", None)
    with pytest.raises(ValueError, match=r"the dev split's image 'images/photo 4\.\w+' is not among the training"):
        official_dev_split(part, images)
    with pytest.raises(ValueError, match="none is left to train on"):
        official_dev_split(images, images)

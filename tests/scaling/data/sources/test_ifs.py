import numpy as np
import pytest

from scaling.data.sources import ifs


def test_an_image_is_a_function_of_seed_class_and_number() -> None:
    images = ifs.render_ifs(0, 3, np.arange(70), 32)
    assert images.shape == (70, 32, 32, 3)
    assert images.dtype == np.uint8
    assert np.array_equal(ifs.render_ifs(0, 3, np.array([69, 2]), 32), images[[69, 2]])
    for other in (ifs.render_ifs(1, 3, np.arange(70), 32), ifs.render_ifs(0, 4, np.arange(70), 32)):
        assert (other != images).any(axis=(1, 2, 3)).all()


def test_test_images_are_others() -> None:
    train = ifs.render_ifs(0, 0, np.arange(100), 16)
    test = ifs.render_ifs(0, 0, ifs.TEST_NUMBERS + np.arange(20), 16)
    assert len(np.unique(np.concatenate([train, test]).reshape(120, -1), axis=0)) == 120


def test_images_are_neither_blank_nor_alike() -> None:
    images = np.stack([ifs.render_ifs(0, label, np.arange(4), 32) for label in range(24)]).astype(float)
    contrast = images.std(axis=(2, 3)).mean(axis=-1)
    assert (contrast > 8).mean() > 0.95
    assert contrast.min() > 2


def test_classes_can_be_told_apart() -> None:
    """A nearest-neighbour guess by shape alone is far above chance (5 %)."""
    images = np.stack([ifs.render_ifs(0, label, np.arange(40), 32) for label in range(20)]).astype(np.float32)
    shapes = images.mean(axis=-1).reshape(20, 40, -1)
    shapes = np.abs(shapes - np.median(shapes, axis=-1, keepdims=True))
    shapes /= np.linalg.norm(shapes, axis=-1, keepdims=True)
    train, test = shapes[:, :30].reshape(600, -1), shapes[:, 30:].reshape(200, -1)
    guesses = np.repeat(np.arange(20), 30)[(test @ train.T).argmax(axis=1)]
    assert (guesses == np.repeat(np.arange(20), 10)).mean() > 0.3


def test_systems_are_contractive_and_not_degenerate() -> None:
    systems = [ifs.class_system(5, label) for label in range(30)]
    assert all(2 <= len(system) <= ifs.MAX_MAPS for system in systems)
    assert max(system[:, 2:4].max() for system in systems) < 0.95
    assert len({system.tobytes() for system in systems}) == 30


@pytest.mark.parametrize("size", [8, 20, 64])
def test_any_size(size: int) -> None:
    assert ifs.render_ifs(0, 0, np.arange(2), size).shape == (2, size, size, 3)

"""The 19 tasks, their exceptions, and the lists as they are shipped."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from scaling.data.resolve import resolve
from scaling.data.sources.read import open_split
from scaling.runs.official import official_dev_split
from search_spaces.vtab import VTAB, vtab_tasks
from tests.helpers.images import pictures, plain_labels

# BiT, Appendix F.
NO_CROP = {"Clevr-Count", "Clevr-Dist", "DMLab", "KITTI-Dist", "dSpr-Loc"}
NO_FLIP = {"dSpr-Ori", "dSpr-Loc", "sNORB-Azim"}


def write_lists(root: Path, classes: dict[str, int], *, own_copies: bool) -> None:
    """Lists of 8, 2, both and 3 images for every task. `own_copies`: each list names images of its own."""
    image = pictures(1, size=8)[0]
    for directory, count in classes.items():
        for split, size in (("train800", 8), ("val200", 2), ("test", 3)):
            lines = []
            for i in range(size):
                name = f"images/{split}/{i:03d}.jpg"
                file = root / directory / name
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(image)
                lines.append(f"{name} {(i * 7 + size) % count}")
            (root / directory / f"{split}.txt").write_text("\n".join(lines) + "\n")
        parts = [(root / directory / f"{split}.txt").read_text() for split in ("train800", "val200")]
        lines = "".join(parts).splitlines()
        if own_copies:
            place = root / directory / "images/train800val200"
            place.mkdir()
            for i in range(len(lines)):
                (place / f"{i:03d}.jpg").write_bytes(image)
                lines[i] = f"images/train800val200/{i:03d}.jpg {lines[i].split()[1]}"
        (root / directory / "train800val200.txt").write_text("\n".join(lines))


def test_the_protocol_and_bits_exceptions() -> None:
    tasks = vtab_tasks()
    assert len(tasks) == len(VTAB) == 19
    assert [sum(row.group == group for row in VTAB) for group in ("natural", "specialized", "structured")] == [7, 4, 8]
    for task, row in zip(tasks, VTAB, strict=True):
        recipe = task.recipe
        assert (task.base_lrs, task.steps, task.resolution, recipe.batch_size) == ((0.01,), 2500, 384, 512)
        assert (recipe.optimizer, recipe.schedule, recipe.weight_decay) == ("sgd", "cosine", 0.0)
        assert recipe.flip == (row.title not in NO_FLIP)
        assert (recipe.crop, recipe.resize) == (("none", None) if row.title in NO_CROP else ("random", 448))
        assert (task.data.num_classes, task.data.num_train, task.data.num_test) == (row.classes, 1000, row.test)
        assert (task.data.train, task.data.dev) == (None, None)


@pytest.mark.parametrize("own_copies", [False, True])
def test_lists_are_read_as_they_are(tmp_path: Path, own_copies: bool) -> None:
    write_lists(tmp_path, {row.directory: row.classes for row in VTAB}, own_copies=own_copies)
    for task, row in zip(vtab_tasks(str(tmp_path)), VTAB, strict=True):
        data = task.data
        assert data.train is not None
        assert data.test is not None
        assert data.dev is not None
        train, test, dev = (open_split(uri, None) for uri in (data.train, data.test, data.dev))
        assert (len(train), len(test), len(dev)) == (10, 3, 2)
        rest, chosen = official_dev_split(train, dev)
        assert (rest.tolist(), chosen.tolist()) == (list(range(8)), [8, 9])
        assert np.array_equal(plain_labels(train)[chosen], plain_labels(dev))
        assert train.decode(0).shape == (8, 8, 3)
        assert str(tmp_path / row.directory) in data.train


def test_the_official_split_is_part_of_the_identity(tmp_path: Path) -> None:
    write_lists(tmp_path, {"dtd": 3}, own_copies=False)
    base = f"list:{tmp_path}/dtd/"
    random_share = replace(
        vtab_tasks()[2].data, num_classes=3, num_train=None, num_test=None, train=f"{base}train800val200.txt"
    )
    official = replace(random_share, dev=f"{base}val200.txt")
    assert resolve(official).num_train == 10
    assert resolve(official).fingerprint != resolve(random_share).fingerprint


def test_lists_that_are_missing_or_do_not_fit(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"train800val200\.txt not found"):
        vtab_tasks(str(tmp_path))
    write_lists(tmp_path, {VTAB[0].directory: 102}, own_copies=True)
    (tmp_path / VTAB[0].directory / "val200.txt").write_text("images/x.jpg 1\nimages/y.jpg 5\n")
    with pytest.raises(ValueError, match=r"is not train800\.txt followed by val200\.txt"):
        vtab_tasks(str(tmp_path))
    (tmp_path / VTAB[0].directory / "test.txt").unlink()
    with pytest.raises(ValueError, match=r"test\.txt not found"):
        vtab_tasks(str(tmp_path))

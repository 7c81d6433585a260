"""Image folders and list files: order, class names, and what is wrong in one line."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaling.data.sources.folders import natural_order
from scaling.data.sources.labels import MultiLabels
from scaling.data.sources.read import open_split
from tests.helpers.images import pictures, plain_labels, write_folder, write_list

IMAGES = pictures(6)
LABELS = np.array([1, 0, 1, 0, 1, 1])


def order(paths: list[str], labels: list[int] | None = None) -> list[str]:
    found = natural_order(pa.chunked_array([paths]), np.array(labels or [0] * len(paths)))
    return [paths[i] for i in found]


def test_numbers_in_names_are_compared_as_numbers() -> None:
    assert order(["a/10.png", "a/9.png", "b/009a2.jpg", "b/9a11.jpg", "a/x.png"]) == [
        "a/9.png", "b/009a2.jpg", "b/9a11.jpg", "a/10.png", "a/x.png",
    ]  # fmt: skip
    assert order(["a/1.png", "b/1.png", "c/1.png"], [2, 0, 1]) == ["b/1.png", "c/1.png", "a/1.png"]
    assert order(["b/7.png", "a/07.png"], [0, 1]) == ["b/7.png", "a/07.png"]


@given(st.lists(st.integers(0, 10**20), unique=True, min_size=1), st.randoms())
def test_running_numbers_come_in_order(numbers: list[int], random: object) -> None:
    assert order([f"c/img_{n}.jpg" for n in numbers]) == [f"c/img_{n}.jpg" for n in sorted(numbers)]


def folder(path: Path, names: tuple[str, str]) -> str:
    return write_folder(path, IMAGES, LABELS, list(names))


def test_labels_follow_names_numbers_or_the_file(tmp_path: Path) -> None:
    named = open_split(folder(tmp_path / "named", ("zebra", "ant")), None)
    assert named.classes == ["ant", "zebra"]
    assert np.array_equal(plain_labels(named), 1 - LABELS)
    numbered = open_split(folder(tmp_path / "numbered", ("3", "10")), None)
    assert numbered.classes == [str(label) for label in range(11)]  # with those between: a name for each number
    assert np.array_equal(plain_labels(numbered), np.where(LABELS, 10, 3))
    uri = folder(tmp_path / "listed", ("zebra", "ant"))
    (tmp_path / "listed" / "classes.txt").write_text("zebra\nyak\nant\n")
    listed = open_split(uri, None)
    assert listed.classes == ["zebra", "yak", "ant"]
    assert np.array_equal(plain_labels(listed), 2 * LABELS)
    uri = folder(tmp_path / "both", ("0", "1"))
    (tmp_path / "both" / "classes.txt").write_text("Ankle boot\nT-shirt/top\n")
    assert open_split(uri, None).classes == ["Ankle boot", "T-shirt/top"]


def test_other_files_are_no_images(tmp_path: Path) -> None:
    uri = folder(tmp_path / "x", ("a", "b"))
    for name in ("README.md", "a/.DS_Store", "a/._0.png", "a/notes.txt"):
        (tmp_path / "x" / name).write_text("x")
    (tmp_path / "x" / "a" / "deeper").mkdir()
    (tmp_path / "x" / "a" / "deeper" / "6.JPG").write_bytes(IMAGES[0])
    images = open_split(uri, None)
    assert len(images) == 7
    assert images.name(6) == "a/deeper/6.JPG"


def test_wrong_folders_say_why(tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    (tmp_path / "flat").mkdir()
    (tmp_path / "flat" / "0.png").write_bytes(IMAGES[0])
    empty = folder(tmp_path / "empty", ("a", "b"))
    (tmp_path / "empty" / "c").mkdir()
    unknown = folder(tmp_path / "unknown", ("a", "b"))
    (tmp_path / "unknown" / "classes.txt").write_text("a\nc\n")
    twice = folder(tmp_path / "twice", ("1", "01"))
    few = folder(tmp_path / "few", ("0", "5"))
    (tmp_path / "few" / "classes.txt").write_text("a\nb\n")
    for uri, message in [
        ("imagefolder:/nowhere/at/all", "cannot read the image folder /nowhere/at/all"),
        (f"imagefolder:{tmp_path}/nothing", "no class directories in"),
        (f"imagefolder:{tmp_path}/flat", "no class directories in"),
        (empty, r"class directory .*/empty/c holds no images"),
        (unknown, r"class directory .*/unknown/b is not in its classes.txt"),
        (twice, "have the same number"),
        (few, "label 5, but only 2 class names"),
    ]:
        with pytest.raises(ValueError, match=message) as caught:
            open_split(uri, None)
        assert "\n" not in str(caught.value)


def test_lists_have_a_root_of_their_own(tmp_path: Path) -> None:
    uri = write_list(tmp_path / "a", IMAGES, LABELS)
    moved = tmp_path / "b.txt"
    moved.write_text((tmp_path / "a" / "train.txt").read_text() + "\n\n")
    images = open_split(f"list:{moved}?root={tmp_path}/a", None)
    assert np.array_equal(plain_labels(images), plain_labels(open_split(uri, None)))
    assert images.encoded[5] == IMAGES[5]


def test_a_list_may_have_several_labels(tmp_path: Path) -> None:
    write_list(tmp_path / "a", IMAGES, LABELS)
    (tmp_path / "a" / "several.txt").write_text("images/photo 1.png 3 0\nimages/photo 0.jpg\t2\n")
    labels = open_split(f"list:{tmp_path}/a/several.txt", None).labels
    assert isinstance(labels, MultiLabels)
    assert labels[np.array([1, 0])].tolist() == [[0, 0, 1, 0], [1, 0, 0, 1]]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("images/photo 9.png 0", r"line 2 of .*bad.txt names no file under .*'images/photo 9.png 0'"),
        ("../a/images/photo 1.png 0", "line 2 of .* leaves the images' directory"),
        ("/etc/passwd 0", "line 2 of .* leaves the images' directory"),
        ("images/../../x.png 0", "line 2 of .* leaves the images' directory"),
        ("images/photo_1.png", "line 2 of .* must be a relative path and a label"),
        ("images/photo 1.png -1", "line 2 of .* must be a relative path and a label"),
    ],
)
def test_wrong_lists_say_why(tmp_path: Path, line: str, message: str) -> None:
    write_list(tmp_path / "a", IMAGES, LABELS)
    (tmp_path / "a" / "bad.txt").write_text(f"images/photo 1.png 0\n{line}\n")
    with pytest.raises(ValueError, match=message) as caught:
        open_split(f"list:{tmp_path}/a/bad.txt", None)
    assert "\n" not in str(caught.value)


def test_lists_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("\n")
    for uri, message in [
        (f"list:{tmp_path}/empty.txt", "has no lines"),
        (f"list:{tmp_path}/not.txt", "cannot read the list file"),
    ]:
        with pytest.raises(ValueError, match=message):
            open_split(uri, None)

"""Lists of names: what one command writes another reads, whatever the names are."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from scaling.data.sources.lists import list_text, quoted, read_class_names, read_entries, read_lines
from scaling.data.sources.read import open_split
from tests.helpers.images import pictures, plain_labels, write_folder, write_list, write_parquet, write_shards

# What a file may be called: any text but '/' and the null character, and bytes that are no UTF-8 as surrogates.
SIGNS = st.characters(exclude_characters="\0/", exclude_categories=["Cs"]) | st.characters(
    min_codepoint=0xDC80, max_codepoint=0xDCFF, categories=["Cs"]
)
NAMES = st.text(SIGNS, min_size=1, max_size=12)
ODD = [
    "#hashtag/1.png", " both ends ", '"quoted"', "'1'.png", "100%.png", "a%20b.png", "two\nlines.png", "cr\r.png",
    "caf\udce9.png", "\ufeffmark.png", "sep\u2028\x85\x0c.png", "# a sentence", "photo 1",
    '"', "\\", "tab\t.png", "é猫.png",
]  # fmt: skip
IMAGES = pictures(len(ODD))
LABELS = np.arange(len(ODD)) % 2


def first_names(path: Path) -> list[str]:
    return [entry.names[0] for entry in read_entries(str(path), "list")]


@given(st.lists(NAMES), st.text())
@example(ODD, "\x1b[2J")
def test_a_list_is_read_as_it_was_written(tmp_path_factory: pytest.TempPathFactory, names: list[str], why: str) -> None:
    file = tmp_path_factory.mktemp("list") / "removed.txt"
    file.write_bytes(list_text(names, why))
    assert first_names(file) == names
    # Also after an editor of another system has saved it.
    file.write_bytes(b"\xef\xbb\xbf" + list_text(names, why).replace(b"\n", b"\r\n"))
    assert first_names(file) == names
    file.write_bytes(b"\xff\xfe" + list_text(names, why).decode().encode("utf-16-le"))
    assert first_names(file) == names


def test_plain_names_stay_plain() -> None:
    assert quoted("n01/a photo (1), 100%.png") == "n01/a photo (1), 100%.png"
    assert quoted("#1.png") == '"#1.png"'


def odd_folder(path: Path) -> str:
    """An image folder of odd names, in two classes that have odd names too."""
    for name, data, label in zip(ODD, IMAGES, LABELS, strict=True):
        file = path / ("#tag" if label else " a") / (name.replace("/", "-") + (".png" if label else ".jpg"))
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    return f"imagefolder:{path}"


def test_a_list_of_a_folder_with_odd_names_leaves_out_what_it_names(tmp_path: Path) -> None:
    uri = odd_folder(tmp_path / "set")
    images = open_split(uri, None)
    assert len(images) == len(ODD)
    for i in range(len(ODD)):
        (tmp_path / "one.txt").write_bytes(list_text([images.name(i)], "one"))
        open_split.cache_clear()
        without = open_split(f"{uri}?without={tmp_path}/one.txt", None)
        assert [without.name(k) for k in range(len(without))] == [images.name(k) for k in range(len(images)) if k != i]
        only = open_split(f"{uri}?only={tmp_path}/one.txt", None)
        assert only.encoded[0] == images.encoded[i]


def test_odd_names_in_shards_and_parquet(tmp_path: Path) -> None:
    shards = write_shards(tmp_path / "shards", IMAGES, LABELS, 2)
    parquet = write_parquet(tmp_path / "x.parquet", IMAGES, LABELS, ["a", "b"])
    for uri in (shards, parquet):
        names = [open_split(uri, None).name(i) for i in (3, 1)]
        (tmp_path / "two.txt").write_bytes(list_text(names, "two"))
        open_split.cache_clear()
        assert len(open_split(f"{uri}?without={tmp_path}/two.txt", None)) == len(ODD) - 2


def test_lists_of_older_versions_are_read(tmp_path: Path) -> None:
    """Names stood there as they are: what begins with a hash, or has spaces at its ends, was lost or refused."""
    uri = write_folder(tmp_path / "set", IMAGES[:3], np.array([0, 1, 0]), ["#hashtag", "plain"])
    (tmp_path / "set" / "plain" / '"x".png').write_bytes(IMAGES[3])
    names = [open_split(uri, None).name(i) for i in range(4)]
    lines = ["# 3 copies of test images in x", "#not/an/image.png", "", *(f"  {name}\t" for name in names)]
    (tmp_path / "old.txt").write_text("\r\n".join(lines))
    assert len(open_split(f"{uri}?only={tmp_path}/old.txt", None)) == 4
    (tmp_path / "old.txt").write_text(f'"{names[1]}\n')
    with pytest.raises(ValueError, match="but no image of the set has that name") as caught:
        open_split(f"{uri}?without={tmp_path}/old.txt", None)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_class_names_with_a_mark_and_other_line_ends(tmp_path: Path, mark: str, end: str) -> None:
    names = ["zebra", "#tag", "an ant", json.dumps("yak ")]
    (tmp_path / "classes.txt").write_bytes((mark + end.join(names) + end).encode())
    known = ["zebra", "yak ", "#tag"]
    assert read_class_names(str(tmp_path / "classes.txt"), known) == ["zebra", "#tag", "an ant", "yak "]
    (tmp_path / "classes.txt").write_bytes(b"\xff\xfe" + "zebra\r\nyak \r\n".encode("utf-16-le"))
    assert read_class_names(str(tmp_path / "classes.txt"), known) == ["zebra", "yak "]  # a folder is called so


def test_paths_of_a_list_file_may_be_quoted(tmp_path: Path) -> None:
    write_list(tmp_path / "a", IMAGES[:2], LABELS[:2])
    odd = [*ODD, "\udcff 7"]
    for name in odd:
        file = tmp_path / "a" / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(IMAGES[0])
    lines = "".join(f"{quoted(name)} {i % 3}\r\n" for i, name in enumerate(odd))
    (tmp_path / "a" / "odd.txt").write_bytes(b"\xef\xbb\xbf" + lines.encode())
    images = open_split(f"list:{tmp_path}/a/odd.txt", None)
    assert [images.name(i) for i in range(len(images))] == odd
    assert plain_labels(images).tolist() == [i % 3 for i in range(len(odd))]
    assert images.encoded[len(odd) - 1] == IMAGES[0]


def test_a_fifo_in_place_of_a_list_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="pipe is a FIFO, where a file is needed"):
        read_lines(str(tmp_path / "pipe"), "list")
    uri = write_folder(tmp_path / "set", IMAGES[:2], LABELS[:2], ["a", "b"])
    for option in (f"?only={tmp_path}/pipe", f"?without={tmp_path}/pipe"):
        with pytest.raises(ValueError, match="is a FIFO"):
            open_split(uri + option, None)
    with pytest.raises(ValueError, match="is a FIFO"):
        open_split(f"list:{tmp_path}/pipe", None)

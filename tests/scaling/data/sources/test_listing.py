"""What is found beside the samples: one rule for every reader, nothing left out unsaid, and nothing that hangs."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scaling.data.resolve import resolve
from scaling.data.sources.encoding import encode_parquet
from scaling.data.sources.read import open_split, split_facts
from scaling.data.uris import parse_uri
from scaling.specs.pretraining import Dataset
from tests.helpers.images import pictures, write_folder, write_list, write_parquet, write_tar

IMAGES = pictures(6)
LABELS = np.array([1, 0, 1, 0, 1, 1])
CLUTTER = (".DS_Store", "._0.png", ".ipynb_checkpoints/0-checkpoint.png", "@eaDir/0.jpg", "Thumbs.db", "0.png~")


def folder(path: Path) -> str:
    return write_folder(path, IMAGES, LABELS, ["a", "b"])


def put(place: Path, data: bytes = IMAGES[0]) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(data)


def note(uri: str) -> str:
    """The one line about what is not used; the images are those of `folder`."""
    open_split.cache_clear()
    images = open_split(uri, None)
    assert len(images) == 6
    (line,) = images.notes
    assert "\n" not in line
    assert split_facts(parse_uri(uri)).notes == (line,)
    return line


def test_clutter_is_no_sample_and_said(tmp_path: Path) -> None:
    uri = folder(tmp_path / "set")
    clean = split_facts(parse_uri(uri))
    assert clean.notes == ()
    for name in CLUTTER:
        put(tmp_path / "set" / "a" / name)
        put(tmp_path / "set" / name)
    put(tmp_path / "set" / "b" / "deep" / "__MACOSX" / "1.png")
    put(tmp_path / "set" / "README.md")
    assert note(uri).startswith(
        f"{uri}: not used: 13 hidden files or folders (.DS_Store, ._0.png, .ipynb_checkpoints, ...)"
    )
    assert "1 file or folder beside them (README.md)" in note(uri)
    assert split_facts(parse_uri(uri)).fingerprint == clean.fingerprint


def test_files_that_are_no_images_are_said(tmp_path: Path) -> None:
    uri = folder(tmp_path / "set")
    put(tmp_path / "set" / "a" / "LICENSE", b"All rights reserved")  # without an extension: its content says
    put(tmp_path / "set" / "a" / "notes.txt", b"to do")
    put(tmp_path / "set" / "b" / "empty", b"")
    assert "not used: 3 files that are no images (a/LICENSE, a/notes.txt, b/empty)" in note(uri)
    (tmp_path / "set" / "a" / "1.png").rename(tmp_path / "set" / "a" / "1")
    assert "3 files that are no images" in note(uri)  # an image without an extension is one


@pytest.mark.parametrize("kind", ["parquet", "webdataset"])
def test_clutter_among_shards(tmp_path: Path, kind: str) -> None:
    ending = "parquet" if kind == "parquet" else "tar"
    put(tmp_path / "set" / f"part-0.{ending}", encode_parquet(IMAGES, LABELS, ["a", "b"]))
    if kind == "webdataset":
        members = {f"{i}.{part}": data for i in range(6) for part, data in (("jpg", IMAGES[i]), ("cls", b"1"))}
        write_tar(tmp_path / "set" / "part-0.tar", members)
    for name in (f"._part-0.{ending}", f".part-0.{ending}", f".ipynb_checkpoints/part-0.{ending}"):
        put(tmp_path / "set" / name, b"junk")
    put(tmp_path / "set" / f"part-0.{ending}.crc", b"junk")
    (tmp_path / "set" / f"more.{ending}").mkdir()
    line = note(f"{kind}:{tmp_path}/set")
    assert "3 hidden files or folders" in line
    assert f"2 files or folders beside them (part-0.{ending}.crc, more.{ending})" in line
    assert "hidden" in note(f"{kind}:{tmp_path}/set/*.{ending}")
    assert "hidden" in note(f"{kind}:{tmp_path}/*/*.{ending}")
    (tmp_path / ".cache").mkdir()
    (tmp_path / "set" / f"part-0.{ending}").rename(tmp_path / ".cache" / f"part-0.{ending}")
    assert len(open_split(f"{kind}:{tmp_path}/.cache/*.{ending}", None)) == 6  # what the user names is meant
    assert len(open_split(f"{kind}:{tmp_path}/.c*/*.{ending}", None)) == 6


def test_clutter_in_lists_and_shards(tmp_path: Path) -> None:
    uri = write_list(tmp_path / "a", IMAGES, LABELS)
    put(tmp_path / "a" / "images" / ".ipynb_checkpoints" / "photo 0.jpg")
    with (tmp_path / "a" / "train.txt").open("a") as file:
        file.write("images/.ipynb_checkpoints/photo 0.jpg 1\n")
    assert "1 hidden file or folder (images/.ipynb_checkpoints/photo 0.jpg)" in note(uri)
    members = {f"a/{i}.{part}": data for i in range(6) for part, data in (("jpg", IMAGES[i]), ("cls", b"1"))}
    extra = {"__MACOSX/a/._0.jpg": b"", "a/.ipynb_checkpoints/0.jpg": IMAGES[0], "a/._0.jpg": b"", "README": b""}
    write_tar(tmp_path / "x.tar", extra | members)
    line = note(f"webdataset:{tmp_path}/x.tar")
    assert "3 hidden files or folders" in line
    assert "1 member that is no part of a sample (README)" in line


def test_links_in_a_circle_are_followed_once(tmp_path: Path) -> None:
    uri = folder(tmp_path / "set")
    (tmp_path / "set" / "a" / "up").symlink_to(tmp_path / "set")
    (tmp_path / "set" / "b" / "self").symlink_to(".")
    (tmp_path / "set" / "b" / "far").symlink_to(tmp_path)
    (tmp_path / "set" / "loop").symlink_to(".")
    assert "4 links to folders that are read already (loop, a/up, b/far, ...)" in note(uri)


def test_a_folder_that_several_links_lead_to_is_read_once(tmp_path: Path) -> None:
    """Ten folders, each with two links to the next one, are 1,024 ways to one image."""
    uri = folder(tmp_path / "set")
    (tmp_path / "more").mkdir()
    for i in range(10):
        (tmp_path / "more" / str(i)).mkdir()
        for name in ("x", "y"):
            (tmp_path / "more" / str(i) / name).symlink_to(tmp_path / "more" / str(i + 1))
    put(tmp_path / "more" / "10" / "9.png")
    (tmp_path / "set" / "a" / "more").symlink_to(tmp_path / "more" / "0")
    images = open_split(uri, None)
    assert len(images) == 7
    assert "10 links to folders that are read already" in images.notes[0]


def test_links_that_lead_nowhere_are_said(tmp_path: Path) -> None:
    uri = folder(tmp_path / "set")
    (tmp_path / "set" / "a" / "gone.png").symlink_to(tmp_path / "gone.png")
    (tmp_path / "set" / "a" / "round.png").symlink_to("round.png")
    (tmp_path / "set" / "c").symlink_to(tmp_path / "gone")
    assert "3 links that lead nowhere (c, a/gone.png, a/round.png)" in note(uri)
    (tmp_path / "shards").mkdir()
    (tmp_path / "shards" / "x.parquet").write_bytes(encode_parquet(IMAGES, LABELS, ["a", "b"]))
    (tmp_path / "shards" / "y.parquet").symlink_to("gone.parquet")
    assert "1 link that leads nowhere (y.parquet)" in note(f"parquet:{tmp_path}/shards")


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    uri = folder(tmp_path / "caf\udce9")
    put(tmp_path / "caf\udce9" / "b" / "\udcff.png", IMAGES[0])
    put(tmp_path / "caf\udce9" / "b" / "\udcfe.png", b"broken")
    images = open_split(uri, None)
    by_name = {images.name(i): i for i in range(8)}
    assert images.encoded[by_name["b/\udcff.png"]] == IMAGES[0]
    with pytest.raises(ValueError, match=r"caf\\xe9/b/\\xfe\.png cannot be decoded"):
        images.decode(by_name["b/\udcfe.png"])
    for kind in ("parquet", "webdataset"):
        file = tmp_path / f"\udcfa.{kind}"
        if kind == "parquet":
            file.write_bytes(encode_parquet(IMAGES, LABELS, ["a", "b"]))
        else:
            write_tar(file, {"0.jpg": IMAGES[0], "0.cls": b"0"})
        assert open_split(f"{kind}:{file}", None).encoded[0] == IMAGES[0]
        file.write_bytes(b"junk")
        open_split.cache_clear()
        with pytest.raises(ValueError, match="\udcfa"):
            open_split(f"{kind}:{file}", None)


@pytest.mark.parametrize("kind", ["FIFO", "socket"])
def test_what_is_no_file_is_refused_and_never_waited_for(tmp_path: Path, kind: str) -> None:
    def make(place: Path) -> None:
        if kind == "FIFO":
            os.mkfifo(place)
        else:
            with socket.socket(socket.AF_UNIX) as server:
                os.chdir(place.parent)  # names of sockets are short
                server.bind(place.name)

    folder(tmp_path / "set")
    write_list(tmp_path / "list", IMAGES, LABELS)
    (tmp_path / "list" / "images" / "photo 3.png").unlink()
    (tmp_path / "shards").mkdir()
    for place in ("set/a/x.png", "list/images/photo 3.png", "shards/x.parquet", "shards/x.tar", "set2/classes.txt"):
        folder(tmp_path / "set2")
        make(tmp_path / place)
    for uri in (
        "imagefolder:set", "imagefolder:set2", "list:list/train.txt", "parquet:shards", "parquet:shards/x.parquet",
        "parquet:shards/*.parquet", "webdataset:shards", "webdataset:shards/{x,y}.tar", "list:shards/x.tar",
    ):  # fmt: skip
        scheme, _, path = uri.partition(":")
        with pytest.raises(ValueError, match=f"is a {kind}, where a file is needed") as caught:
            open_split(f"{scheme}:{tmp_path}/{path}", None)
        assert "\n" not in str(caught.value)


def test_a_sparse_image_of_forty_gigabytes_is_refused(tmp_path: Path) -> None:
    uri = folder(tmp_path / "set")
    with (tmp_path / "set" / "a" / "1.png").open("wb") as file:
        file.truncate(40 << 30)
    images = open_split(uri, None)
    with pytest.raises(ValueError, match=r"a/1\.png has 42,949,672,960 bytes, where 1,073,741,824 are the most"):
        images.decode(1)
    with pytest.raises(ValueError, match=r"data set x: .*a/1\.png has 42,949,672,960 bytes"):
        resolve(Dataset("x", uri))
    with (tmp_path / "list.txt").open("wb") as file:
        file.truncate(40 << 30)
    with pytest.raises(ValueError, match=r"list\.txt has 42,949,672,960 bytes"):
        open_split(f"{uri}?only={tmp_path}/list.txt", None)


def test_a_column_that_is_there_twice(tmp_path: Path) -> None:
    for names in (["image", "label", "label"], ["image", "image", "label"]):
        columns = {"image": pa.array(IMAGES, pa.binary()), "label": pa.array(LABELS)}
        pq.write_table(pa.Table.from_arrays([columns[name] for name in names], names), tmp_path / "x.parquet")
        twice = names[1]
        with pytest.raises(ValueError, match=rf"x\.parquet has the column '{twice}' 2 times"):
            open_split(f"parquet:{tmp_path}/x.parquet", None)


def test_paths_of_parquet_that_are_not_utf8(tmp_path: Path) -> None:
    uri = write_parquet(tmp_path / "x.parquet", IMAGES, LABELS, ["a", "b"])
    content = (tmp_path / "x.parquet").read_bytes()
    table = pq.read_table(pa.BufferReader(content))
    names = pa.array([b"caf\xe9.png", *(b"%d.png" % i for i in range(1, 6))])
    image = pa.StructArray.from_arrays([table["image"].combine_chunks().field("bytes"), names], ["bytes", "path"])
    pq.write_table(table.set_column(0, "image", image), tmp_path / "x.parquet")
    assert open_split(uri, None).name(0) == "caf\udce9.png"


def test_resolving_says_what_is_not_used_once(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    uri = folder(tmp_path / "set")
    put(tmp_path / "set" / "a" / "\x1b[31mnotes.txt")
    for name in ("x", "y"):
        resolve(Dataset(name, uri))
    assert capfd.readouterr().err.count("note: ") == 1
    resolve(Dataset("z", uri.replace("set", "./set")))
    assert "(a/\\x1b[31mnotes.txt)" in note(uri)


def test_a_row_of_shards_too_long_is_not_written_out(tmp_path: Path) -> None:
    code = f"""
import resource
resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
from scaling.data.sources.webdataset import expand
for path in ("{tmp_path}/{{0..9999999999}}.tar", "{tmp_path}/{{0..9999}}/{{0..9999}}.tar"):
    try:
        expand(path)
    except ValueError as error:
        print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    first, second = done.stdout.splitlines()
    assert first == "{0..9999999999} stands for 10,000,000,000 shards, more than 1,000,000: check its numbers"
    assert second.endswith("stands for 100,000,000 shards, more than 1,000,000: check its numbers")

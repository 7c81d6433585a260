"""Tar shards: webdataset's naming, reading in place, and what is refused."""

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from scaling.data.sources import webdataset
from scaling.data.sources.disk_cache import Arrays
from scaling.data.sources.filesystem import File
from scaling.data.sources.labels import MultiLabels
from scaling.data.sources.read import open_split
from scaling.data.sources.webdataset import expand
from scaling.data.uris import WebDataset
from tests.helpers.images import pictures, plain_labels, write_shards, write_tar

IMAGES = pictures(6)
LABELS = np.array([1, 0, 1, 2, 1, 1])


def test_braces() -> None:
    assert expand("/a/{08..11}.tar") == ["/a/08.tar", "/a/09.tar", "/a/10.tar", "/a/11.tar"]
    assert expand("/{x,y}/{0..1}.tar") == ["/x/0.tar", "/x/1.tar", "/y/0.tar", "/y/1.tar"]
    assert expand("/a/b.tar") == ["/a/b.tar"]
    with pytest.raises(ValueError, match=r"shards \{3\.\.1\} must rise"):
        expand("/a/{3..1}.tar")


def test_files_directories_and_globs(tmp_path: Path) -> None:
    write_shards(tmp_path, IMAGES, LABELS, 3)
    for place in (tmp_path, f"{tmp_path}/train-*.tar", f"{tmp_path}/train-{{00..02}}.tar"):
        assert np.array_equal(plain_labels(open_split(f"webdataset:{place}", None)), LABELS)
    assert len(open_split(f"webdataset:{tmp_path}/train-01.tar", None)) == 2


def test_samples_by_the_first_dot(tmp_path: Path) -> None:
    long = "d" * 120 + "/" + "n" * 120
    members = {
        "./a/1.jpg": IMAGES[0],
        "./a/1.seg.png": b"no image of ours",
        "./a/1.cls": b"2\n",
        "README": b"no sample",
        f"{long}.txt": b"a caption",
        f"{long}.json": b'{"label": 1, "fine": [4, 0]}',
        f"{long}.png": IMAGES[1],
    }
    write_tar(tmp_path / "x.tar", members)
    images = open_split(f"webdataset:{tmp_path}/x.tar", None)
    assert plain_labels(images).tolist() == [2, 1]
    assert [images.encoded[0], images.encoded[1]] == IMAGES[:2]
    assert [images.name(0), images.name(1)] == ["x.tar/a/1.jpg", f"x.tar/{long}.png"]
    with pytest.raises(ValueError, match=r"sample a/1 of .* has no label: .* 'fine'"):
        open_split(f"webdataset:{tmp_path}/x.tar?label=fine", None)
    write_tar(tmp_path / "y.tar", {name: data for name, data in members.items() if name.startswith(long)})
    labels = open_split(f"webdataset:{tmp_path}/y.tar?label=fine", None).labels
    assert isinstance(labels, MultiLabels)
    assert labels[np.array([0])].tolist() == [[1, 0, 0, 0, 1]]


def named(*endings: str) -> dict[str, bytes]:
    """Members `photo.ENDING`: images, and labels that tell them apart."""
    kinds = {"png": IMAGES[1], "jpg": IMAGES[0], "json": b'{"label": 7}', "txt": b"a caption"}
    return {f"photo.{e}": kinds.get(e.rpartition(".")[2].lower(), str(i).encode()) for i, e in enumerate(endings)}


@pytest.mark.parametrize(
    ("endings", "labels", "note"),
    [
        (["v2_1.png", "v2_1.cls", "v2_2.png", "v2_2.cls"], [1, 3], ""),
        (["v2_1.png", "v2_2.png", "v2_1.cls", "v2_2.cls"], [2, 3], ""),
        (["1.0.jpg", "1.0.json", "1.5.JPG", "1.5.json"], [7, 7], ""),
        (["png", "cls", "v2.png", "v2.cls"], [1, 3], ""),
        (["cls", "seg.png", "png"], [0], "1 further member of a sample (photo.seg.png)"),
        (
            ["png", "cls", "meta.json", "thumb.jpg"],
            [1],
            "2 further members of samples (photo.meta.json, photo.thumb.jpg)",
        ),
        (["png", "cls", "small.png", "small.json"], [1], "2 further members of samples"),
        (["v1.png", "v1.cls", "txt", "v1.txt"], [1], "2 further members of samples (photo.txt, photo.v1.txt)"),
    ],
)
def test_names_with_more_dots(tmp_path: Path, endings: list[str], labels: list[int], note: str) -> None:
    write_tar(tmp_path / "x.tar", named(*endings) | {"readme.v1.txt": b"", "z.png": IMAGES[3], "z.cls": b"9"})
    images = open_split(f"webdataset:{tmp_path}/x.tar", None)
    assert plain_labels(images).tolist() == [*labels, 9]
    (line,) = images.notes
    assert note in line
    assert "1 member that is no part of a sample (readme.v1.txt)" in line
    assert [images.encoded[i] in IMAGES for i in range(len(images))] == [True] * len(images)


@pytest.mark.parametrize(
    ("endings", "message"),
    [
        (["v2_1.png"], r"sample photo\.v2_1 of .*x\.tar has no label: it needs a \.cls"),
        (["v2_1.png", "v2_1.cls", "v2_2.png"], r"sample photo\.v2_2 of .* has no label"),
        (["v2_1.png", "v2_1.cls", "v2_2.cls"], r"sample photo\.v2_2 of .* has no image, only v2_2\.cls: .*\?image="),
        (["v2_1.png", "v2_2.cls"], r"sample photo\.v2_2 of .* has no image, only v2_1\.png, v2_2\.cls"),
        (["v2_1.png", "cls"], r"sample photo of .* has no image, only v2_1\.png, cls: name its extension"),
        (["v2.1.png", "v2.1.cls", "v2.2.PNG"], r"sample photo\.v2\.2 of .* has no label"),
    ],
)
def test_half_samples_with_more_dots(tmp_path: Path, endings: list[str], message: str) -> None:
    write_tar(tmp_path / "x.tar", named(*endings) | {"z.png": IMAGES[3], "z.cls": b"9"})
    with pytest.raises(ValueError, match=message) as caught:
        open_split(f"webdataset:{tmp_path}/x.tar", None)
    assert "\n" not in str(caught.value)


def test_an_image_that_the_uri_names(tmp_path: Path) -> None:
    write_tar(tmp_path / "x.tar", named("png", "seg.png", "cls"))
    images = open_split(f"webdataset:{tmp_path}/x.tar?image=seg.png", None)
    assert images.name(0) == "x.tar/photo.seg.png"
    assert images.notes[0].endswith("not used: 1 further member of a sample (photo.png)")


@pytest.mark.parametrize("text", [b"\xef\xbb\xbf2\r\n", b"2\r", " 2 ".encode("utf-16"), b"2"])
def test_labels_with_a_mark_and_other_line_ends(tmp_path: Path, text: bytes) -> None:
    write_tar(tmp_path / "x.tar", {"0.png": IMAGES[1], "0.cls": text})
    assert plain_labels(open_split(f"webdataset:{tmp_path}/x.tar", None)).tolist() == [2]
    write_tar(tmp_path / "y.tar", {"0.png": IMAGES[1], "0.json": b'\xef\xbb\xbf{"label": 2}\r\n'})
    assert plain_labels(open_split(f"webdataset:{tmp_path}/y.tar", None)).tolist() == [2]


def test_notes_of_a_shard_that_was_scanned_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(webdataset, "CACHED_BYTES", 0)
    for name in ("a", "b"):
        write_tar(tmp_path / "set" / f"{name}.tar", {"0.png": IMAGES[1], "0.cls": b"1", f"{name}\udcff": b""})
    splits = [webdataset.read(WebDataset(str(tmp_path / "set"))) for _ in range(2)]
    assert splits[0].notes == splits[1].notes
    assert "2 members that are no part of samples (a\\xff, b\\xff)" in splits[0].notes[0]


def link(kind: bytes, name: str = "0.jpg") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, "/etc/passwd"
    return info


@pytest.mark.parametrize(
    ("info", "message"),
    [
        (tarfile.TarInfo("../0.jpg"), r"has the member '\.\./0\.jpg', whose path leaves the shard"),
        (tarfile.TarInfo("a/../../0.jpg"), r"has the member 'a/\.\./\.\./0\.jpg', whose path leaves the shard"),
        (tarfile.TarInfo("/etc/0.jpg"), "has the member '/etc/0.jpg', whose path leaves the shard"),
        (link(tarfile.SYMTYPE), "has the member '0.jpg', which is not a plain file"),
        (link(tarfile.LNKTYPE), "has the member '0.jpg', which is not a plain file"),
        (link(tarfile.CHRTYPE), "has the member '0.jpg', which is not a plain file"),
        (link(tarfile.FIFOTYPE), "has the member '0.jpg', which is not a plain file"),
    ],
)
def test_members_that_are_refused(tmp_path: Path, info: tarfile.TarInfo, message: str) -> None:
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        tar.addfile(info, io.BytesIO())
    with pytest.raises(ValueError, match=message) as caught:
        open_split(f"webdataset:{tmp_path}/x.tar", None)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"0.jpg": IMAGES[0]}, "sample 0 of .*x.tar has no label"),
        ({"0.cls": b"1"}, "sample 0 of .*x.tar has no image, only cls"),
        ({"0.jpg": IMAGES[0], "0.cls": b"cat"}, r"labels of .* in \.cls must be integers, got 'cat'"),
        ({"0.jpg": IMAGES[0], "0.cls": b""}, "must be integers, got"),
        ({"0.jpg": IMAGES[0], "0.cls": b"-1"}, "must be integers, got"),
        ({"0.jpg": IMAGES[0], "0.json": b'{"label": 1.5}'}, "must be integers, got"),
        ({"0.jpg": IMAGES[0], "0.json": b'{"name": 1}'}, "must be integers, got"),
        ({"0.jpg": IMAGES[0], "0.json": b"{"}, "must be integers, got"),
        ({"0.jpg": IMAGES[0], "0.png": IMAGES[1], "0.cls": b"1"}, r"several images, jpg and png: .*\?image=EXTENSION"),
        ({"README": b""}, "no images in"),
    ],
)
def test_samples_that_lack_a_part(tmp_path: Path, members: dict[str, bytes], message: str) -> None:
    write_tar(tmp_path / "x.tar", members)
    with pytest.raises(ValueError, match=message) as caught:
        open_split(f"webdataset:{tmp_path}/x.tar", None)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("cut", "message"),
    [
        (lambda data: data[:700], "is cut short in its member '0000.jpg'"),
        # within a header, and without the end
        (lambda data: data[: data.rindex(b"ustar") - 100], "is cut short or broken at byte"),
        (lambda data: data.rstrip(b"\0"), "broken or not an uncompressed tar file: unexpected end of data"),
        (lambda data: data.replace(b"0001.cls", b"junk.cls", 1), "cut short or broken"),
        (lambda data: b"", "is broken or not an uncompressed tar file: empty file"),
        (lambda data: b"\x1f\x8b" + data[2:], "is broken or not an uncompressed tar file"),
    ],
)
def test_broken_shards(tmp_path: Path, cut: Callable[[bytes], bytes], message: str) -> None:
    uri = write_shards(tmp_path, IMAGES, LABELS, 1)
    file = tmp_path / "train-00.tar"
    file.write_bytes(cut(file.read_bytes()))
    with pytest.raises(ValueError, match=message) as caught:
        open_split(uri, None)
    assert "\n" not in str(caught.value)


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    write_shards(tmp_path, IMAGES, LABELS, 3)
    (tmp_path / "train-01.tar").unlink()
    with pytest.raises(ValueError, match=r"no tar shard at .*train-01\.tar"):
        open_split(f"webdataset:{tmp_path}/train-{{00..02}}.tar", None)


def test_shards_of_the_library_are_read(tmp_path: Path) -> None:
    webdataset = pytest.importorskip("webdataset")
    with webdataset.TarWriter(str(tmp_path / "x.tar")) as writer:
        for i, (image, label) in enumerate(zip(IMAGES, LABELS, strict=True)):
            kind = "jpg" if i % 2 == 0 else "png"
            writer.write({"__key__": f"part/{i:03d}", f"{kind}": image, "cls": int(label)})
    images = open_split(f"webdataset:{tmp_path}/x.tar", None)
    assert np.array_equal(plain_labels(images), LABELS)
    assert [images.encoded[i] for i in range(6)] == IMAGES


def test_a_large_shard_is_scanned_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By all processes of a machine, until it changes."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(webdataset, "CACHED_BYTES", 0)
    scans: list[str] = []
    scan = webdataset._scan

    def counted(file: File, source: WebDataset) -> Arrays:
        scans.append(file.name)
        return scan(file, source)

    monkeypatch.setattr(webdataset, "_scan", counted)
    source = WebDataset(str(tmp_path / "a.tar"))
    for count in (3, 4):
        write_tar(tmp_path / "a.tar", {f"{i}.{kind}": data for i in range(count) for kind, data in sample(i)})
        first, second = webdataset.read(source), webdataset.read(source)
        for split in (first, second):
            assert isinstance(split.labels, np.ndarray)
            assert split.labels.tolist() == LABELS[:count].tolist()
        assert [first.encoded[i] for i in range(count)] == [second.encoded[i] for i in range(count)] == IMAGES[:count]
        assert len(scans) == count - 2
    with pytest.raises(ValueError, match="has no image"):
        webdataset.read(WebDataset(str(tmp_path / "a.tar"), image="png"))  # another reading of it


def sample(i: int) -> list[tuple[str, bytes]]:
    return [("jpg", IMAGES[i]), ("cls", str(LABELS[i]).encode())]

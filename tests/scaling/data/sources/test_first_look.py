"""What is seen when a study is read: files that hold no image, and photographs that a camera has turned."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scaling.data.resolve import resolve
from scaling.data.sources.metadata import orientation
from scaling.data.sources.read import split_facts
from scaling.data.uris import parse_uri
from scaling.specs.pretraining import Dataset
from tests.helpers.images import pictures, write_folder, write_list, write_parquet, write_shards

COUNT = 200  # more than a fingerprint looks at
IMAGES = pictures(COUNT)
LABELS = np.arange(COUNT) % 2
PHOTO = Image.open(io.BytesIO(IMAGES[0])).convert("RGB")


def photo(turn: int, kind: str = "JPEG") -> bytes:
    """A photograph that is marked as turned."""
    exif, sink = Image.Exif(), io.BytesIO()
    exif[0x010E], exif[0x0112] = "a description", turn
    PHOTO.save(sink, kind, exif=exif)
    return sink.getvalue()


@pytest.mark.parametrize("data", [b"", b"<html>not found</html>", b"\0" * 100], ids=["empty", "html", "zeros"])
@pytest.mark.parametrize("form", ["imagefolder", "list"])
def test_a_file_without_an_image_is_named_when_the_study_is_read(
    tmp_path: Path, data: bytes, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    uri = (
        write_folder(tmp_path, IMAGES, LABELS, ["a", "b"])
        if form == "imagefolder"
        else write_list(tmp_path, IMAGES, LABELS)
    )
    bad = tmp_path / ("b/101.png" if form == "imagefolder" else "images/photo 101.png")
    bad.write_bytes(data)
    what = "it is empty" if not data else f"its {len(data)} bytes are no image of a known format"
    with pytest.raises(ValueError, match=rf"data set x: {bad} cannot be decoded: {what}: .*corrupt='skip'") as caught:
        resolve(Dataset("x", uri))
    assert "\n" not in str(caught.value)
    assert resolve(Dataset("x", uri, corrupt="skip")).num_train == COUNT  # it is counted, as ever
    assert capsys.readouterr().err == f"note: data set x: {bad} cannot be decoded: {what}\n"
    lists = tmp_path / "bad.txt"
    lists.write_text(bad.relative_to(tmp_path).as_posix())
    assert resolve(Dataset("x", f"{uri}?without={lists}")).num_train == COUNT - 1


def test_other_forms_are_looked_at_where_the_fingerprint_looks(tmp_path: Path) -> None:
    images = [b"", *IMAGES[1:]]
    for uri in (
        write_parquet(tmp_path / "x.parquet", images, LABELS, ["a", "b"]),
        write_shards(tmp_path / "shards", images, LABELS, 2),
    ):
        with pytest.raises(ValueError, match="cannot be decoded: it is empty"):
            resolve(Dataset("x", uri))
        resolve(Dataset("x", uri, corrupt="skip"))


def test_turned_photographs_are_said(tmp_path: Path) -> None:
    data = [photo(6), *IMAGES[1:-1], photo(1)]
    uri = write_folder(tmp_path, data, LABELS, ["a", "b"])
    (note,) = split_facts(parse_uri(uri)).notes
    assert (
        note
        == f"{uri}: 1 of 64 images that were looked at are marked as turned (EXIF): pixels are taken as they are stored"
    )


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("turn", range(1, 9))
def test_the_orientation_is_read_from_every_form(turn: int, kind: str) -> None:
    assert orientation(photo(turn, kind)) == turn


def test_what_is_no_orientation() -> None:
    whole = photo(6)
    place = whole.index(b"Exif")
    for data in (b"", IMAGES[0], whole[: place + 20], whole[: place + 12], b"Exif\0\0II*\0\xff\xff\xff\xff"):
        assert orientation(data) == 1
    assert orientation(photo(9)) == 1

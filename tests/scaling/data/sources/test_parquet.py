"""Each Parquet file of a split has a schema of its own: class names, kinds of columns."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scaling.data.sources.labels import MultiLabels
from scaling.data.sources.read import open_split
from tests.helpers.images import pictures, plain_labels, write_parquet

IMAGES = pictures(8)
LABELS = np.arange(8) % 2


def write(path: Path, images: Any, labels: Any, feature: Any = None) -> None:
    table = pa.table({"image": images, "label": labels})
    if feature is not None:
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": {"label": feature}}})})
    pq.write_table(table, path)


def names_of(uri: str) -> list[str]:
    images = open_split(uri, None)
    assert images.classes is not None
    return [images.classes[label] for label in plain_labels(images)]


def test_files_with_class_names_in_another_order_are_joined_by_name(tmp_path: Path) -> None:
    write_parquet(tmp_path / "a.parquet", IMAGES[:4], LABELS[:4], ["cat", "dog"])
    write_parquet(tmp_path / "b.parquet", IMAGES[4:], 1 - LABELS[4:], ["dog", "cat"])
    assert names_of(f"parquet:{tmp_path}") == ["cat", "dog"] * 4
    assert open_split(f"parquet:{tmp_path}", None).classes == ["cat", "dog"]


def test_a_file_may_know_more_classes_than_the_first(tmp_path: Path) -> None:
    write_parquet(tmp_path / "a.parquet", IMAGES[:4], LABELS[:4], ["cat", "dog"])
    write_parquet(tmp_path / "b.parquet", IMAGES[4:], np.array([0, 1, 2, 2]), ["ant", "cat", "dog"])
    assert names_of(f"parquet:{tmp_path}") == ["cat", "dog", "cat", "dog", "ant", "cat", "dog", "dog"]
    write_parquet(tmp_path / "c.parquet", IMAGES[:1], np.array([1]), [])  # without names: by number
    assert names_of(f"parquet:{tmp_path}/[ac].parquet")[-1] == "dog"


def test_classes_that_other_files_lack_are_refused_with_the_file(tmp_path: Path) -> None:
    write_parquet(tmp_path / "a.parquet", IMAGES[:4], LABELS[:4], ["cat", "dog"])
    write_parquet(tmp_path / "b.parquet", IMAGES[4:], LABELS[4:], ["dog", "wolf"])
    with pytest.raises(ValueError, match=r"the classes of .*/b\.parquet, 'wolf' are not among the 2 .*: 'cat', 'dog'"):
        open_split(f"parquet:{tmp_path}", None)


def test_lists_of_labels_have_names_too(tmp_path: Path) -> None:
    labels = pa.array([[0], [0, 1]], pa.list_(pa.int64()))
    new = {"_type": "List", "feature": {"_type": "ClassLabel", "names": ["b", "a"]}}
    write(tmp_path / "a.parquet", IMAGES[:2], labels, [{"_type": "ClassLabel", "names": ["a", "b"]}])  # the old form
    write(tmp_path / "b.parquet", IMAGES[2:4], labels, new)
    images = open_split(f"parquet:{tmp_path}", None)
    assert images.classes == ["a", "b"]
    assert isinstance(images.labels, MultiLabels)
    assert images.labels[np.arange(4)].tolist() == [[1, 0], [1, 1], [0, 1], [1, 1]]


def test_images_may_be_structs_in_one_file_and_plain_in_another(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", [{"bytes": data, "path": f"{i}.png"} for i, data in enumerate(IMAGES[:3])], [0, 1, 0])
    write(tmp_path / "b.parquet", pa.array(IMAGES[3:5], pa.binary()), [1, 0])
    write(tmp_path / "c.parquet", pa.array(IMAGES[5:], pa.large_binary()), [1, 0, 1])
    images = open_split(f"parquet:{tmp_path}", None)
    assert [images.encoded[i] for i in range(8)] == IMAGES
    assert [images.name(i) for i in (0, 7)] == ["0", "7"]  # not all have paths
    assert images.where(7).endswith("row 2 of " + str(tmp_path / "c.parquet"))


def test_columns_of_another_kind_are_refused_with_the_file(tmp_path: Path) -> None:
    for name, images, labels, message in [
        ("text", ["x.png"], [0], r"'image' of .*/b\.parquet must be binary"),
        ("names", IMAGES[:1], ["cat"], r"'label' of .*/b\.parquet must hold integers, is string"),
        ("huge", IMAGES[:1], pa.array([2**64 - 1], pa.uint64()), r"'label' of .*/b\.parquet must hold class numbers"),
    ]:
        folder = tmp_path / name
        write_parquet(folder / "a.parquet", IMAGES[:4], LABELS[:4], ["cat", "dog"])
        write(folder / "b.parquet", images, labels)
        with pytest.raises(ValueError, match=message) as caught:
            open_split(f"parquet:{folder}", None)
        assert "\n" not in str(caught.value)
    twice = pa.Table.from_arrays([pa.array(IMAGES[:1]), pa.array([0]), pa.array([1])], ["image", "label", "label"])
    pq.write_table(twice, tmp_path / "twice.parquet")
    with pytest.raises(ValueError, match=r"twice\.parquet has the column 'label' 2 times"):
        open_split(f"parquet:{tmp_path}/twice.parquet", None)

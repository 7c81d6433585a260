"""Several labels an image: from every form to the loss and the accuracy."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from scaling.data.sources.images import Images
from scaling.data.sources.labels import MultiLabels, multi_labels, ragged, select, single_labels
from scaling.data.sources.read import open_split
from scaling.runs.fewshot import probe
from scaling.specs.pretraining import Dataset, FewShot, Pretrain, Scratch
from scaling.specs.study import Probe
from scaling.store.storage import Storage
from scaling.training.devices import local_device
from scaling.training.evaluation import accuracy
from tests.helpers.images import pictures, write_tar


def labels_of(lists: list[list[int]]) -> MultiLabels:
    counts = np.array([len(some) for some in lists], np.int64)
    return multi_labels(np.array([label for some in lists for label in some], np.int64), counts, None)


@given(st.lists(st.lists(st.integers(0, 6), max_size=4), min_size=1, max_size=20), st.data())
def test_rows_are_multi_hot(lists: list[list[int]], data: st.DataObject) -> None:
    labels = labels_of(lists)
    index = np.array(data.draw(st.lists(st.integers(0, len(lists) - 1), max_size=9)), np.int64)
    expected = np.zeros((len(index), labels.num_classes), np.float32)
    for row, i in enumerate(index):
        expected[row, lists[i]] = 1
    assert np.array_equal(labels[index], expected)
    assert np.array_equal(labels.take(index)[np.arange(len(index))], expected)
    assert len(labels) == len(lists)


def test_one_label_each_is_a_plain_array() -> None:
    values = np.array([3, 1])
    assert ragged(values, np.array([1, 1]), None) is values
    assert isinstance(ragged(values, np.array([2, 0]), None), MultiLabels)
    assert multi_labels(values, np.array([1, 1]), ["a"] * 7).num_classes == 7
    chosen = select(np.arange(9), range(2, 4))
    assert isinstance(chosen, np.ndarray)
    assert chosen.tolist() == [2, 3]
    with pytest.raises(ValueError, match="ridge needs one label per image"):
        single_labels(labels_of([[1, 2]]), "ridge")


def test_lists_in_parquet_and_numbers_in_shards(tmp_path: Path) -> None:
    images, lists = pictures(4), [[0, 3], [1], [], [2, 0, 1]]
    table = pa.table({"image": pa.array(images, pa.binary()), "label": pa.array(lists, pa.list_(pa.int32()))})
    pq.write_table(table, tmp_path / "x.parquet", row_group_size=3)
    members: dict[str, bytes] = {}
    for i, (image, some) in enumerate(zip(images, lists, strict=True)):
        members |= {f"{i}.png": image, f"{i}.json": f'{{"label": {some}}}'.encode()}
    write_tar(tmp_path / "x.tar", members)
    for uri in (f"parquet:{tmp_path}/x.parquet", f"webdataset:{tmp_path}/x.tar"):
        labels = open_split(uri, None).labels
        assert labels[np.arange(4)].tolist() == [[1, 0, 0, 1], [0, 1, 0, 0], [0, 0, 0, 0], [1, 1, 1, 0]]
        part = open_split(f"{uri}?part=2:", None).labels
        assert isinstance(part, MultiLabels)
        assert part[np.arange(2)].tolist() == [[0, 0, 0, 0], [1, 1, 1, 0]]


@pytest.mark.parametrize("lists", [[[0], None], [[0], [None]], [[0], [-1]]])
def test_lists_without_labels(tmp_path: Path, lists: list[list[int | None] | None]) -> None:
    table = pa.table({"image": pa.array(pictures(2), pa.binary()), "label": pa.array(lists, pa.list_(pa.int64()))})
    pq.write_table(table, tmp_path / "x.parquet")
    with pytest.raises(ValueError, match="images without a label"):
        open_split(f"parquet:{tmp_path}/x.parquet", None)


class Says(torch.nn.Module):
    """Predicts class 1, whatever it sees."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.tensor([0.0, 2.0, 0.0, 0.0]).expand(len(x), 4)


def test_any_of_its_classes_is_right(tmp_path: Path) -> None:
    images = [*pictures(4)]
    table = pa.table({"image": pa.array(images, pa.binary()), "label": [[0, 1], [2], [1], [0, 2]]})
    pq.write_table(table, tmp_path / "x.parquet")
    split = open_split(f"parquet:{tmp_path}/x.parquet", None)
    assert split.labels[np.array([0])].shape == (1, 3)  # and the model knows four classes
    top1, loss = accuracy(Says(), split, np.arange(4), 16, local_device())
    assert top1 == 0.5
    rest = np.log(np.exp(2) + 3)
    assert loss == pytest.approx((rest - 1 + rest + rest - 2 + rest) / 4, rel=1e-6)
    plain = Images(np.array([1, 2, 1, 0]), None, split.encoded)
    assert accuracy(Says(), plain, np.arange(4), 16, local_device())[0] == 0.5


def test_few_shot_evaluation_refuses(tmp_path: Path, tiny_run: Pretrain, storage: Storage) -> None:
    table = pa.table({"image": pa.array(pictures(2), pa.binary()), "label": [[0, 1], [1]]})
    pq.write_table(table, tmp_path / "x.parquet")
    data = Dataset("x", f"parquet:{tmp_path}/x.parquet", f"parquet:{tmp_path}/x.parquet", num_classes=2)
    what = Probe(Scratch("tiny", tiny_run.model), FewShot(data, resolution=16))
    with pytest.raises(ValueError, match="few-shot evaluation needs one label per image"):
        probe(what, checkpoint=None, storage=storage, study="x", device=local_device())

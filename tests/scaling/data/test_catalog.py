import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from scaling.data import catalog as datasets
from scaling.data.catalog import BUILT_IN, CIFAR10, DIGITS, FASHION, IFS, JFT_300M, PAPER
from scaling.data.resolve import resolve
from scaling.data.sources import encoding
from scaling.data.sources.encoding import png
from scaling.data.sources.read import open_split
from scaling.specs.identity import identity
from scaling.specs.pretraining import Dataset
from tests.helpers.images import plain_labels

PIXELS = np.random.default_rng(0).integers(0, 256, (17, 8, 8, 3), dtype=np.uint8)


def write(path: Path, labels: np.ndarray, classes: list[str], first: int = 0) -> str:
    pixels = PIXELS[first : first + len(labels)]
    path.write_bytes(encoding.encode_parquet([png(p) for p in pixels], labels, classes))
    return f"parquet:{path}"


def test_papers_sets_are_for_planning() -> None:
    assert (JFT_300M.num_classes, JFT_300M.num_train) == (18_291, 303_000_000)
    assert (CIFAR10.num_train, CIFAR10.num_test) == (50_000, 10_000)
    for dataset in PAPER:
        assert resolve(dataset) is dataset
        assert dataset.num_classes
    assert len({dataset.name for dataset in PAPER + BUILT_IN}) == len(PAPER + BUILT_IN)


def test_resolve_reads_what_is_not_given(tmp_path: Path) -> None:
    train = write(tmp_path / "train.parquet", np.arange(12) % 4, ["a", "b", "c", "d", "e"])
    test = write(tmp_path / "test.parquet", np.arange(5) % 3, [], first=12)
    full = resolve(Dataset("mine", train, test))
    assert (full.num_classes, full.num_train, full.num_test) == (5, 12, 5)
    assert full.fingerprint is not None
    assert len(full.fingerprint) == 16
    assert resolve(full) == full
    unnamed = resolve(Dataset("mine", test))
    assert (unnamed.num_classes, unnamed.num_train, unnamed.num_test) == (3, 5, None)
    assert resolve(Dataset("mine", test, num_classes=7)).num_classes == 7


def test_fingerprint_is_of_the_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = resolve(Dataset("x", write(tmp_path / "a.parquet", np.arange(12), [])))
    moved = resolve(Dataset("x", write(tmp_path / "b.parquet", np.arange(12), [])))
    other = resolve(Dataset("x", write(tmp_path / "c.parquet", np.arange(12)[::-1], [])))
    assert identity(first) == identity(moved)
    assert first.fingerprint != other.fingerprint
    monkeypatch.chdir(tmp_path)
    relative = resolve(Dataset("x", "parquet:a.parquet"))
    assert relative == first
    assert relative.train == f"parquet:{tmp_path}/a.parquet"


@pytest.mark.parametrize(
    "dataset", [*BUILT_IN[2:], datasets.ifs(3, 12, 8), datasets.layouts(3, 12)], ids=lambda d: d.name
)
def test_builtin_facts_are_those_of_the_data(dataset: Dataset) -> None:
    full = resolve(dataset)
    for uri, count in ((full.train, full.num_train), (full.test, full.num_test)):
        assert uri is not None
        images = open_split(uri, None)
        assert len(images) == count
        assert np.array_equal(np.unique(plain_labels(images)), np.arange(full.num_classes or 0))


def test_builtin_sets_have_fingerprints_of_their_own() -> None:
    sets = [*BUILT_IN, datasets.ifs(images=100), datasets.ifs(seed=1), datasets.ifs(size=64), datasets.layouts(seed=1)]
    assert len({resolve(dataset).fingerprint for dataset in sets}) == len(sets)
    assert (resolve(IFS).num_train, resolve(IFS).num_test) == (20_000, 2_000)


def test_contradictions_are_named(tmp_path: Path) -> None:
    train = write(tmp_path / "train.parquet", np.arange(12), [])
    for dataset, message in [
        (Dataset("x", train, num_classes=11), "data set x has label 11, but only 11 classes"),
        (Dataset("x", train, num_train=13), "num_train=13, but its files hold 12 images"),
        (
            Dataset("x", train, fingerprint="0" * 16),
            "says fingerprint=0000000000000000, but its files have .*: other data",
        ),
        (Dataset("x", "parquet:/nowhere"), "data set x: no Parquet file at /nowhere: give a file"),
        (Dataset("x", f"{train}?label=cls"), "data set x: no column 'cls'"),
        (Dataset("x", "pictures:/a"), "must be parquet:PATH"),
    ]:
        with pytest.raises(ValueError, match=message) as caught:
            resolve(dataset)
        assert "\n" not in str(caught.value)


def test_a_complete_set_needs_no_data() -> None:
    full = replace(FASHION, train="parquet:s3://bucket/x", test=None, num_classes=3, num_train=4, fingerprint="a")
    assert resolve(full) == full


def test_planning_imports_neither_torch_nor_ray_nor_sklearn() -> None:
    code = (
        "import sys; from scaling.data import resolve; from scaling.data.catalog import BUILT_IN; "
        "[resolve(data) for data in BUILT_IN]; "
        "print({'torch', 'ray', 'sklearn', 'pandas', 'PIL'} & set(sys.modules))"
    )
    root = Path(datasets.__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_digits_are_resolved_without_looking() -> None:
    assert (resolve(DIGITS).num_train, resolve(DIGITS).num_test) == (1000, 797)

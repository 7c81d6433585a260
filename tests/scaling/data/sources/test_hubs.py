"""Sets of torchvision and of the library `datasets`; torchvision's shape is stood in for, since it may not import."""

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image

from scaling.data.sources.decoding import decode
from scaling.data.sources.hubs import Items, _lossless
from scaling.data.sources.labels import MultiLabels
from scaling.data.sources.read import open_split
from tests.helpers.images import pictures, plain_labels, write_parquet

PIXELS = np.random.default_rng(3).integers(0, 256, (5, 8, 8, 3), dtype=np.uint8)


class VisionDataset:
    """As torchvision's: items are (PIL image, int)."""

    def __init__(self, root: str, train: bool = True) -> None:
        if not Path(root).is_dir():
            raise RuntimeError("Dataset not found.\nYou can use download=True to download it")
        self.classes = ["a", "b", "c"]
        self.targets = [2, 0, 1, 1, 0] if train else [1]

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> tuple[Image.Image, int]:
        if index >= len(self):
            raise IndexError(index)
        return Image.fromarray(PIXELS[index]), self.targets[index]


class Photos(VisionDataset):
    """With splits by name, private labels and an odd mode."""

    def __init__(self, root: str, split: str = "train") -> None:
        if split not in ("train", "trainval"):
            raise ValueError(f"Unknown value '{split}' for argument split.")
        super().__init__(root)
        self._labels, self.targets = self.targets, []

    def __len__(self) -> int:
        return 5

    def __getitem__(self, index: int) -> tuple[Image.Image, int]:
        return Image.fromarray(PIXELS[index]).convert("CMYK" if index == 4 else "L"), self._labels[index]


class Boxes(VisionDataset):
    """Without class numbers."""

    def __init__(self, root: str) -> None:
        super().__init__(root)
        self.targets = [0.5] * 5  # type: ignore[list-item]


@pytest.fixture
def torchvision(monkeypatch: pytest.MonkeyPatch) -> None:
    package: Any = ModuleType("torchvision")
    sets = ModuleType("torchvision.datasets")
    for kind in (VisionDataset, Photos, Boxes):
        setattr(sets, kind.__name__, kind)
    package.datasets = sets
    monkeypatch.setitem(sys.modules, "torchvision", package)
    monkeypatch.setitem(sys.modules, "torchvision.datasets", sets)


@pytest.mark.usefixtures("torchvision")
def test_torchvision(tmp_path: Path) -> None:
    images = open_split(f"torchvision:VisionDataset?root={tmp_path}", None)
    assert images.classes == ["a", "b", "c"]
    assert plain_labels(images).tolist() == [2, 0, 1, 1, 0]
    assert np.array_equal(images.pixels(np.arange(5)), PIXELS)
    assert images.name(3) == "3"
    assert len(open_split(f"torchvision:VisionDataset?root={tmp_path}&split=test", None)) == 1
    photos = open_split(f"torchvision:Photos?root={tmp_path}&split=trainval", None)
    assert plain_labels(photos).tolist() == [2, 0, 1, 1, 0]
    grey = np.asarray(Image.fromarray(PIXELS[1]).convert("L"))
    assert np.array_equal(photos.decode(1), np.repeat(grey[..., None], 3, axis=2))
    assert photos.decode(4).shape == (8, 8, 3)


@pytest.mark.usefixtures("torchvision")
def test_wrong_torchvision_uris_say_why(tmp_path: Path) -> None:
    for uri, message in [
        ("torchvision:MNITS?root=/x", "torchvision.datasets has no 'MNITS'"),
        ("torchvision:VisionDataset", r"lacks the directory of the data: give torchvision:NAME\?root=DIR"),
        ("torchvision:VisionDataset?root=/no", "cannot be opened: Dataset not found. You can use download=True"),
        (f"torchvision:VisionDataset?root={tmp_path}&split=val", "split must be train or test, got 'val'"),
        (f"torchvision:Photos?root={tmp_path}&split=val", "Unknown value 'val'"),
        (f"torchvision:Boxes?root={tmp_path}&split=val", "Boxes has no splits: leave out split=val"),
        (f"torchvision:Boxes?root={tmp_path}", "labels of Boxes must be class numbers"),
    ]:
        with pytest.raises(ValueError, match=message) as caught:
            open_split(uri, None)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", [">u2", np.int32, np.float32])
def test_pixels_of_other_kinds_are_taken_or_refused(kind: Any) -> None:
    grey = np.arange(64, dtype=np.uint16).reshape(8, 8) * 1000
    image = (
        Image.frombytes("I;16B", (8, 8), grey.astype(">u2").tobytes())
        if kind == ">u2"
        else Image.fromarray(grey.astype(kind))
    )
    items = Items("torchvision:X", [(image, 0)], _lossless, "x")
    if kind == ">u2":
        assert np.array_equal(decode(items[0] or b"")[..., 0], grey >> 8)
    else:
        with pytest.raises(ValueError, match=r"item 0 of torchvision:X.*of no fixed range"):
            items[0]


@pytest.mark.parametrize(
    ("module", "uri"), [("torchvision", "torchvision:MNIST?root=/x"), ("datasets", "hf:mnist?split=test")]
)
def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch, module: str, uri: str) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ValueError, match=rf"needs (the library )?{module}"):
        open_split(uri, None)


@pytest.mark.filterwarnings("ignore")
def test_hugging_face(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("datasets")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    images, labels = pictures(6), np.array([0, 2, 1, 1, 0, 2])
    for split in ("train", "test"):
        write_parquet(tmp_path / "set" / f"{split}.parquet", images, labels, ["a", "b", "c"])
    found = open_split(f"hf:{tmp_path}/set?split=test[:4]", None)
    assert np.array_equal(plain_labels(found), labels[:4])
    assert found.classes == ["a", "b", "c"]
    assert [found.encoded[i] for i in range(4)] == images[:4]
    assert not isinstance(found.labels, MultiLabels)
    for uri, message in [
        (f"hf:{tmp_path}/set?split=dev", "cannot be loaded"),
        (f"hf:{tmp_path}/set?label=cls", "no column 'cls' in"),
        (f"hf:{tmp_path}/set?image=label", "must hold images"),
    ]:
        with pytest.raises(ValueError, match=message) as caught:
            open_split(uri, None)
        assert "\n" not in str(caught.value)

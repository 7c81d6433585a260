"""Data sets of other libraries, `torchvision` and `datasets`, which are imported when a URI asks for them."""

import inspect
import io
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc

from scaling.checks import read_regular
from scaling.data.sources.filesystem import MOST_BYTES, one_line
from scaling.data.sources.labels import multi_labels
from scaling.data.sources.parquet import IMAGE_NAMES, LABEL_NAMES, label_numbers, whole_numbers
from scaling.data.sources.split import Split
from scaling.data.uris import HuggingFace, Torchvision

PNG_MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")


@dataclass(frozen=True, eq=False)
class Items:
    """The encoded images of an indexable data set, each named by its number."""

    uri: str
    items: Any
    encoded: Callable[[Any], bytes | None]  # from an item to the bytes of its image
    place: str  # which items they are, however the URI says it
    sizes: Callable[[], np.ndarray] | None = None  # bytes of each image, int64 [N]; None: known only by making them

    def __getitem__(self, index: int) -> bytes | None:
        try:
            return self.encoded(self.items[index])
        except (OSError, ValueError) as error:
            raise ValueError(f"cannot read {self.where(index)}: {one_line(error)}") from None

    def name(self, index: int) -> str:
        return str(index)

    def where(self, index: int) -> str:
        return f"item {index} of {self.uri}"

    @property
    def shards(self) -> np.ndarray:
        return np.array([len(self.items)], np.int64)


def read_torchvision(source: Torchvision) -> Split:
    """A split of a torchvision data set, whose items are pairs of a PIL image and a class number.

    Raises ValueError when torchvision cannot be imported, does not know the name, or finds no files.
    """
    try:
        import torchvision.datasets as sets
    except Exception as error:  # torchvision that does not fit torch raises a RuntimeError
        raise ValueError(f"{source} needs torchvision, which cannot be imported: {one_line(error)}") from None
    make: Any = getattr(sets, source.name, None)
    if not (isinstance(make, type) and issubclass(make, sets.VisionDataset)):
        raise ValueError(f"{source}: torchvision.datasets has no {source.name!r}")
    try:
        arguments = _split_argument(make, source)
        items = make(root=source.root, **arguments)
        labels = _item_labels(items, source)
    except (RuntimeError, OSError, ValueError, TypeError) as error:
        raise ValueError(f"{source} cannot be opened: {one_line(error)}") from None
    classes = getattr(items, "classes", None)
    names = [str(name) for name in classes] if isinstance(classes, list) else None
    known = inspect.signature(make).parameters
    said = {name: arguments.get(name, known[name].default) for name in ("split", "train") if name in known}
    place = f"torchvision {source.name} {os.path.realpath(source.root)} {said}"
    return Split(labels, names, Items(str(source), items, _lossless, place))


def _split_argument(make: type, source: Torchvision) -> dict[str, Any]:
    """How the data set's class takes a split: as `split`, as the boolean `train`, or not at all."""
    known = inspect.signature(make).parameters
    if "split" in known:
        return {"split": source.split} if source.split else {}
    if "train" not in known:
        if source.split:
            raise ValueError(f"{source.name} has no splits: leave out split={source.split}")
        return {}
    if source.split not in (None, "train", "test"):
        raise ValueError(f"split must be train or test, got {source.split!r}")
    return {"train": source.split != "test"}


def _item_labels(items: Any, source: Torchvision) -> np.ndarray:
    """Class numbers, from the attributes that most data sets have, or else item by item."""
    for name in ("targets", "labels", "_labels"):
        if len(values := getattr(items, name, ())) == len(items):
            labels = np.asarray(values)
            break
    else:
        labels = np.array([items[i][1] for i in range(len(items))])
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer) or labels.min(initial=0) < 0:
        raise ValueError(f"the labels of {source.name} must be class numbers")
    return labels.astype(np.int64)


def _lossless(item: tuple[Any, int]) -> bytes:
    """An item's PIL image as a PNG that is not compressed: it is decoded again soon."""
    from PIL import Image  # here: planning needs no Pillow

    from scaling.data.sources.decoding import rgb_pixels

    image, out = item[0], io.BytesIO()
    image = image if image.mode in PNG_MODES else Image.fromarray(rgb_pixels(image))
    image.save(out, "PNG", compress_level=0)
    return out.getvalue()


def read_hugging_face(source: HuggingFace) -> Split:
    """A split that `datasets.load_dataset` loads. Raises ValueError when it cannot, or columns are missing."""
    try:
        import datasets
    except ImportError as error:
        raise ValueError(f"{source} needs the library datasets (pip install datasets): {one_line(error)}") from None
    try:
        items = datasets.load_dataset(source.name, source.config, split=source.split or "train")
    except Exception as error:  # `datasets` lets through those of many libraries
        raise ValueError(f"{source} cannot be loaded: {one_line(error)}") from None
    image = _column(source, "image", source.image, IMAGE_NAMES, items.column_names)
    label = _column(source, "label", source.label, LABEL_NAMES, items.column_names)
    if not isinstance(items.features[image], datasets.Image):
        raise ValueError(f"column {image!r} of {source} must hold images, is {items.features[image]}")
    # The label's column alone, since items with an image would decode it.
    column = items.select_columns([label]).with_format("arrow")[:][label].combine_chunks()
    values, counts = label_numbers(column, f"column {label!r} of {source}")
    feature = items.features[label]
    names = getattr(feature, "names", None) or getattr(getattr(feature, "feature", None), "names", None)
    # Not decoded by the library: fingerprints are of the stored bytes, in every form of data.
    images = items.select_columns([image]).cast_column(image, datasets.Image(decode=False))
    labels = values if counts is None else multi_labels(values, counts, names)
    name = os.path.realpath(source.name) if Path(source.name).is_dir() else source.name
    place = f"datasets {name} {source.config} {source.split or 'train'}"
    sizes = partial(_sizes, images, image)
    return Split(labels, names, Items(str(source), images, partial(_stored, image), place, sizes))


def _sizes(items: Any, column: str) -> np.ndarray:
    """The bytes of each image, 0 where they are in a file that the table names."""
    stored = items.with_format("arrow")[:][column].combine_chunks()
    sizes = pc.fill_null(pc.binary_length(pc.struct_field(stored, "bytes")), 0)
    return whole_numbers(sizes)


def _stored(column: str, item: dict[str, Any]) -> bytes | None:
    """The bytes of an image, which are in the table or in a file that it names."""
    data, path = item[column]["bytes"], item[column]["path"]
    return read_regular(path, MOST_BYTES) if data is None and path else data


def _column(source: HuggingFace, option: str, asked: str | None, usual: tuple[str, ...], names: list[str]) -> str:
    """The column that is asked for, or the first of the usual names."""
    matches = [name for name in ((asked,) if asked else usual) if name in names]
    if not matches:
        raise ValueError(
            f"no column {asked or ' or '.join(usual)!r} in {source}: give ?{option}=COLUMN, one of {', '.join(names)}"
        )
    return matches[0]

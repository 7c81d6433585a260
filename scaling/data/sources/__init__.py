"""Reading labelled images of any form, from a URI to decoded pixels.

What decodes loads with its first use: planning reads the facts of splits, and needs no Pillow for them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from scaling.data.sources.encoding import encode_parquet
from scaling.data.sources.filesystem import read_text
from scaling.data.sources.ifs import render_ifs
from scaling.data.sources.labels import Labels, MultiLabels, highest_label, multi_labels, single_labels
from scaling.data.sources.lists import list_text, quoted
from scaling.data.sources.read import open_announced, open_split, split_facts
from scaling.data.sources.split import Facts
from scaling.data.sources.threads import available_cores

if TYPE_CHECKING:
    from scaling.data.sources.decoding import CorruptImageError, decode, decode_reduced, image_size
    from scaling.data.sources.images import SMALL_PIXELS, Images

_DECODING = ("CorruptImageError", "decode", "decode_reduced", "image_size")
_IMAGES = ("SMALL_PIXELS", "Images")

__all__ = [
    "SMALL_PIXELS",
    "CorruptImageError",
    "Facts",
    "Images",
    "Labels",
    "MultiLabels",
    "available_cores",
    "decode",
    "decode_reduced",
    "encode_parquet",
    "highest_label",
    "image_size",
    "list_text",
    "multi_labels",
    "open_announced",
    "open_split",
    "quoted",
    "read_text",
    "render_ifs",
    "single_labels",
    "split_facts",
]


def __getattr__(name: str) -> Any:
    if name in _DECODING:
        return getattr(import_module("scaling.data.sources.decoding"), name)
    if name in _IMAGES:
        return getattr(import_module("scaling.data.sources.images"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

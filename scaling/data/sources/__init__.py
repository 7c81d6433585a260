"""Reading labelled images of any form, from a URI to decoded pixels.

What decodes loads with its first use: planning reads the facts of splits, and needs no Pillow for them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from scaling.data.sources.classes import Names, aligned, are_numbers, class_numbers, listed
from scaling.data.sources.disk_cache import disk_cached
from scaling.data.sources.encoding import encode_parquet
from scaling.data.sources.filesystem import read_text
from scaling.data.sources.ifs import render_ifs
from scaling.data.sources.labels import Labels, MultiLabels, highest_label, multi_labels, single_labels
from scaling.data.sources.lists import list_text, quoted
from scaling.data.sources.overlap import Copies, copies, shared
from scaling.data.sources.read import open_announced, open_beside, open_split, split_facts, survey
from scaling.data.sources.split import Encoded, Facts
from scaling.data.sources.threads import available_cores, in_threads

if TYPE_CHECKING:
    from scaling.data.sources.decoding import CorruptImageError, decode, decode_reduced, image_size
    from scaling.data.sources.images import SMALL_PIXELS, Images

_DECODING = ("CorruptImageError", "decode", "decode_reduced", "image_size")
_IMAGES = ("SMALL_PIXELS", "Images")

__all__ = [
    "SMALL_PIXELS",
    "Copies",
    "CorruptImageError",
    "Encoded",
    "Facts",
    "Images",
    "Labels",
    "MultiLabels",
    "Names",
    "aligned",
    "are_numbers",
    "available_cores",
    "class_numbers",
    "copies",
    "decode",
    "decode_reduced",
    "disk_cached",
    "encode_parquet",
    "highest_label",
    "image_size",
    "in_threads",
    "list_text",
    "listed",
    "multi_labels",
    "open_announced",
    "open_beside",
    "open_split",
    "quoted",
    "read_text",
    "render_ifs",
    "shared",
    "single_labels",
    "split_facts",
    "survey",
]


def __getattr__(name: str) -> Any:
    if name in _DECODING:
        return getattr(import_module("scaling.data.sources.decoding"), name)
    if name in _IMAGES:
        return getattr(import_module("scaling.data.sources.images"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

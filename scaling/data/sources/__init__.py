"""From a URI to labelled images, whatever form they have."""

from scaling.data.sources.builtin import available_cores
from scaling.data.sources.decoding import CorruptImageError, decode, decode_reduced, image_size
from scaling.data.sources.filesystem import read_text
from scaling.data.sources.ifs import render_ifs
from scaling.data.sources.images import SMALL_PIXELS, Images, open_split
from scaling.data.sources.parquet import encode_parquet
from scaling.data.sources.read import split_facts
from scaling.data.sources.split import Facts, Labels, MultiLabels, highest_label, multi_labels, single_labels

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
    "multi_labels",
    "open_split",
    "read_text",
    "render_ifs",
    "single_labels",
    "split_facts",
]

"""Labelled images: the catalogue of data sets, the URIs of their splits, and what is read from the data themselves.

A study is made of these values, so importing them loads no reader: images are read by `scaling.data.sources`, and
turned into batches by `scaling.data.pipeline`.
"""

from scaling.data.catalog import (
    CIFAR10,
    CIFAR100,
    DIGITS,
    FASHION,
    FLOWERS,
    IFS,
    IMAGENET,
    IMAGENET_21K,
    IMAGENET_REAL,
    JFT_300M,
    LAYOUTS,
    OBJECTNET,
    PETS,
    ifs,
    layouts,
)
from scaling.data.resolve import resolve, resolve_study
from scaling.data.uris import ListFile, Selected, built_in, parse_uri

__all__ = [
    "CIFAR10",
    "CIFAR100",
    "DIGITS",
    "FASHION",
    "FLOWERS",
    "IFS",
    "IMAGENET",
    "IMAGENET_21K",
    "IMAGENET_REAL",
    "JFT_300M",
    "LAYOUTS",
    "OBJECTNET",
    "PETS",
    "ListFile",
    "Selected",
    "built_in",
    "ifs",
    "layouts",
    "parse_uri",
    "resolve",
    "resolve_study",
]

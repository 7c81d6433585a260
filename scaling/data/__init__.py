"""Labelled images: the catalogue of data sets, their URIs, and what the data themselves tell."""

from scaling.data.catalog import (
    CIFAR10,
    CIFAR100,
    DIGITS,
    FASHION,
    FLOWERS,
    IMAGENET,
    IMAGENET_21K,
    JFT_300M,
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
    "IMAGENET",
    "IMAGENET_21K",
    "JFT_300M",
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

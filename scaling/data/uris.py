"""The URI of a split, parsed into a value and written back. Text only: nothing is opened here.

parquet:PATH[?image=COLUMN&label=COLUMN]     a file, a directory of *.parquet files or a glob; s3://..., gs://...
imagefolder:DIR                              one directory per class
webdataset:PATH[?image=EXT&label=KEY]        tar shards: a file, a directory, a glob, {0000..0123}
list:FILE[?root=DIR]                         one image per line: a path under DIR and its label
torchvision:NAME?root=DIR[&split=train]      a data set of torchvision, downloaded before
hf:NAME[?config=..&split=train&image=COLUMN&label=COLUMN]    a data set of the library `datasets`, or a directory
ifs:classes=100,images=200,size=32,seed=0,split=train
layouts:classes=8,images=300,size=16,seed=0,split=train
digits:train | digits:test
fashion:train | fashion:test

All of them also take the options `part=START:STOP` (images in order; counts or percentages), `only=FILE` and
`without=FILE` (names of images, one per line).
"""

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote

from scaling.checks import check
from scaling.data.builtin_sets import Digits, Drawn, Ifs, Layouts, drawn_fields, fashion_file

SPLITS = ("train", "test")
SELECTION = ("part", "only", "without")
OPTIONS = {  # that only this scheme has
    "parquet": ("image", "label"),
    "imagefolder": (),
    "webdataset": ("image", "label"),
    "list": ("root",),
    "torchvision": ("root", "split"),
    "hf": ("config", "split", "image", "label"),
    "ifs": (),
    "layouts": (),
    "digits": (),
    "fashion": (),
}
BOUND = re.compile(r"\d*|\d+(\.\d+)?%")


@dataclass(frozen=True)
class Parquet:
    """Encoded images and labels in Parquet files. A column that is None has one of the usual names."""

    path: str
    image: str | None = None
    label: str | None = None

    def __str__(self) -> str:
        return _text("parquet", self.path, image=self.image, label=self.label)


@dataclass(frozen=True)
class ImageFolder:
    """Image files in one directory per class."""

    path: str

    def __str__(self) -> str:
        return _text("imagefolder", self.path)


@dataclass(frozen=True)
class WebDataset:
    """Tar shards. `image` is the extension of the image members, `label` the key in .json members that hold labels."""

    path: str
    image: str | None = None
    label: str | None = None

    def __str__(self) -> str:
        return _text("webdataset", self.path, image=self.image, label=self.label)


@dataclass(frozen=True)
class ListFile:
    """A text file with one image per line: its path under `root` (None: the file's own directory) and its label."""

    path: str
    root: str | None = None

    def __str__(self) -> str:
        return _text("list", self.path, root=self.root)


@dataclass(frozen=True)
class Torchvision:
    """A split of a data set of `torchvision.datasets` that was downloaded into `root`."""

    name: str
    root: str
    split: str | None = None

    def __str__(self) -> str:
        return _text("torchvision", self.name, root=self.root, split=self.split)


@dataclass(frozen=True)
class HuggingFace:
    """A split as the library `datasets` loads it, by name or from a directory."""

    name: str
    config: str | None = None
    split: str | None = None
    image: str | None = None
    label: str | None = None

    def __str__(self) -> str:
        return _text("hf", self.name, config=self.config, split=self.split, image=self.image, label=self.label)


BuiltIn = Drawn | Digits
Source = Parquet | ImageFolder | WebDataset | ListFile | Torchvision | HuggingFace | BuiltIn


@dataclass(frozen=True)
class Selected:
    """Some images of a source, in its order: those in the part, in the list `only` and not in the list `without`."""

    source: Source
    part: str | None = None
    only: str | None = None
    without: str | None = None

    def __post_init__(self) -> None:
        if self.part is not None:
            bounds = self.part.split(":")
            valid = len(bounds) == 2 and all(BOUND.fullmatch(bound) for bound in bounds)
            valid = valid and all(_share(bound) <= 1 for bound in bounds if bound.endswith("%"))
            check(valid, f"part {self.part!r} of {self.source} must be START:STOP, such as :90%, 90%: or 800:1000")

    def __str__(self) -> str:
        text = str(self.source)
        last = text.rpartition("?")[2]  # options, or the end of a path
        separator = "&" if last != text and "=" in last and "/" not in last.partition("=")[0] else "?"
        return text + separator + _query(part=self.part, only=self.only, without=self.without)

    def bounds(self, count: int) -> tuple[int, int]:
        """Start and stop of the part of `count` images. Raises ValueError when it is empty or reaches beyond them."""
        first, last = (self.part or ":").split(":")
        start, stop = _bound(first or "0", count), _bound(last or "100%", count)
        check(stop <= count, f"part {self.part} of {self.source} reaches beyond its {count} images")
        check(start < stop, f"part {self.part} of {self.source} is empty: it has {count} images")
        return start, stop


def _bound(text: str, count: int) -> int:
    return round(_share(text) * count) if text.endswith("%") else int(text)


def _share(text: str) -> float:
    return float(text[:-1]) / 100


def base_source(source: Source | Selected) -> Source:
    """The source itself, without the selection of images."""
    return source.source if isinstance(source, Selected) else source


def built_in(uri: str) -> bool:
    """Whether a URI names a built-in set, which needs no files."""
    return isinstance(base_source(parse_uri(uri)), BuiltIn)


def parse_uri(uri: str) -> Source | Selected:
    """The source that a URI names. Raises ValueError when it names none."""
    scheme, _, rest = uri.partition(":")
    known = "parquet:PATH, ifs:classes=..., layouts:classes=..., digits:SPLIT or fashion:SPLIT, imagefolder:DIR, "
    known += "webdataset:PATH, list:FILE, torchvision:NAME or hf:NAME"
    check(scheme in OPTIONS, f"data URI {uri!r} must be {known}")
    path, options = _options(uri, rest, (*SELECTION, *OPTIONS[scheme]))
    check(bool(path) or scheme in ("ifs", "layouts", "digits", "fashion"), f"data URI {uri!r} must be {known}")
    selection = {name: options.pop(name) for name in SELECTION if name in options}
    source = _source(uri, scheme, path, options)
    return Selected(source, **selection) if selection else source


def _source(uri: str, scheme: str, path: str, options: dict[str, str]) -> Source:
    match scheme:
        case "parquet":
            return Parquet(path, **options)
        case "imagefolder":
            return ImageFolder(path)
        case "webdataset":
            return WebDataset(path, **options)
        case "list":
            return ListFile(path, **options)
        case "torchvision":
            check(
                "root" in options, f"data URI {uri!r} lacks the directory of the data: give torchvision:NAME?root=DIR"
            )
            return Torchvision(path, **options)
        case "hf":
            return HuggingFace(path, **options)
        case "ifs":
            return Ifs(**drawn_fields(uri, path))  # type: ignore[arg-type]
        case "layouts":
            return Layouts(**drawn_fields(uri, path))  # type: ignore[arg-type]
        case "digits":
            return Digits(path)
    return Parquet(fashion_file(path))


def _options(uri: str, rest: str, known: tuple[str, ...]) -> tuple[str, dict[str, str]]:
    """The path, and our options after its last '?'.

    A '?' of a glob, and the options of an object store's driver (`s3://...?endpoint_override=`), stay in the path.
    """
    path, mark, text = rest.rpartition("?")
    if not mark:
        return rest, {}
    items = [item.partition("=") for item in text.split("&")]
    ours = {name: unquote(value) for name, _, value in items if name in known}
    others = [name + equals + value for name, equals, value in items if name not in known]
    for name, equals, value in items:
        foreign = name in known or "://" in path or not name.isidentifier() or not equals or "/" in value
        check(foreign, f"data URI {uri!r} has the option {name!r}, which is none of {', '.join(known)}")
        check(name not in known or bool(value), f"data URI {uri!r} needs a value for the option {name}")
    return path + ("?" + "&".join(others) if others else ""), ours


def _text(scheme: str, path: str, **options: str | None) -> str:
    query = _query(**options)
    separator = "&" if "?" in path and "://" in path else "?"
    return f"{scheme}:{path}" + (separator + query if query else "")


def _query(**options: str | None) -> str:
    return "&".join(f"{name}={_quoted(name, value)}" for name, value in options.items() if value is not None)


def _quoted(name: str, value: str) -> str:
    return value if name == "part" else quote(value, safe="/:,~*[]{}+@")

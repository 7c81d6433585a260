"""Which members of a tar shard are a sample: by webdataset's naming, a base name up to its first dot is the key, and
what follows the ending.

Names with further dots, `photo.v2_1.png` and `photo.v2_1.cls`, are told by the last dot: an image and a label that
share everything before it are a sample of their own. Other members with such endings belong to the sample of the key.
"""

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass

from scaling.data.sources.listing import LeftOut
from scaling.data.sources.magic import IMAGES
from scaling.data.uris import WebDataset
from scaling.store import is_clutter

LABEL_KEY = "label"
SHOWN = 6  # endings of a sample in a message
Parts = dict[str, tarfile.TarInfo]  # members by their endings in small letters


@dataclass(frozen=True)
class Sample:
    """The two members that are used of a sample, and the name of it for messages."""

    name: str
    image: tarfile.TarInfo
    label: tarfile.TarInfo
    json: bool  # whether the label is in a .json member, or in a .cls


def samples(members: Iterator[tarfile.TarInfo], shard: str, source: WebDataset, left: LeftOut) -> Iterator[Sample]:
    """The samples of a shard. Members that are not used are noted in `left`.

    Raises ValueError for half a sample, an image without a label or a label without an image, and for several images.
    """
    for key, group in _groups(members, shard, left):
        yield from _of_group(key, group, shard, source, left)


def plain_name(name: str) -> str:
    return name.removeprefix("./")


def _groups(members: Iterator[tarfile.TarInfo], shard: str, left: LeftOut) -> Iterator[tuple[str, Parts]]:
    """Members that follow one another and share their name up to the first dot of its last part."""
    current, group = "", Parts()
    for info in members:
        path = plain_name(info.name)
        folder, _, name = path.rpartition("/")
        stem, dot, ending = name.partition(".")
        if is_clutter(path) or not dot:
            left.add("clutter" if is_clutter(path) else "members", path)
            continue
        key = f"{folder}/{stem}" if folder else stem
        if key != current and group:
            yield current, group
        if key != current:
            current, group = key, {}
        if ending.lower() in group:
            raise ValueError(f"{shard} has the member {info.name!r} twice")
        group[ending.lower()] = info
    if group:
        yield current, group


def _of_group(key: str, group: Parts, shard: str, source: WebDataset, left: LeftOut) -> Iterator[Sample]:
    by_last_dot = dict[str, Parts]()
    for ending, info in group.items():
        before, _, last = ending.rpartition(".")
        by_last_dot.setdefault(before, {})[last] = info
    used = set[str]()
    # The key's own sample first, which the naming knows, then those by the last dot.
    label = _label(group, source)
    own = _images(group, source) if label else []
    for before, parts in {"": group, **{before: parts for before, parts in by_last_dot.items() if before}}.items():
        images, kind = _images(parts, source), _label(parts, source)
        if not images or not kind or (own and kind != label):
            continue
        name = f"sample {key}{'.' * bool(before)}{before} of {shard}"
        if len(images) > 1:
            several = " and ".join(images)
            raise ValueError(f"{name} has several images, {several}: choose one in the URI, ?image=EXTENSION")
        yield Sample(name, parts[images[0]], parts[kind], kind == "json")
        used |= {parts[images[0]].name, parts[kind].name}
    rest = {ending: info for ending, info in group.items() if info.name not in used}
    if not own:
        _refuse_halves(key, rest, shard, source)
    for info in rest.values():
        left.add("extras" if used else "members", plain_name(info.name))


def _images(parts: Parts, source: WebDataset) -> list[str]:
    return [source.image] if source.image in parts else [] if source.image else [e for e in parts if e in IMAGES]


def _label(parts: Parts, source: WebDataset) -> str | None:
    """Which part has the labels: .cls, unless the source names a key of .json."""
    if "cls" in parts and source.label is None:
        return "cls"
    return "json" if "json" in parts else None


def _refuse_halves(key: str, rest: Parts, shard: str, source: WebDataset) -> None:
    """Raises ValueError for an image without a label, or a label without an image."""

    def name(ending: str) -> str:
        before, dot, _ = ending.rpartition(".")
        return f"sample {key}{dot}{before} of {shard}"

    last = {ending: ending.rpartition(".")[2] for ending in rest}
    images = [e for e in rest if (source.image in (e, last[e]) if source.image else last[e] in IMAGES)]
    labels = [e for e in rest if (last[e] == "cls" and source.label is None) or e == "json"]
    if labels:
        some = ", ".join(list(rest)[:SHOWN])
        way_out = "name its extension in the URI, ?image=EXTENSION"
        raise ValueError(f"{name(labels[0])} has no image, only {some}: {way_out}")
    if images:
        label = f"a .cls member with a number, or {source.label or LABEL_KEY!r} in a .json member"
        raise ValueError(f"{name(images[0])} has no label: it needs {label}, right before or after its image")

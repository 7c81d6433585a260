"""YAML with the line of every part, so that a message can name the line of a mistake."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import yaml

Path = tuple[str | int, ...]
MOST_PARTS, DEEPEST = 20_000, 60  # of a document: keys, items and values, with aliases written out; levels


class LineError(ValueError):
    """What is wrong with a file, and in which line (from 1)."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True)
class YamlDocument:
    """A YAML document: its value, and the line of each key and item by its path."""

    value: Any
    lines: dict[Path, int]

    def line(self, path: Sequence[str | int]) -> int:
        """The line of a path, or of the nearest part above it that the document has."""
        path = tuple(path)
        while path not in self.lines:
            path = path[:-1]
        return self.lines[path]

    def get(self, *path: str | int) -> Any:
        """The value at a path, None where there is none."""
        value = self.value
        for step in path:
            try:
                value = value[step]
            except (KeyError, IndexError, TypeError):
                return None
        return value


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """Remembers which part it makes the value of: some errors do not say."""

    at: yaml.Node | None = None

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        self.at = node
        return super().construct_object(node, deep)


def load_yaml(text: str) -> YamlDocument:
    """The one document of a text. Raises LineError for what is not YAML, a key given twice or a second document, and
    for what is no file to be checked: of too many parts, too deep, or holding itself."""
    loader: _Loader | None = None
    try:
        _check_size(text)
        loader = _Loader(text)
        root = loader.get_single_node()
        lines: dict[Path, int] = {}
        _mark(root, (), root.start_mark.line + 1, lines)
        value = loader.construct_document(root)
    except LineError:
        raise
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise LineError(mark.line + 1 if mark else 1, f"not YAML: {error.problem or error.context}") from None
    except yaml.YAMLError as error:
        raise LineError(1, f"not YAML: {' '.join(str(error).split())}") from None
    except Exception as error:  # of values that a tag or a form promises and that are none: !!bool maybe, 2026-13-45
        line = loader.at.start_mark.line + 1 if loader and loader.at else 1
        raise LineError(line, f"not YAML: {type(error).__name__}: {error}") from None
    return YamlDocument(value, lines)


def _check_size(text: str) -> None:
    """Raise LineError for too many parts or levels, with aliases written out as they are read, and for no document or
    several.

    Looks at the text's events one by one: nothing is made of them yet, so that nothing can grow.
    """
    sizes: dict[str, int] = {}  # of what an anchor names, in parts
    open_parts: list[tuple[str | None, int]] = [(None, 0)]  # (anchor, parts so far) of what is not at its end
    documents: list[int] = []  # the line of each
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        line = event.start_mark.line + 1
        size, anchor = 0, getattr(event, "anchor", None)
        if len(open_parts) == 1 and isinstance(event, yaml.NodeEvent):
            documents.append(line)
        match event:
            case yaml.CollectionStartEvent():
                open_parts.append((anchor, 1))
            case yaml.CollectionEndEvent():
                anchor, size = open_parts.pop()
            case yaml.ScalarEvent():
                size = 1
            case yaml.AliasEvent():
                if anchor in [name for name, _ in open_parts]:
                    raise LineError(line, f"*{anchor} holds itself")
                size, anchor = sizes.get(anchor or "", 1), None
        if anchor is not None and size:
            sizes[anchor] = size
        above, parts = open_parts[-1]
        open_parts[-1] = (above, parts + size)
        if parts + size > MOST_PARTS or len(open_parts) > DEEPEST:
            much = f"{MOST_PARTS:,} parts" if parts + size > MOST_PARTS else f"{DEEPEST} levels"
            raise LineError(line, f"more than {much}, aliases written out: no file of a cluster is like that")
    if len(documents) != 1:
        raise LineError((*documents, 1, 1)[1], f"one document is expected, there are {len(documents)}")


def _mark(node: yaml.Node, path: Path, line: int, lines: dict[Path, int]) -> None:
    lines[path] = line
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            at = key.start_mark.line + 1
            if key.tag not in ("tag:yaml.org,2002:str", "tag:yaml.org,2002:merge"):
                shown = key.value if isinstance(key, yaml.ScalarNode) else "of several parts"
                raise LineError(at, f"the key {shown} is no text: put it in quotes")
            # YAML's reader would take the last of two without a word.
            if (*path, key.value) in lines:
                raise LineError(at, f"{key.value!r} is given twice, first in line {lines[*path, key.value]}")
            _mark(value, (*path, key.value), at, lines)
    elif isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            _mark(item, (*path, number), item.start_mark.line + 1, lines)

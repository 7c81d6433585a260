"""YAML with the line of every part, so that a message can name the line of a mistake."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import yaml

Path = tuple[str | int, ...]


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


def load_yaml(text: str) -> YamlDocument:
    """The one document of a text. Raises LineError for what is not YAML, a key given twice or a second document."""
    try:
        # Read twice: nodes know their lines, and values are what is judged.
        roots = list(yaml.compose_all(text, Loader=yaml.SafeLoader))
        values = list(yaml.safe_load_all(text))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise LineError(mark.line + 1 if mark else 1, f"not YAML: {error.problem or error.context}") from None
    except yaml.YAMLError as error:
        raise LineError(1, f"not YAML: {' '.join(str(error).split())}") from None
    if len(roots) != 1:
        line = roots[1].start_mark.line + 1 if roots else 1
        raise LineError(line, f"one document is expected, there are {len(roots)}")
    lines: dict[Path, int] = {}
    _mark(roots[0], (), roots[0].start_mark.line + 1, lines)
    return YamlDocument(values[0], lines)


def _mark(node: yaml.Node, path: Path, line: int, lines: dict[Path, int]) -> None:
    lines[path] = line
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            at = key.start_mark.line + 1
            # YAML's reader would take the last of two without a word.
            if (*path, key.value) in lines:
                raise LineError(at, f"{key.value!r} is given twice, first in line {lines[*path, key.value]}")
            _mark(value, (*path, key.value), at, lines)
    elif isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            _mark(item, (*path, number), item.start_mark.line + 1, lines)

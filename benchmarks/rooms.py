"""How calm the house is: entries, levels and arrows of each package, import depth, and the lengths of files.

    python benchmarks/rooms.py [--root DIR]

An entry is a file or folder directly in a package; an arrow leads from an entry to another one that it imports, at
whatever depth of the code; a level is an entry's height above those that import nothing beside them. A face (an
`__init__.py` that only hands names on) is no entry: what is imported through it counts for the file that has the name.
"""

import ast
import json
import statistics
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if __name__ == "__main__":  # as a script, its own directory is first on the path
    sys.path[0] = str(ROOT)

PACKAGES = ("scaling", "search_spaces", "clusters", "analysis")
LONG_FILE, LONG_FUNCTION = 300, 70  # lines
INSIDE = ("scaling", "scaling/data", "scaling/models", "clusters", "analysis", "search_spaces")


@dataclass(frozen=True)
class Room:
    """Counts of one package."""

    entries: int
    levels: int
    arrows: int


@dataclass(frozen=True)
class House:
    """All figures of a checkout."""

    rooms: dict[str, Room]
    depth: int  # files on the longest chain of imports, deferred ones included
    chain: tuple[str, ...]
    files: int
    median_lines: int
    long_files: dict[str, int]  # of more than LONG_FILE lines
    long_functions: dict[str, int]  # of more than LONG_FUNCTION lines


class Imports:
    """The imports of a checkout's packages, file by file."""

    def __init__(self, root: Path) -> None:
        self.root = root
        files = [file for package in PACKAGES for file in sorted((root / package).rglob("*.py"))]
        self.files = {_module(file.relative_to(root)): file for file in files}
        self.trees = {name: ast.parse(file.read_text()) for name, file in self.files.items()}
        self.arrows = {name: set(self._imported(name)) - {name} for name in self.files}

    def _imported(self, name: str) -> Iterator[str]:
        for node in ast.walk(self.trees[name]):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names if alias.name in self.files)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                for alias in node.names:
                    found = self.origin(node.module, alias.name)
                    if found and not (self.is_face(name) and found.startswith(f"{name}.")):
                        yield found

    def origin(self, module: str, name: str) -> str | None:
        """The file that `from module import name` ends at, through faces; None outside the packages."""
        if f"{module}.{name}" in self.files:
            return f"{module}.{name}"
        if module not in self.files:
            return None
        for node in ast.walk(self.trees[module]) if self.is_face(module) else ():
            names = {alias.asname or alias.name for alias in getattr(node, "names", ())}
            if isinstance(node, ast.ImportFrom) and node.module and name in names:
                return self.origin(node.module, name) or module
        return module

    @cache  # noqa: B019  # lives as long as the script
    def is_face(self, module: str) -> bool:
        """Whether a package's own file defines nothing that others import."""
        if self.files[module].name != "__init__.py":
            return False
        defined = [node for node in self.trees[module].body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
        return all(node.name == "__getattr__" for node in defined)


def house(root: Path = ROOT) -> House:
    """Measure a checkout; nothing of it is run."""
    imports = Imports(root)
    lines = {str(file.relative_to(root)): len(file.read_text().splitlines()) for file in imports.files.values()}
    counted = {name: count for name, count in lines.items() if count > 1}
    chain = longest(imports.arrows)
    return House(
        rooms={place: _room(imports, place) for place in INSIDE},
        depth=len(chain),
        chain=chain,
        files=len(counted),
        median_lines=round(statistics.median(counted.values())),
        long_files={name: count for name, count in lines.items() if count > LONG_FILE},
        long_functions=dict(_long_functions(imports)),
    )


def longest(arrows: Mapping[str, set[str]]) -> tuple[str, ...]:
    """The longest chain of a graph without circles. Raises ValueError, naming it, for a circle."""

    @cache
    def below(name: str) -> tuple[str, ...]:
        if name in open_:
            raise ValueError(f"imports in a circle: {' -> '.join([*open_, name])}")
        open_.append(name)
        chains = [below(other) for other in sorted(arrows[name])]
        open_.pop()
        return (name, *max(chains, key=len, default=()))

    open_: list[str] = []
    return max((below(name) for name in sorted(arrows)), key=len)


def _room(imports: Imports, place: str) -> Room:
    prefix = place.replace("/", ".") + "."

    def entry(module: str) -> str | None:
        return module.removeprefix(prefix).split(".")[0] if module.startswith(prefix) else None

    named = {module: entry(module) for module in imports.files}
    arrows: dict[str, set[str]] = {name: set() for name in named.values() if name}
    for module, others in imports.arrows.items():
        start = named[module]
        if start and not (imports.is_face(module) and f"{prefix}{start}" == module):
            arrows[start] |= {end for other in others if (end := named[other]) and end != start}
    return Room(len(arrows), len(longest(arrows)) if arrows else 0, sum(map(len, arrows.values())))


def _long_functions(imports: Imports) -> Iterator[tuple[str, int]]:
    for module, tree in imports.trees.items():
        for node in ast.walk(tree):
            if not isinstance(node, ast.FunctionDef) or node.end_lineno is None:
                continue
            count = node.end_lineno - node.lineno + 1
            if count > LONG_FUNCTION:
                yield f"{module}:{node.name}", count


def _module(file: Path) -> str:
    parts = file.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


if __name__ == "__main__":
    where = Path(sys.argv[2]) if len(sys.argv) == 3 and sys.argv[1] == "--root" else ROOT
    print(json.dumps(asdict(house(where)), indent=1))

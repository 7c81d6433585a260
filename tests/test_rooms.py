"""Each room has one face, and the house stays as calm as it was drawn."""

import ast
from pathlib import Path

import pytest

from benchmarks.rooms import PACKAGES, Imports, Room, house, longest

ROOT = Path(__file__).parent.parent
CALM = {  # place: at most so many entries, levels and arrows
    "scaling": Room(19, 6, 80),
    "scaling/data": Room(15, 7, 38),
    "scaling/models": Room(10, 5, 13),
    "clusters": Room(5, 3, 6),
    "analysis": Room(11, 8, 43),
}


def inner_files(file: Path, root: Path) -> list[str]:
    """The modules inside rooms that a file outside of them imports, with its line."""
    found = []
    for node in ast.walk(ast.parse(file.read_text())):
        if not isinstance(node, ast.Import | ast.ImportFrom):
            continue
        names = [alias.name for alias in node.names]
        if isinstance(node, ast.ImportFrom):
            names = [node.module, *(f"{node.module}.{name}" for name in names)] if node.module else []
        found += [
            f"{file.relative_to(root)}:{node.lineno} imports {name}"
            for name in names
            if name.split(".")[0] in PACKAGES and _is_inner(root / Path(*name.split(".")), file)
        ]
    return found


def _is_inner(place: Path, file: Path) -> bool:
    """Whether a module is a file of a room that the importing file is not in, and no name of the room's face."""
    room = place.parent
    if not place.with_suffix(".py").is_file() or not (room.parent / "__init__.py").is_file() or room in file.parents:
        return False
    face = ast.parse((room / "__init__.py").read_text())
    handed_on = {alias.name for node in ast.walk(face) if isinstance(node, ast.ImportFrom) for alias in node.names}
    return place.name not in handed_on  # `from scaling.runs import pretrain` is the function of pretrain.py


@pytest.mark.parametrize("package", [*PACKAGES, "benchmarks"])
def test_nothing_outside_a_room_imports_its_inner_files(package: str) -> None:
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    assert [line for file in files for line in inner_files(file, ROOT)] == []


def test_an_import_of_an_inner_file_is_seen(tmp_path: Path) -> None:
    for name in ("__init__.py", "store/__init__.py", "store/frames.py", "checks.py"):
        (tmp_path / "scaling" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "scaling" / name).write_text("")
    door = tmp_path / "scaling" / "door.py"
    door.write_text("import scaling.checks\nfrom scaling import store\n\n\ndef f():\n    import scaling.store.frames\n")
    assert inner_files(door, tmp_path) == ["scaling/door.py:6 imports scaling.store.frames"]
    sibling = tmp_path / "scaling" / "store" / "results.py"
    sibling.write_text("from scaling.store.frames import read\n")
    assert inner_files(sibling, tmp_path) == []


@pytest.mark.parametrize("place", CALM)
def test_rooms_stay_calm(place: str) -> None:
    room, most = house(ROOT).rooms[place], CALM[place]
    assert room.entries <= most.entries
    assert room.levels <= most.levels
    assert room.arrows <= most.arrows


def test_files_functions_and_chains_stay_short() -> None:
    figures = house(ROOT)
    assert figures.long_files == {}
    assert figures.long_functions == {}
    assert figures.median_lines <= 110
    assert figures.depth <= 13, figures.chain


def test_a_circle_of_imports_is_named() -> None:
    assert longest({"a": {"b"}, "b": {"c"}, "c": set()}) == ("a", "b", "c")
    with pytest.raises(ValueError, match="a -> b -> a"):
        longest({"a": {"b"}, "b": {"a"}})


def test_a_name_is_followed_through_a_face(tmp_path: Path) -> None:
    files = {
        "scaling/store/__init__.py": "from scaling.store.frames import read\n",
        "scaling/store/frames.py": "def read(): ...\n",
        "scaling/door.py": "from scaling.store import read\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert Imports(tmp_path).arrows["scaling.door"] == {"scaling.store.frames"}

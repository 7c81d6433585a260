"""The code behind import paths: where it lies, whether it is the user's, and in which version it is."""

import ast
import hashlib
import importlib.metadata
import importlib.util
import inspect
import sys
import sysconfig
import textwrap
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

from scaling.specs.functions import named_function
from scaling.specs.models import Custom

ROOT = Path(__file__).resolve().parents[2]
OURS = tuple(str(ROOT / name) for name in ("scaling", "clusters", "analysis", "search_spaces"))
LIBRARIES = tuple(sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib", "purelib", "platlib"))


def named_in(spec: Any) -> Iterator[Any]:
    """The specs in a spec that name code by its import path, each once."""
    seen: dict[Any, None] = {}

    def look(value: Any) -> None:
        if isinstance(value, tuple):
            for each in value:
                look(each)
        elif is_dataclass(value):
            parts = {field.name: getattr(value, field.name) for field in fields(value)}
            if {"path", "options", "version"} <= parts.keys():
                seen[value] = None
            for part in parts.values():
                look(part)

    look(spec)
    return iter(seen)


def file_of(path: str) -> Path | None:
    """The file of the module in 'module:name', which is not run for it. None where there is none."""
    module = path.partition(":")[0]
    loaded = sys.modules.get(module)
    if loaded is not None:
        place = getattr(loaded, "__file__", None)
        return Path(place).absolute() if place else None
    try:
        found = importlib.util.find_spec(module)
    except (ImportError, ValueError, AttributeError):
        return None  # it is said where it is called
    return Path(found.origin).absolute() if found and found.has_location and found.origin else None


def is_users(file: Path | None) -> bool:
    """Whether a file of code is the user's: none of Python's, of an installed package or of this one."""
    return file is not None and not str(file).startswith((*LIBRARIES, *OURS))


def code_version(named: Any) -> str:
    """What tells the code behind a path from another version of it, without running it: timm's version, or a hash of
    the module's file and, where it is the user's, of those beside it."""
    if isinstance(named, Custom) and named.is_timm:
        try:
            return f"timm {importlib.metadata.version('timm')}"
        except importlib.metadata.PackageNotFoundError:
            return ""
    file = file_of(named.path)
    if file is None or not file.is_file():
        return ""
    beside = sorted(file.parent.glob("*.py")) if is_users(file) else [file]
    return hashlib.sha256(b"".join(each.read_bytes() for each in beside)).hexdigest()


def source_version(named: Any) -> str | None:
    """Hash of what the named function is made of: its source, and that of all that it uses of the user's code.

    Comments, docstrings and the layout count for nothing, nor does what the function does not use, such as the studies
    of its file. None for code that is not the user's, whose versions the environment decides.
    """
    if _users_file(named) is None:
        return None
    parts: dict[str, str] = {}
    _add(named_function(named), parts)
    return hashlib.sha256(repr(sorted(parts.items())).encode()).hexdigest()[:16]


def _add(thing: Any, parts: dict[str, str]) -> None:
    """Add the sources of a function, class, module or value, and of what these name."""
    if isinstance(thing, ModuleType):
        file = getattr(thing, "__file__", None)
        if thing.__name__ not in parts and file and is_users(Path(file)):
            parts[thing.__name__] = _plain_source(Path(file).read_text())
        return
    thing = inspect.unwrap(thing) if callable(thing) else thing
    if not isinstance(thing, FunctionType | type):
        return
    name = f"{thing.__module__}:{thing.__qualname__}"
    module = sys.modules.get(thing.__module__)
    file = getattr(module, "__file__", None)
    if name in parts or not file or not is_users(Path(file)):
        return
    try:
        parts[name] = _plain_source(textwrap.dedent(inspect.getsource(thing)))
    except (OSError, TypeError, SyntaxError):
        parts[name] = ""  # made by code, without a source
        return
    functions = [thing] if isinstance(thing, FunctionType) else [f for f in map(_function, vars(thing).values()) if f]
    if isinstance(thing, type):
        for base in thing.__bases__:
            _add(base, parts)
    for function in functions:
        for used in _names(function.__code__):
            value = function.__globals__.get(used)
            if isinstance(value, str | bytes | bool | int | float | tuple | frozenset):
                parts[f"{thing.__module__}:{used}"] = repr(value)
            else:
                _add(value, parts)


def _function(member: Any) -> FunctionType | None:
    """The function of a class's method, class method, static method or property."""
    member = getattr(member, "__func__", getattr(member, "fget", member))
    return member if isinstance(member, FunctionType) else None


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


@cache
def _plain_source(text: str) -> str:
    """The source without comments, docstrings and layout."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and body:
            first = body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and len(body) > 1:
                node.body = body[1:]
    return ast.unparse(tree)


def user_files(spec: Any) -> list[Path]:
    """The user's files and folders of packages that a spec's named functions need, for other machines: those of their
    modules, and of all modules that have been imported from the same folders."""
    named = {each.path.partition(":")[0]: _users_file(each) for each in named_in(spec)}
    tops = {_top(module, file) for module, file in named.items() if file}
    folders = {top.parent for top in tops}
    for name, module in list(sys.modules.items()):
        place = getattr(module, "__file__", None)
        if folders and place and "." not in name and is_users(Path(place)):
            top = _top(name, Path(place).absolute())
            tops |= {top} if top.parent in folders else set()
    return sorted(tops)


def _users_file(named: Any) -> Path | None:
    file = None if isinstance(named, Custom) and named.is_timm else file_of(named.path)
    return file if is_users(file) else None


def _top(module: str, file: Path) -> Path:
    """The file of a module that is none of a package's, else the folder of its top package."""
    parts = module.split(".")
    if file.name == "__init__.py":
        return file.parents[len(parts) - 1]
    return file if len(parts) == 1 else file.parents[len(parts) - 2]

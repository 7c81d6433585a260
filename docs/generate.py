"""The pages of the manual that are written by code: `python docs/generate.py` writes reference.md and rows.md.

Each field's sentence is the comment at the end of its line, or the string below it, in the class that has it.
"""

import ast
import inspect
import io
import textwrap
import tokenize
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from scaling import specs
from scaling.store import TABLES

DOCS = Path(__file__).parent
SECTIONS: dict[str, tuple[type, ...]] = {
    "A study": (specs.Study,),
    "What is fine-tuned": (specs.Pretrain, specs.Scratch, specs.Released),
    "How to train": (specs.Recipe, specs.MaskedPatches),
    "Augmentations": (
        specs.RandAugment,
        specs.AutoAugment,
        specs.TrivialAugment,
        specs.ThreeAugment,
        specs.ColorJitter,
        specs.RandomErasing,
    ),
    "Functions by import path": (
        specs.Optimizer,
        specs.ParameterGroup,
        specs.Loss,
        specs.Schedule,
        specs.Augmentation,
    ),
    "Architectures": (specs.ViT, specs.ResNet, specs.Hybrid, specs.Custom, specs.Count),
    "Data": (specs.Dataset, specs.FewShot),
    "Evaluations": (specs.KNN, specs.LinearProbe, specs.Calibration, specs.Robustness, specs.Evaluation),
    "Tasks and searches": (
        specs.Task,
        specs.Setting,
        specs.Search,
        specs.Sampler,
        specs.Range,
        specs.Choice,
        specs.Halving,
    ),
    "Units of work, which the engine makes": (specs.Transfer, specs.Probe, specs.EvaluationRun),
    "How a worker makes its steps: in no spec and no id": (specs.Execution,),
}
REFERENCE = """\
# Fields of a spec

A spec is a frozen dataclass: read a value with `spec.field`, change it with `dataclasses.replace(spec, field=value)`.
All of these are in `scaling.specs`. A field counts in the id or not: two specs that differ only in fields that do not
count are the same experiment, and what was run of one is done for the other. What is wrong raises `ValueError` in one
line when the spec is made. A study has no id: its units do. This page is written by `make docs` from the source.
"""
ROWS = """\
# Columns of the rows

One Parquet file per finished unit of work, in a directory per table: `STORAGE/TABLE/ID.parquet`. Read them with
anything, for example `polars.read_parquet("results/quickstart/transfer/*.parquet")`. Accuracies are fractions in
[0, 1], times are seconds, compute is in FLOPs. Units and meanings are in the files' own schema too, as metadata of each
column. This page is written by `make docs` from the source.
"""
KINDS = {"string": "text", "double": "float", "int64": "integer", "bool": "true or false"}


def reference() -> str:
    """docs/reference.md: a table per class, a row per field."""
    parts = [REFERENCE]
    for title, classes in SECTIONS.items():
        parts += [f"## {title}\n", *(_class(cls) for cls in classes)]
    return "\n".join(parts)


def rows() -> str:
    """docs/rows.md: a table per table of rows, a row per column."""
    parts = [ROWS]
    for name, schema in TABLES.items():
        columns = [
            (f"`{column.name}`", _kind(column.type), _cell(column.metadata[b"doc"].decode())) for column in schema
        ]
        parts += [f"## {name}\n", _table(("column", "type", "meaning, with its unit first"), columns)]
    return "\n".join(parts)


def sentences(cls: type) -> dict[str, str]:
    """What the source says of each field of a dataclass, by the field's name. A field without a sentence is absent."""
    source = textwrap.dedent(inspect.getsource(cls))
    comments = {
        token.start[0]: token.string.lstrip("# ")
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    }
    return {
        name: text for name, node, below in _fields(source) if (text := below or comments.get(node.end_lineno or 0))
    }


def _class(cls: Any) -> str:
    told, counts = sentences(cls), {f.name: _counts(f.metadata) for f in fields(cls)}
    without_id = cls in (specs.Study, specs.Execution)
    lines = [
        (
            f"`{name}`",
            f"`{_cell(ast.unparse(node.annotation))}`",
            f"`{_cell(default)}`" if (default := _default(node.value)) else "required",
            *([] if without_id else [counts[name]]),
            _cell(told[name]),
        )
        for name, node, _ in _fields(textwrap.dedent(inspect.getsource(cls)))
    ]
    headings = ("field", "type", "default", *([] if without_id else ["in id"]), "meaning")
    about = inspect.cleandoc(cls.__doc__ or "")
    return f"### {cls.__name__}\n\n{about}\n\n{_table(headings, lines)}"


def _counts(metadata: Mapping[str, Any]) -> str:
    """Whether a field counts in the id: an added one does unless it has its neutral value (`scaling.specs.added`)."""
    if not metadata.get("identity", True):
        return "no"
    return f"unless `{_cell(repr(metadata['neutral']))}`" if "neutral" in metadata else "yes"


def _fields(source: str) -> Iterator[tuple[str, ast.AnnAssign, str | None]]:
    """Name, node and the string below it of each field of the class in `source`."""
    (cls,) = ast.parse(source).body
    assert isinstance(cls, ast.ClassDef)
    for node, after in zip(cls.body, [*cls.body[1:], None], strict=True):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            text = after.value.value if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) else None
            yield node.target.id, node, " ".join(text.split()) if isinstance(text, str) else None


def _default(value: ast.expr | None) -> str | None:
    """The default as the source has it, also where it stands inside `field(...)`."""
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "field":
        value = next((keyword.value for keyword in value.keywords if keyword.arg == "default"), None)
    return None if value is None else ast.unparse(value)


def _kind(kind: Any) -> str:
    text = str(kind).replace("element: ", "").replace("item: ", "")
    for arrow, plain in KINDS.items():
        text = text.replace(arrow, plain)
    return text.replace("list<", "list of ").removesuffix(">").replace("timestamp[ms, tz=UTC]", "time in UTC")


def _table(headings: tuple[str, ...], lines: Sequence[tuple[str, ...]]) -> str:
    rule = ("---",) * len(headings)
    return "".join(f"| {' | '.join(line)} |\n" for line in (headings, rule, *lines))


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    (DOCS / "reference.md").write_text(reference())
    (DOCS / "rows.md").write_text(rows())

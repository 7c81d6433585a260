"""Frames of text cells rendered as HTML, Markdown, LaTeX and for the terminal."""

import html
from collections.abc import Sequence

import polars as pl

from scaling.console import WideTable

TEXT_CLASS = ' class="text"'


def percent(mean: float | None, std: float | None = None) -> str:
    """A fraction in percent, with its deviation where there is one: '92.31 ± 0.08'; a dash for None."""
    if mean is None:
        return "–"
    return f"{mean * 100:.2f}" + ("" if std is None else f" ± {std * 100:.2f}")


def to_html(frame: pl.DataFrame, caption: str, text: Sequence[str] = (), long: Sequence[str] = ()) -> str:
    """A table in a box that scrolls sideways; the first column has the rows' headings. Everything is escaped.

    The columns of `text` are left-aligned, those of `long` may wrap as well; the others are numbers.
    """
    kinds = dict.fromkeys(text, ' class="text"') | dict.fromkeys(long, ' class="long"')
    places = [kinds.get(name, "") for name in frame.columns]
    head = "".join(
        f'<th scope="col"{kind and TEXT_CLASS}>{html.escape(name)}</th>'
        for name, kind in zip(frame.columns, places, strict=True)
    )
    body = "".join(
        f'<tr><th scope="row">{html.escape(str(first))}</th>'
        + "".join(f"<td{kind}>{html.escape(str(cell))}</td>" for kind, cell in zip(places[1:], rest, strict=True))
        + "</tr>\n"
        for first, *rest in frame.iter_rows()
    )
    table = (
        f"<table><caption>{html.escape(caption)}</caption><thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table>"
    )
    return f'<div class="scroll" tabindex="0" role="region" aria-label="{html.escape(caption)}">{table}</div>'


def to_markdown(frame: pl.DataFrame) -> str:
    """A table in GitHub's Markdown; characters that would end a cell or start a tag are escaped."""
    lines = [frame.columns, ["---"] * len(frame.columns), *frame.iter_rows()]
    return "\n".join("| " + " | ".join(_plain(str(cell)) for cell in line) + " |" for line in lines) + "\n"


LATEX = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "–": "--", "±": r"$\pm$"}
LATEX |= {character: f"\\{character}" for character in "&%$#_{}"} | {"×": r"$\times$", "<": r"$<$", ">": r"$>$"}


def to_latex(frame: pl.DataFrame, caption: str) -> str:
    """A table for a paper, with the rules of the package booktabs; its first column is left-aligned. All is escaped."""
    columns = "l" + "r" * (frame.width - 1)
    head, *body = (
        " & ".join(_latex(str(cell)) for cell in line) + r" \\" for line in (frame.columns, *frame.iter_rows())
    )
    lines = [
        r"\begin{table}",
        rf"\caption{{{_latex(caption)}}}",
        rf"\begin{{tabular}}{{{columns}}}",
        *(r"\toprule", head, r"\midrule", *body, r"\bottomrule"),
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def to_rich(frame: pl.DataFrame, title: str) -> WideTable:
    """A table for the terminal, with every number whole at any width."""
    return WideTable(title, tuple(frame.columns), tuple(tuple(map(str, row)) for row in frame.iter_rows()))


def _plain(cell: str) -> str:
    return html.escape(cell, quote=False).replace("|", "\\|").replace("\n", " ")


def _latex(cell: str) -> str:
    return "".join(LATEX.get(character, character) for character in cell.replace("\n", " "))

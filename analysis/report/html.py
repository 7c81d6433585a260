"""The study's page as HTML: one file without scripts that opens without a network. All functions escape their text."""

import html
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import polars as pl

from analysis.rows import OPEN_ROWS, TABLE_ROWS
from analysis.tables import to_html

SMALLEST = 0.7  # share of its own width to which a figure shrinks: its text stays above 9 px, then the figure scrolls
STYLE = """
:root { color-scheme: light; }
body { background: #fff; color: #1a1a1a; font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Arial, sans-serif;
  max-width: 62rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; overflow-wrap: break-word; }
@media (min-width: 75rem) { body { max-width: 76rem; } p, li, figcaption { max-width: 62rem; } }
h1 { font-size: 1.7rem; line-height: 1.25; margin-bottom: .3rem; }
h3 { font-size: 1.05rem; margin: 1.6rem 0 .4rem; }
h2 { font-size: 1.3rem; margin: 2.8rem 0 .6rem; padding-top: .8rem; border-top: 1px solid #d9d9d9; }
.skip { position: absolute; left: -99rem; } .skip:focus { left: 1rem; top: .5rem; background: #fff; padding: .4rem; }
.about { color: #4d4d4d; margin-top: 0; } a { color: #00558a; }
nav ul { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; list-style: none; padding: 0; margin: 1rem 0; }
dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(10.5rem, 1fr)); gap: .7rem; margin: 1.2rem 0; }
dl div { border: 1px solid #d9d9d9; border-radius: .4rem; padding: .6rem .8rem; }
dt { color: #4d4d4d; font-size: .85rem; } dd { margin: 0; font-size: 1.25rem; font-weight: 600; line-height: 1.3; }
dd small { display: block; font-size: .85rem; font-weight: 400; color: #4d4d4d; }
figure { margin: 1.5rem 0; } figure svg { max-width: 100%; height: auto; display: block; overflow: visible; }
figcaption { color: #4d4d4d; font-size: .9rem; margin-top: .5rem; }
/* a box that scrolls has a shadow at the side where there is more, which the content covers at its end */
.scroll { overflow-x: auto; margin: 1rem 0; background:
  linear-gradient(to right, #fff 40%, #fff0) left / 2.5rem 100% no-repeat local,
  linear-gradient(to left, #fff 40%, #fff0) right / 2.5rem 100% no-repeat local,
  linear-gradient(to right, #0003, #0000) left / .8rem 100% no-repeat scroll,
  linear-gradient(to left, #0003, #0000) right / .8rem 100% no-repeat scroll, #fff; }
table { border-collapse: collapse; font-size: .875rem; }
.scroll:focus-visible, summary:focus-visible, a:focus-visible { outline: 3px solid #0072b2; outline-offset: 2px; }
caption { text-align: left; font-weight: 600; padding: .3rem 0; }
thead th { border-bottom: 2px solid #1a1a1a; vertical-align: bottom; }
th, td { padding: .3rem .45rem; text-align: right; border-bottom: 1px solid #d9d9d9; vertical-align: top; }
td { white-space: nowrap; font-variant-numeric: tabular-nums; } td.text { text-align: left; }
td.long { text-align: left; white-space: normal; min-width: 12rem; overflow-wrap: anywhere; }
tbody th, thead th:first-child, thead th.text { text-align: left; font-weight: 600; } tbody th { white-space: nowrap; }
tbody th { position: sticky; left: 0; background: #fff; }
details { margin: 1rem 0; } summary { cursor: pointer; font-weight: 600; }
pre { background: #f4f4f4; padding: .8rem; font-size: .85rem; white-space: pre-wrap; overflow-wrap: anywhere; }
@media (max-width: 44rem) {
  caption { max-width: calc(100vw - 2rem); } tbody th { position: static; }
}
@media print { nav, .skip { display: none; } .scroll { overflow: visible; } figure { break-inside: avoid; } }
"""

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="data:,">
<style>{style}</style>
</head>
<body>
<a class="skip" href="#summary">To the summary</a>
<header>
<h1>{title}</h1>
<p class="about">{about}</p>
<nav aria-label="Sections"><ul>
{links}
</ul></nav>
</header>
<main>
{body}
</main>
</body>
</html>
"""


@dataclass(frozen=True)
class Section:
    """A part of the page; `body` is HTML, and a section without one is left out."""

    id: str
    title: str
    body: str


def page(title: str, about: str, sections: Iterable[Section]) -> str:
    """The whole page. `title` and `about` are plain text."""
    shown = [section for section in sections if section.body]
    links = "\n".join(f'<li><a href="#{section.id}">{html.escape(section.title)}</a></li>' for section in shown)
    body = "\n".join(
        f'<section id="{s.id}" aria-labelledby="{s.id}-title">\n<h2 id="{s.id}-title">{html.escape(s.title)}</h2>\n'
        f"{s.body}\n</section>"
        for s in shown
    )
    return PAGE.format(title=html.escape(title), about=html.escape(about), style=STYLE, links=links, body=body)


def paragraph(text: str) -> str:
    return f"<p>{html.escape(text)}</p>" if text else ""


def bullets(texts: Sequence[str]) -> str:
    return "<ul>\n" + "".join(f"<li>{html.escape(text)}</li>\n" for text in texts) + "</ul>" if texts else ""


def cards(values: Iterable[tuple[str, str, str]]) -> str:
    """Numbers that stand out, as cards: (what, its value, a note)."""
    shown = "".join(
        f"<div><dt>{html.escape(label)}</dt><dd>{html.escape(value)}<small>{html.escape(note)}</small></dd></div>\n"
        for label, value, note in values
    )
    return f"<dl>\n{shown}</dl>" if shown else ""


def code(text: str) -> str:
    return f"<pre><code>{html.escape(text)}</code></pre>"


def table(frame: pl.DataFrame, caption: str, text: Sequence[str] = (), long: Sequence[str] = ()) -> str:
    """A table of text cells; a long one is folded, a very long one cut, which its caption says. Empty without rows.

    `text` are the columns of words, `long` those that may wrap; the others are numbers.
    """
    if frame.is_empty():
        return ""
    if frame.height > TABLE_ROWS:
        caption = f"{caption} (the first {TABLE_ROWS} of {frame.height:,} rows; the Parquet files have all)"
    shown = to_html(frame.head(TABLE_ROWS), caption, text, long)
    if frame.height <= OPEN_ROWS:
        return shown
    rows = "" if frame.height > TABLE_ROWS else f" ({frame.height} rows)"
    return f"<details><summary>{html.escape(caption)}{rows}</summary>\n{shown}\n</details>"


def figure(name: str, svg: str, caption: str) -> str:
    """An SVG with its caption, also as alternative text. Each mark's description becomes its tooltip."""
    text = html.escape(caption)
    # every SVG numbers its ids from 1; on one page they must differ
    unique = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', svg)
    unique = re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", unique)
    # Vega writes descriptions as aria-label; browsers show a <title> when the mouse is over a mark
    tipped = re.sub(r'(<path aria-label="([^"]*)"[^>]*?)(?:/>|></path>)', r"\1><title>\2</title></path>", unique)
    wide = re.search(r'<svg[^>]* width="([\d.]+)"', svg)
    least = f'style="min-width: {float(wide[1]) * SMALLEST:.0f}px" ' if wide else ""
    labelled = tipped.replace("<svg ", f'<svg {least}role="img" aria-label="{text}" ', 1)
    box = f'<div class="scroll" tabindex="0" role="group" aria-label="{text}">{labelled}</div>'
    return f'<figure id="figure-{name}">\n{box}\n<figcaption>{text} Hover a mark for its values.</figcaption></figure>'

"""The report of a study: one HTML file that opens without a network, and its figures as PNG and SVG."""

import html
import json
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import vl_convert

from analysis import core_days, figures, lines, tables
from analysis.frontier import frontier
from analysis.replicas import merged, models
from analysis.rows import Rows, accuracies, load, relabelled
from analysis.style import NothingToDrawError
from analysis.summary import sentences
from scaling.storage import Storage

PNG_SCALE = 2.0  # pixels a CSS pixel

STYLE = """
:root { color-scheme: light; }
body { background: #fff; color: #1a1a1a; font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Arial, sans-serif;
  max-width: 60rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; overflow-wrap: break-word; }
h1 { font-size: 1.7rem; line-height: 1.25; } h2 { font-size: 1.25rem; margin-top: 2.5rem; }
figure { margin: 1.5rem 0; } figure svg { max-width: 100%; height: auto; display: block; overflow: visible; }
figcaption { color: #4d4d4d; font-size: .9rem; margin-top: .5rem; }
.scroll { overflow-x: auto; margin: 1rem 0; } table { border-collapse: collapse; font-size: .875rem; }
caption { text-align: left; font-weight: 600; padding: .3rem 0; } thead th { border-bottom: 2px solid #1a1a1a; }
th, td { padding: .3rem .7rem; text-align: right; border-bottom: 1px solid #d9d9d9; vertical-align: bottom; }
td { white-space: nowrap; } tbody th, thead th:first-child { text-align: left; font-weight: 600; white-space: nowrap; }
pre { background: #f4f4f4; padding: .8rem; overflow-x: auto; font-size: .85rem; }
"""

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
{body}
</main>
</body>
</html>
"""

NEXT = """
<p>Go on with the command that started the study, with the same storage: work whose rows are there is not repeated,
and new runs, tasks or seeds join the rows. STORAGE is the directory or URI that holds this report.</p>
<pre><code>python -m analysis report STORAGE            # this report, from the rows as they are now
python -m analysis frontier STORAGE --json   # the points and the Pareto frontier
python -m analysis core-days STORAGE --json  # what was occupied, productive and lost
python -c "import polars; print(polars.read_parquet('STORAGE/transfer/*.parquet'))"</code></pre>
"""


def report(storage: str | Path | Storage, out: Storage | None = None) -> list[str]:
    """Write `report.html`, `figures/*.png` and `figures/*.svg` into `out` (default: the storage itself).

    Returns the names of the files written, inside `out`. Parts without rows are left out. Raises ValueError when the
    storage holds no rows.
    """
    place = Storage.of(storage)
    rows = load(place)
    target = place if out is None else out
    files: dict[str, bytes] = {}
    drawn = []
    for name, (chart, caption) in charts(rows).items():
        files |= images(name, chart)
        drawn.append(_figure(name, files[f"figures/{name}.svg"].decode(), caption))
    files["report.html"] = _page(study_name(place, rows), rows, drawn).encode()
    for name, content in files.items():
        target.write(name, content)
    return list(files)


def images(name: str, chart: Any) -> dict[str, bytes]:
    """A chart as PNG and SVG, by the names of their files inside a storage."""
    svg = vl_convert.vegalite_to_svg(chart.to_dict())
    return {
        f"figures/{name}.png": vl_convert.svg_to_png(svg, scale=PNG_SCALE),
        f"figures/{name}.svg": svg.encode(),
    }


def charts(rows: Rows) -> dict[str, tuple[Any, str]]:
    """The figures that the rows are enough for: name -> (altair chart, what it shows)."""
    scores = accuracies(rows)
    points = frontier(scores)
    spent = core_days.by_kind(rows.attempt)
    probed = merged(rows.fewshot, models(rows.pretrain, rows.transfer))
    curve, fewshot = (relabelled(frame, rows.pretrain) for frame in (rows.curve, probed))
    made = {
        "frontier": (
            figures.frontier_chart,
            points,
            "Accuracy by compute of pre-training: fine-tuned, or few-shot if nothing was.",
        ),
        "pretraining": (figures.pretraining_chart, scores, "Accuracy with pre-training and from scratch, by model."),
        "fewshot": (lines.fewshot_chart, fewshot, "Accuracy of a linear classifier by training images a class."),
        "curves": (lines.curves_chart, curve, "Training loss by images seen, one line a run."),
        "core_days": (lines.core_days_chart, spent, "Occupied core time by kind of work, productive and not."),
    }
    drawn = {}
    for name, (draw, frame, caption) in made.items():
        with suppress(NothingToDrawError):
            drawn[name] = (draw(frame), caption)
    return drawn


def study_name(storage: Storage, rows: Rows) -> str:
    """The name in `study.json`, or that of the attempts, or a neutral one."""
    if storage.exists("study.json"):
        try:
            name = json.loads(storage.read("study.json"))["name"]
        except (ValueError, KeyError, TypeError):
            name = None
        if isinstance(name, str) and name:
            return name
    named = rows.attempt["study"].drop_nulls().unique().sort().to_list()
    return ", ".join(named) or "Scaling study"


def _page(name: str, rows: Rows, drawn: list[str]) -> str:
    title = html.escape(name)
    said = "".join(f"<li>{html.escape(text)}</li>\n" for text in sentences(rows, accuracies(rows)))
    results = tables.results_table(rows)
    parts = [
        f"<h1>{title}</h1>\n<h2>Summary</h2>\n<ul>\n{said}</ul>",
        "<h2>Figures</h2>\n" + "\n".join(drawn) if drawn else "",
        "<h2>Results</h2>\n" + tables.to_html(results, "Models and accuracies: mean ± standard deviation over seeds")
        if results.height
        else "",
        _account(rows),
        f"<h2>How to go on</h2>{NEXT}",
    ]
    return PAGE.format(title=title, style=STYLE, body="\n".join(part for part in parts if part))


def _account(rows: Rows) -> str:
    if rows.attempt.is_empty():
        return ""
    kinds = tables.account_table(core_days.by_kind(rows.attempt))
    models = tables.account_table(core_days.by_model(rows.attempt), ("family", "name"))
    note = (
        "<p>Occupied is cores × time of every attempt, from its start to its last row; the five columns after it add up"
        " to it. A killed attempt may also be one that had not ended when the report was made.</p>"
    )
    by_kind = tables.to_html(kinds, "Core time by kind of work")
    return f"<h2>What it cost</h2>\n{note}\n{by_kind}\n{tables.to_html(models, 'Core time by model')}"


def _figure(name: str, svg: str, caption: str) -> str:
    """A figure with its alternative text; each mark's description becomes a tooltip, ids are made unique to it."""
    text = html.escape(caption)
    unique = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', svg)
    unique = re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", unique)
    tipped = re.sub(r'(<path aria-label="([^"]*)"[^>]*?)(?:/>|></path>)', r"\1><title>\2</title></path>", unique)
    labelled = tipped.replace("<svg ", f'<svg role="img" aria-label="{text}" ', 1)
    note = f"<figcaption>{text} Hover a mark for its values.</figcaption>"
    return f'<figure id="figure-{name}">\n{labelled}\n{note}\n</figure>'

"""The report of a study: one HTML page that opens without a network, and its figures as PNG and SVG.

Rows are read (`view`) and drawn (`charts`), put into words and tables section by section (`sections`, `cost`,
`reproduce`), and set as one page (`html`).
"""

from pathlib import Path

from analysis.figures import chart_images
from analysis.report import html, reproduce, sections
from analysis.report.charts import CAPTIONS, report_charts, report_inspections
from analysis.report.cost import cost_section, failures_section
from analysis.report.view import View, read_view
from analysis.rows import open_rows
from scaling.store import Storage


def report(storage: str | Path | Storage, out: Storage | None = None, beside: str | None = None) -> list[str]:
    """Write `report.html`, `figures/*.png` and `figures/*.svg` into `out` (default: the storage itself).

    `beside` names another storage whose accuracies are shown with the study's own (`analysis.rows.merge`). Parts
    without rows are left out. Returns the names of the files written, relative to `out`; nothing is written before all
    is drawn. Raises ValueError when the storage holds no rows.
    """
    place = open_rows(storage)
    view = read_view(place, beside)
    files: dict[str, bytes] = {}
    figures = dict.fromkeys(CAPTIONS, "")
    for name, (chart, caption) in (report_charts(view) | report_inspections(place)).items():
        files |= chart_images(f"figures/{name}", chart)
        figures[name] = html.figure(name, files[f"figures/{name}.svg"].decode(), caption)
    page = html.page(view.name, sections.about(view), page_sections(view, figures))
    files["report.html"] = page.encode()
    target = place if out is None else out
    for name, content in files.items():
        target.write(name, content)
    return list(files)


def page_sections(view: View, figures: sections.Figures) -> list[html.Section]:
    """The sections of the page in order; those without rows have an empty body, and are left out."""
    return [
        html.Section("summary", "Summary", sections.summary_section(view)),
        html.Section("frontier", "Frontier", sections.frontier_section(view, figures)),
        html.Section("ratios", "Compute ratios", sections.ratios_section(view)),
        html.Section("laws", "Scaling laws", sections.laws_section(view, figures)),
        html.Section("results", "Results", sections.results_section(view, figures)),
        html.Section("evaluations", "Evaluations", sections.evaluations_section(view, figures)),
        html.Section("sweeps", "Hyperparameter search", sections.sweeps_section(view, figures)),
        html.Section("training", "Training", figures["curves"]),
        html.Section("inspection", "What the models look at", sections.inspection_section(figures)),
        html.Section("cost", "Cost: plan and actual", cost_section(view, figures["core_days"])),
        html.Section("failures", "Failures and restarts", failures_section(view)),
        html.Section("reproduce", "How to reproduce", reproduce.section(view.rows, view.study, view.commands)),
        html.Section("next", "How to go on", reproduce.NEXT),
    ]

"""report.html, the page of a study."""

from analysis.report.build import report, report_charts, view
from analysis.report.summary import summary_sentences

__all__ = [
    "report",
    "report_charts",
    "summary_sentences",
    "view",
]

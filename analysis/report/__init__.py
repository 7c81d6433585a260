"""report.html, the page of a study."""

from analysis.report.build import report
from analysis.report.charts import report_charts
from analysis.report.summary import summary_sentences
from analysis.report.view import read_view

__all__ = ["read_view", "report", "report_charts", "summary_sentences"]

"""Figures and tables as files: PNG and SVG for charts, Markdown, LaTeX and CSV for tables."""

from collections.abc import Mapping
from typing import Any

import polars as pl
import vl_convert

from analysis.tables import to_latex, to_markdown
from scaling.store import Storage

PNG_SCALE = 2.0  # pixels a CSS pixel
Charts = Mapping[str, tuple[Any, str]]  # name -> (altair chart, what it shows)
Tables = Mapping[str, tuple[pl.DataFrame, str]]  # name -> (text cells, caption)


def write_charts(storage: Storage, before: str, charts: Charts) -> list[str]:
    """Write each chart as `<before><name>.png` and `.svg`; all are drawn before any is written. Returns the names."""
    files: dict[str, bytes] = {}
    for name, (chart, _) in charts.items():
        files |= chart_images(f"{before}{name}", chart)
    return _write(storage, files)


def chart_images(name: str, chart: Any) -> dict[str, bytes]:
    """A chart as `<name>.png` and `<name>.svg`."""
    svg = vl_convert.vegalite_to_svg(chart.to_dict())
    return {f"{name}.png": vl_convert.svg_to_png(svg, scale=PNG_SCALE), f"{name}.svg": svg.encode()}


def write_tables(storage: Storage, before: str, tables: Tables) -> list[str]:
    """Write each table as `<before><name>.md`, `.tex` and `.csv`. Returns the names."""
    files: dict[str, bytes] = {}
    for name, (frame, caption) in tables.items():
        files[f"{before}{name}.md"] = f"**{caption}**\n\n{to_markdown(frame)}".encode()
        files[f"{before}{name}.tex"] = to_latex(frame, caption).encode()
        files[f"{before}{name}.csv"] = frame.write_csv().encode()
    return _write(storage, files)


def _write(storage: Storage, files: Mapping[str, bytes]) -> list[str]:
    for name, content in files.items():
        storage.write(name, content)
    return list(files)

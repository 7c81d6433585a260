"""Figures as PNG and SVG files, tables as Markdown, LaTeX and CSV files."""

from collections.abc import Mapping
from typing import Any

import polars as pl
import vl_convert

from analysis.tables import to_latex, to_markdown
from scaling.store import Storage

PNG_SCALE = 2.0  # pixels per CSS pixel
Charts = Mapping[str, tuple[Any, str]]  # name -> (altair chart, caption)
Tables = Mapping[str, tuple[pl.DataFrame, str]]  # name -> (text cells, caption)


def write_charts(storage: Storage, prefix: str, charts: Charts) -> list[str]:
    """Write each chart as `<prefix><name>.png` and `.svg`; returns the names. All are drawn before any is written."""
    files: dict[str, bytes] = {}
    for name, (chart, _) in charts.items():
        files |= chart_images(f"{prefix}{name}", chart)
    return _write(storage, files)


def chart_images(name: str, chart: Any) -> dict[str, bytes]:
    """The content of `<name>.png` and `<name>.svg`."""
    # the PNG is made of the SVG: the chart is laid out once, and both look alike
    svg = vl_convert.vegalite_to_svg(chart.to_dict())
    return {f"{name}.png": vl_convert.svg_to_png(svg, scale=PNG_SCALE), f"{name}.svg": svg.encode()}


def write_tables(storage: Storage, prefix: str, tables: Tables) -> list[str]:
    """Write each table as `<prefix><name>.md`, `.tex` and `.csv`; returns the names."""
    files: dict[str, bytes] = {}
    for name, (frame, caption) in tables.items():
        files[f"{prefix}{name}.md"] = f"**{caption}**\n\n{to_markdown(frame)}".encode()
        files[f"{prefix}{name}.tex"] = to_latex(frame, caption).encode()
        files[f"{prefix}{name}.csv"] = frame.write_csv().encode()
    return _write(storage, files)


def _write(storage: Storage, files: Mapping[str, bytes]) -> list[str]:
    for name, content in files.items():
        storage.write(name, content)
    return list(files)

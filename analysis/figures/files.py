"""Figures as PNG and SVG files."""

from collections.abc import Mapping
from typing import Any

import vl_convert

from scaling.store import Storage

PNG_SCALE = 2.0  # pixels per CSS pixel
Charts = Mapping[str, tuple[Any, str]]  # name -> (altair chart, caption)


def write_charts(storage: Storage, prefix: str, charts: Charts) -> list[str]:
    """Write each chart as `<prefix><name>.png` and `.svg`; returns the names. All are drawn before any is written."""
    files: dict[str, bytes] = {}
    for name, (chart, _) in charts.items():
        files |= chart_images(f"{prefix}{name}", chart)
    for name, content in files.items():
        storage.write(name, content)
    return list(files)


def chart_images(name: str, chart: Any) -> dict[str, bytes]:
    """The content of `<name>.png` and `<name>.svg`."""
    # the PNG is made of the SVG: the chart is laid out once, and both look alike
    svg = vl_convert.vegalite_to_svg(chart.to_dict())
    return {f"{name}.png": vl_convert.svg_to_png(svg, scale=PNG_SCALE), f"{name}.svg": svg.encode()}

"""The figures of docs/benchmarks.md: `python docs/figures.py` draws them again, next to it.

Speeds are what the benchmarks printed (`make benchmark`, benchmarks/sweep_scale.py) on the machines that are named;
whoever measures again changes them here. The plan's figure is computed.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import altair as alt
import polars as pl
import vl_convert

DOCS = Path(__file__).parent
FONT = "Liberation Sans, Arial, Helvetica, sans-serif"
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#6b6b6b"  # Okabe and Ito (2008)
FAMILIES = {"vit": ("ViT", BLUE), "resnet": ("ResNet", ORANGE), "hybrid": ("Hybrid", GREEN)}
SPEEDS = (  # what was timed, our training steps per second over timm's
    ("ViT-L/16, H100, both compiled in bf16", 1.11),
    ("R50x1, H100, both compiled in bf16", 1.24),
    ("ViT-Ti/16, CPU, both compiled in bf16", 1.7),
    ("R50x1, CPU, both in bf16", 1.5),
    ("ViT-Ti/16, CPU, ours compiled in bf16, timm's eager in fp32", 2.8),
    ("R50x1, CPU, ours in bf16, timm's in fp32", 2.3),
)
TRIALS_PER_SECOND = 75  # trials that do nothing, on 2 cores


def steps() -> Any:
    """Training steps relative to timm's."""
    rows = pl.DataFrame(SPEEDS, schema=["what", "ratio"], orient="row").with_columns(
        label=pl.format("{} x", pl.col("ratio").round(2))
    )
    base = alt.Chart(rows).encode(
        y=alt.Y("what:N", sort=None, title=None, axis=alt.Axis(labelLimit=440, ticks=False, domain=False)),
        x=alt.X(
            "ratio:Q",
            title="training steps per second, relative to timm",
            scale=alt.Scale(domain=[0, 3.2]),
            axis=alt.Axis(values=[0, 1, 2, 3]),
        ),
    )
    even = alt.Chart(pl.DataFrame({"x": [1.0]})).mark_rule(color=GREY, strokeDash=[4, 3]).encode(x="x:Q")
    bars = base.mark_bar(color=BLUE, height=16)
    return alt.layer(bars, base.mark_text(align="left", dx=5).encode(text="label:N"), even).properties(width=380)


def trials() -> Any:
    """How long trials must be for slots that are busy 95 % of the time."""
    slots = [2, 4, 8, 16, 32, 64]
    rows = pl.DataFrame({"slots": slots, "seconds": [19 * n / TRIALS_PER_SECOND for n in slots]}).with_columns(
        label=pl.format("{} s", pl.col("seconds").round(1))
    )
    base = alt.Chart(rows).encode(
        x=alt.X(
            "slots:Q", title="trials side by side", scale=alt.Scale(type="log", base=2), axis=alt.Axis(values=slots)
        ),
        y=alt.Y(
            "seconds:Q",
            title="shortest trial, seconds",
            scale=alt.Scale(type="log"),
            axis=alt.Axis(values=[1, 3, 10]),
        ),
    )
    line = base.mark_line(color=BLUE, point=alt.OverlayMarkDef(color=BLUE, size=50))
    return alt.layer(line, base.mark_text(dy=14, dx=18).encode(text="label:N")).properties(width=380, height=240)


def plan() -> Any:
    """exaFLOPs by the closed forms over those of the paper's Table 6, per run."""
    planned = _json("scaling/run_study.py", "vit_paper", "--plan", "--json")["runs"]
    printed = _json("-m", "analysis", "frontier", "published/table6", "--json")["points"]
    theirs = {(point["name"], point["epochs"]): point["exaflops_valid"] for point in printed}
    rows = pl.DataFrame(
        {"family": FAMILIES[run["family"]][0], "printed": theirs[key], "ratio": run["exaflops_valid"] / theirs[key]}
        for run in planned
        if (key := (run["name"], run["epochs"])) in theirs
    )
    colours = alt.Scale(domain=[name for name, _ in FAMILIES.values()], range=[c for _, c in FAMILIES.values()])
    points = (
        alt.Chart(rows)
        .mark_point(filled=True, size=70, opacity=0.9)
        .encode(
            x=alt.X("printed:Q", title="exaFLOPs of pre-training in Table 6", scale=alt.Scale(type="log")),
            y=alt.Y("ratio:Q", title="planned / printed", scale=alt.Scale(domain=[0.9, 1.1], zero=False)),
            color=alt.Color("family:N", title=None, scale=colours, legend=alt.Legend(orient="top")),
        )
    )
    even = alt.Chart(pl.DataFrame({"y": [1.0]})).mark_rule(color=GREY, strokeDash=[4, 3]).encode(y="y:Q")
    return alt.layer(even, points).properties(width=440, height=220)


def _json(*arguments: str) -> Any:
    done = subprocess.run([sys.executable, *arguments], cwd=DOCS.parent, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def png(chart: Any) -> bytes:
    text: dict[str, Any] = {
        "labelFont": FONT,
        "titleFont": FONT,
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
    }
    made = chart.configure_axis(**text, grid=False).configure_legend(**text).configure_text(font=FONT, fontSize=12)
    made = made.configure_view(stroke=None).properties(background="white", padding=12)
    return vl_convert.svg_to_png(vl_convert.vegalite_to_svg(made.to_dict()), scale=2.0)


if __name__ == "__main__":
    for name, draw in {"steps": steps, "trials": trials, "plan": plan}.items():
        (DOCS / f"benchmark_{name}.png").write_bytes(png(draw()))

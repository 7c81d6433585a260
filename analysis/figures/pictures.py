"""Pictures inside charts: arrays as PNG, small pictures in a grid, and a colour map."""

import base64
import io
from typing import Any

import altair as alt
import numpy as np
from PIL import Image

from analysis.figures import style

SIDE = 230  # px, the width of a picture in a figure


PIXELS = 448  # of a mosaic's width, about; more make the figure's file larger and nothing clearer


VIRIDIS = ((68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37))  # RGB at 0, 1/4, … 1


def mosaic(tiles: list[np.ndarray], columns: int) -> np.ndarray:
    """Square tiles [side, side, 3] in [0, 255] in rows of `columns`, on white: [height, width, 3] bytes."""
    side = tiles[0].shape[0]
    scale = max(1, PIXELS // (columns * (side + 1)))
    step = side * scale + max(2, scale // 2)
    count = -(-len(tiles) // columns)
    sheet = np.full((count * step, min(columns, len(tiles)) * step, 3), 255, np.uint8)
    for place, tile in enumerate(tiles):
        top, left = (step * at for at in divmod(place, columns))
        # every pixel becomes a square: interpolation would smooth what is to be looked at
        large = np.kron(tile, np.ones((scale, scale, 1))).round().astype(np.uint8)
        sheet[top : top + side * scale, left : left + side * scale] = large
    return sheet


def viridis(shares: np.ndarray) -> np.ndarray:
    """Values in [0, 1] as colours [..., 3] in [0, 255], in viridis: perceptually even, also for the colour-blind."""
    stops = np.linspace(0, 1, len(VIRIDIS))
    return np.stack([np.interp(shares, stops, channel) for channel in np.array(VIRIDIS).T], -1)


def scale_bar(low: float, high: float, text: str) -> Any:
    """A bar of the colours of `viridis`, with the values of its ends and its middle below."""
    strip = viridis(np.linspace(0, 1, 256))[None].repeat(8, 0).round().astype(np.uint8)
    axis = alt.Axis(values=[low, (low + high) / 2, high], format="~g", grid=False)
    at = {"x": alt.X("x:Q", title=text, axis=axis).scale(domain=[low, high], nice=False), "url": "url:N"}
    bar = alt.Chart(style.data([{"x": (low + high) / 2, "url": png_url(strip)}]))
    return (
        bar.mark_image(width=SIDE, height=12, aspect=False, aria=False).encode(**at).properties(width=SIDE, height=12)
    )


def picture(pixels: np.ndarray, title: str, words: str, width: int = SIDE) -> Any:
    """A panel that is a picture ([height, width, 3] bytes), without axes; `words` are its subtitle."""
    height = round(width * pixels.shape[0] / pixels.shape[1])
    about = f"{title}: {words}"
    base = alt.Chart(style.data([{"url": png_url(pixels), "about": about}]))
    image = base.mark_image(width=width, height=height, aspect=False).encode(
        x=alt.value(width / 2), y=alt.value(height / 2), url="url:N", description="about:N"
    )
    return image.properties(width=width, height=height, title=style.panel_title(title, words))


def png_url(pixels: np.ndarray) -> str:
    """A picture as a data URL of a PNG, so that the figure stays one file."""
    sink = io.BytesIO()
    Image.fromarray(pixels).save(sink, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(sink.getvalue()).decode()

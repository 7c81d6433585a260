"""The fifteen corruptions of ImageNet-C and CIFAR-10-C (Hendrycks & Dietterich 2019), made on the fly.

Strengths are those of the two benchmarks: at 32 pixels on a side CIFAR-10-C's, at 224 ImageNet-C's, and in between they
are interpolated in the logarithm of the side; smaller and larger images take those of 32 and of 224. Random numbers are
a function of (corruption, severity, index, seed) alone, so that every model sees the same images.

It differs from the published sets where these need what is not there: frost is a procedural texture, no photographs of
ice; motion blur takes whole pixels along its line, as ImageMagick does; elastic and affine displacement are one
interpolation, not two. Images are corrupted after they are resized to the model's resolution.
"""

import io
import math
from collections.abc import Callable

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image
from scipy import ndimage

from scaling.data.corruptions.strengths import STRENGTHS
from scaling.specs import CORRUPTIONS

Picture = Float[np.ndarray, "R R 3"]  # colours in [0, 1]
Plane = Float[np.ndarray, "R R"]
Random = np.random.Generator
SMALL, LARGE = 32, 224  # pixels on a side of CIFAR-10-C and of ImageNet-C


def corrupt(
    image: UInt8[np.ndarray, "R R 3"], corruption: str, severity: int, *, index: int = 0, seed: int = 0
) -> UInt8[np.ndarray, "R R 3"]:
    """A corrupted copy of a square image. Severity is 1 (weak) to 5 (strong).

    Raises ValueError for another corruption, severity or shape.
    """
    side = image.shape[0]
    if image.shape != (side, side, 3):
        raise ValueError(f"an image to corrupt must be square, [R, R, 3], got {image.shape}")
    if corruption not in CORRUPTIONS:
        raise ValueError(f"corruption must be one of {', '.join(CORRUPTIONS)}, got {corruption!r}")
    if severity not in range(1, 6):
        raise ValueError(f"severity must be 1 to 5, got {severity}")
    small, large = STRENGTHS[corruption]
    near = min(max(math.log(side / SMALL) / math.log(LARGE / SMALL), 0.0), 1.0)  # 0 at 32 pixels, 1 at 224
    pairs = zip(small[severity - 1], large[severity - 1], strict=True)
    strengths = [(1 - near) * a + near * b for a, b in pairs]
    random = np.random.default_rng([seed, CORRUPTIONS.index(corruption), severity, index])
    # float64: a corruption is then the same on every machine but for the last bit, and rounded below.
    x = FUNCTIONS[corruption](image / 255.0, random, *strengths)
    y: UInt8[np.ndarray, "R R 3"] = (np.clip(x, 0, 1) * 255).round().astype(np.uint8)
    return y


def _gaussian_noise(x: Picture, random: Random, std: float) -> Picture:
    return x + random.normal(size=x.shape, scale=std)


def _shot_noise(x: Picture, random: Random, photons: float) -> Picture:
    return random.poisson(x * photons) / photons


def _impulse_noise(x: Picture, random: Random, share: float) -> Picture:
    """Salt and pepper, half each, of single values."""
    u = random.uniform(size=x.shape)
    return np.where(u < share / 2, 0.0, np.where(u < share, 1.0, x))


def _defocus_blur(x: Picture, random: Random, radius: float, alias_blur: float) -> Picture:
    reach = max(8, math.ceil(radius))
    row, column = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disk = (row**2 + column**2 <= radius**2).astype(float)
    edge = 1 if radius <= 8 else 2
    disk = ndimage.gaussian_filter(disk / disk.sum(), alias_blur, radius=edge, mode="mirror")
    return _filtered(x, disk)


def _glass_blur(x: Picture, random: Random, sigma: float, reach: float, times: float) -> Picture:
    """Each pixel, from the last to the first, is exchanged with one nearby, between two slight blurs."""
    side, d = len(x), round(reach)
    x = _blurred(x, sigma)
    place = list(range(side * side))  # as a list: single exchanges are ten times as fast as in an array
    inside = range(side - d - 1, d - 1, -1)
    for _ in range(round(times)):
        shift = random.integers(-d, d, size=(len(inside) ** 2, 2)) @ np.array([side, 1])
        here = (row * side + column for row in inside for column in inside)
        for a, by in zip(here, shift.tolist(), strict=True):
            place[a], place[a + by] = place[a + by], place[a]
    return _blurred(x.reshape(-1, 3)[place].reshape(x.shape), sigma)


def _motion_blur(x: Picture, random: Random, radius: float, sigma: float) -> Picture:
    return _moved(x, radius, sigma, random.uniform(-45, 45))


def _zoom_blur(x: Picture, random: Random, most: float, step: float) -> Picture:
    factors = np.arange(1, most, step)
    return (x + sum(_zoomed(x, factor) for factor in factors)) / (len(factors) + 1)


def _snow(
    x: Picture,
    random: Random,
    mean: float,
    std: float,
    zoom: float,
    least: float,
    radius: float,
    sigma: float,
    share: float,
) -> Picture:
    flakes = _zoomed(random.normal(mean, std, size=x.shape[:2])[..., None], zoom)
    flakes = np.clip(np.where(flakes < least, 0.0, flakes), 0, 1)
    flakes = _moved(flakes, radius, sigma, random.uniform(-135, -45))
    grey = (x @ np.array([0.299, 0.587, 0.114]))[..., None]
    y: Picture = share * x + (1 - share) * np.maximum(x, grey * 1.5 + 0.5) + flakes + flakes[::-1, ::-1]
    return y


def _frost(x: Picture, random: Random, share: float, frost: float) -> Picture:
    """Ice is the ridges of a plasma, bluish white: crystals with sharp edges and soft fields between them."""
    side = len(x)
    ridges = 1 - np.abs(2 * _plasma(random, side, 1.6) - 1)
    grain = _plasma(random, side, 1.2)
    ice = np.clip(0.75 * ridges**2 + 0.35 * grain, 0, 1)
    y: Picture = share * x + frost * ice[..., None] * np.array([0.88, 0.95, 1.0])
    return y


def _fog(x: Picture, random: Random, strength: float, decay: float) -> Picture:
    highest = x.max()
    y: Picture = (x + strength * _plasma(random, len(x), decay)[..., None]) * highest / (highest + strength)
    return y


def _brightness(x: Picture, random: Random, by: float) -> Picture:
    """The value of HSV is raised; hue and saturation stay."""
    value = x.max(axis=2, keepdims=True)
    raised = np.clip(value + by, 0, 1)
    y: Picture = np.where(value > 0, x * raised / np.where(value > 0, value, 1), raised)
    return y


def _contrast(x: Picture, random: Random, kept: float) -> Picture:
    mean = x.mean(axis=(0, 1))
    y: Picture = (x - mean) * kept + mean
    return y


def _elastic_transform(x: Picture, random: Random, alpha: float, sigma: float, affine: float) -> Picture:
    """Smooth displacements, over a random affine map. Lengths are shares of the side."""
    side = len(x)
    third = side // 3
    corners = side // 2 + np.array([[third, third], [third, -third], [-third, -third]], float)
    moved = corners + random.uniform(-affine * side, affine * side, size=(3, 2))
    back = np.linalg.solve(np.column_stack([moved, np.ones(3)]), corners)  # [3, 2]: where a pixel comes from
    grid = np.indices((side, side)).reshape(2, -1).T.astype(float)
    for axis in range(2):
        field = ndimage.gaussian_filter(random.uniform(-1, 1, (side, side)), sigma * side, mode="reflect", truncate=3)
        grid[:, axis] += alpha * side * field.reshape(-1)
    source = np.column_stack([grid, np.ones(len(grid))]) @ back
    planes = [ndimage.map_coordinates(x[..., c], source.T, order=1, mode="mirror") for c in range(3)]
    return np.stack(planes, axis=-1).reshape(x.shape)


def _pixelate(x: Picture, random: Random, share: float) -> Picture:
    side = len(x)
    small = _as_image(x).resize((int(side * share),) * 2, Image.Resampling.BOX)
    return np.asarray(small.resize((side, side), Image.Resampling.BOX)) / 255.0


def _jpeg_compression(x: Picture, random: Random, quality: float) -> Picture:
    file = io.BytesIO()
    _as_image(x).save(file, "JPEG", quality=round(quality))
    return np.asarray(Image.open(file)) / 255.0


def _as_image(x: Picture) -> Image.Image:
    return Image.fromarray((x * 255).round().astype(np.uint8))


def _filtered(x: Picture, kernel: Float[np.ndarray, "k k"]) -> Picture:
    return np.stack([ndimage.convolve(x[..., c], kernel, mode="mirror") for c in range(x.shape[2])], axis=-1)


def _blurred(x: Picture, sigma: float) -> Picture:
    y: Picture = ndimage.gaussian_filter(x, (sigma, sigma, 0), mode="nearest")
    return y


def _zoomed(x: Float[np.ndarray, "R R C"], factor: float) -> Float[np.ndarray, "R R C"]:
    """The middle of an image, enlarged to its size."""
    centre = (len(x) - 1) / 2
    where = (np.indices(x.shape[:2]) - centre) / factor + centre
    planes = [ndimage.map_coordinates(x[..., c], where, order=1, mode="nearest") for c in range(x.shape[2])]
    return np.stack(planes, axis=-1)


def _moved(x: Float[np.ndarray, "R R C"], radius: float, sigma: float, degrees: float) -> Float[np.ndarray, "R R C"]:
    """A mean of copies along a line, to one side, whose weights fall like a Gaussian."""
    steps = np.arange(2 * math.ceil(radius) + 1)
    weights = np.exp(-(steps**2) / (2 * sigma**2))
    weights /= weights.sum()
    angle, places = math.radians(degrees), np.arange(len(x))
    out = np.zeros_like(x)
    for step, weight in zip(steps.tolist(), weights.tolist(), strict=True):
        rows = np.clip(places + round(step * math.sin(angle)), 0, len(x) - 1)
        columns = np.clip(places + round(step * math.cos(angle)), 0, len(x) - 1)
        out += weight * x[rows[:, None], columns]
    return out


def _plasma(random: Random, side: int, decay: float) -> Plane:
    """A fractal in [0, 1], by midpoint displacement on a torus (diamond-square): each half of the distance has
    displacements `decay`^2 times as small, as in the authors' code."""
    size = 2 ** math.ceil(math.log2(max(side, 2)))
    field, step, spread = np.zeros((size, size)), size, 1.0
    while step > 1:
        half = step // 2
        centres = field[::step, ::step]
        around = centres + np.roll(centres, -1, 0)
        around = (around + np.roll(around, -1, 1)) / 4  # of each square, its four corners
        squares = field[half::step, half::step] = around + random.uniform(-spread, spread, around.shape)
        for axis in range(2):  # of each diamond on an edge: two corners, and the middles of two squares
            edges = centres + np.roll(centres, -1, 1 - axis) + squares + np.roll(squares, 1, axis)
            place = (slice(0, None, step), slice(half, None, step))
            field[place if axis == 0 else place[::-1]] = edges / 4 + random.uniform(-spread, spread, edges.shape)
        step, spread = half, spread / decay**2
    field = field[:side, :side] - field[:side, :side].min()
    plane: Plane = field / max(field.max(), 1e-12)
    return plane


FUNCTIONS: dict[str, Callable[..., Picture]] = {
    "gaussian_noise": _gaussian_noise,
    "shot_noise": _shot_noise,
    "impulse_noise": _impulse_noise,
    "defocus_blur": _defocus_blur,
    "glass_blur": _glass_blur,
    "motion_blur": _motion_blur,
    "zoom_blur": _zoom_blur,
    "snow": _snow,
    "frost": _frost,
    "fog": _fog,
    "brightness": _brightness,
    "contrast": _contrast,
    "elastic_transform": _elastic_transform,
    "pixelate": _pixelate,
    "jpeg_compression": _jpeg_compression,
}

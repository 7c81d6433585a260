"""Images of iterated function systems: an upstream data set that needs no download.

A class is one random set of contractive affine maps. Its images show the set's attractor, drawn by the chaos game; each
has slightly perturbed maps and a rotation, mirroring, scale, place and colours of its own (Kataoka et al. 2020,
'Pre-training without natural images'; maps by singular values as in Anderson and Farrell 2022, 'Improving fractal
pre-training'). Every image is a function of (seed, class, number) alone, so a larger set contains the smaller ones.
"""

import numpy as np

from scaling.randomness import uniforms, words

GENERATOR = 1  # part of the fingerprint: raise it with every change that moves a pixel
MAX_MAPS = 4
TEST_NUMBERS = 1 << 32  # images of the test split are numbered from here on
CANDIDATES = 8  # systems that are tried per class and round
BLOCK = 64  # images that are drawn at once
LAP = 64  # points that walk at once in an image
SKIP = 12  # steps until a point is close to the attractor
MIN_FILL, MAX_FILL = 0.14, 0.55  # bounds on the share of a 32x32 grid's cells that an attractor fills


def render_ifs(seed: int, label: int, numbers: np.ndarray, size: int) -> np.ndarray:
    """Images of one class.

    Args:
        seed: seed of the whole set.
        label: the class.
        numbers: int64 [n], which images; those of the test split start at TEST_NUMBERS.
        size: pixels on a side.

    Returns:
        uint8 [n, size, size, 3].
    """
    # About two points for each pixel.
    system, steps = class_system(seed, label), int(np.clip(2 * size * size // LAP, 32, 1024))
    images = np.empty((len(numbers), size, size, 3), np.uint8)
    for i in range(0, len(numbers), BLOCK):
        block = numbers[i : i + BLOCK]
        u = uniforms(seed, _stream(1, label), block, 64)
        maps, weights = _perturbed(system, u[:, :24])
        x, y, last = _chaos_game(maps, weights, words(seed, _stream(2, label), block, (steps + SKIP) * LAP // 4))
        images[i : i + BLOCK] = _colour(_cells(*_place(x, y, u[:, 24:30]), size), last, u[:, 30:], size)
    return images


def class_system(seed: int, label: int) -> np.ndarray:
    """The first candidate of a class whose attractor fills neither too little nor too much of the image.

    Returns float64 [maps, 6]: two angles, two singular values and two offsets for each map.
    """
    count = 2 + int(uniforms(seed, _stream(4, label), np.arange(1), 1)[0, 0] * (MAX_MAPS - 1))
    steps = 32
    for attempt in range(64):
        numbers = attempt * CANDIDATES + np.arange(CANDIDATES)
        u = uniforms(seed, _stream(3, label), numbers, 6 * count).reshape(CANDIDATES, count, 6)
        systems = _candidates(u)
        bits = words(seed, _stream(5, label), numbers, (steps + SKIP) * LAP // 4)
        x, y, _ = _chaos_game(*_affine(systems), bits)
        # All uniforms 0.5: upright, not mirrored, in the middle.
        fill = _fill(*_place(x, y, np.full((CANDIDATES, 6), 0.5)))
        good = np.flatnonzero((fill >= MIN_FILL) & (fill <= MAX_FILL))
        if len(good):
            system: np.ndarray = systems[good[0]]
            return system
    raise AssertionError(f"no system for class {label} of seed {seed}")


def _stream(purpose: int, label: int) -> int:
    """A stream of random numbers of its own for each purpose and class, in place of an epoch."""
    return purpose << 40 | label


def _candidates(u: np.ndarray) -> np.ndarray:
    """Random maps from uniforms [c, maps, 6]: any angle, singular values below 1, offsets in a square."""
    angles = 2 * np.pi * u[..., :2]
    large = 0.4 + 0.5 * u[..., 2:3]
    small = large * (0.25 + 0.7 * u[..., 3:4])
    return np.concatenate([angles, large, small, 2 * u[..., 4:] - 1], axis=-1)


def _perturbed(system: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The class's maps, perturbed for each image by uniforms [n, 24]."""
    noise = 2 * u[:, : 6 * len(system)].reshape(len(u), len(system), 6) - 1
    angles = system[:, :2] + 0.15 * noise[..., :2]
    scales = np.minimum(system[:, 2:4] * (1 + 0.08 * noise[..., 2:4]), 0.95)  # contractive with any noise
    offsets = system[:, 4:] + 0.08 * noise[..., 4:]
    return _affine(np.concatenate([angles, scales, offsets], axis=-1))


def _affine(systems: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rotation x scaling x rotation + offset as (a, b, c, d, e, f) [n, maps, 6], and the probability of each map."""
    theta, phi, s, t, e, f = np.moveaxis(systems, -1, 0)
    ct, st, cp, sp = np.cos(theta), np.sin(theta), np.cos(phi), np.sin(phi)
    rows = [ct * s * cp - st * t * sp, -ct * s * sp - st * t * cp, st * s * cp + ct * t * sp, ct * t * cp - st * s * sp]
    # A map is taken as often as its image is large, which covers the attractor evenly; the rest is for flat maps.
    areas = s * t + 0.02
    return np.stack([*rows, e, f], axis=-1).astype(np.float32), areas / areas.sum(axis=-1, keepdims=True)


def _chaos_game(maps: np.ndarray, weights: np.ndarray, bits: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points of the attractors, x and y float32 [n, m], and the map that made each, int64 [n, m].

    `bits`: uint64 [n, steps * LAP / 4]; sixteen of them choose a map.
    """
    n, count = weights.shape
    choice = _choices(np.cumsum(weights, axis=1), bits).reshape(n, -1, LAP).transpose(1, 0, 2)
    coefficients = np.ascontiguousarray(maps.reshape(n * count, 6).T)
    xs, ys = np.empty((2, len(choice), n, LAP), np.float32)
    x, y = np.zeros((2, n, LAP), np.float32)
    for i, row in enumerate(choice + (np.arange(n) * count)[:, None]):
        a, b, c, d, e, f = coefficients.take(row, axis=1)
        x, y = a * x + b * y + e, c * x + d * y + f
        xs[i], ys[i] = x, y
    on = slice(SKIP, None)
    return tuple(np.moveaxis(array[on], 1, 0).reshape(n, -1) for array in (xs, ys, choice))  # type: ignore[return-value]


def _choices(cumulative: np.ndarray, bits: np.ndarray) -> np.ndarray:
    """Which map each point takes at each step: int64 [n, 4 * words]."""
    # Little-endian on every machine, so that the images are the same everywhere.
    numbers = np.ascontiguousarray(bits, "<u8").view("<u2")
    choice = np.zeros(numbers.shape, np.int64)
    for edge in (cumulative[:, :-1].T * 65536).astype(np.uint16):
        choice += numbers >= edge[:, None]
    return choice


def _place(x: np.ndarray, y: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points in the unit square: rotated by at most 25 degrees, mirrored, scaled and moved by uniforms [n, 6]."""
    (left, top), (right, bottom) = ([f(axis=1) for f in (x.min, y.min)], [f(axis=1) for f in (x.max, y.max)])
    angle = np.deg2rad(25.0) * (2 * u[:, 0] - 1)
    scale = (0.7 + 0.3 * u[:, 2]) / np.maximum(np.maximum(right - left, bottom - top), 1e-6)
    cos, sin = (f(angle) * scale for f in (np.cos, np.sin))
    mirror = np.where(u[:, 1] < 0.5, -1.0, 1.0)
    middle = ((left + right) / 2, (top + bottom) / 2)
    move = 0.5 + 0.2 * (u[:, 3:5] - 0.5)

    def turned(a: np.ndarray, b: np.ndarray, shift: np.ndarray) -> np.ndarray:
        offset = shift - a * middle[0] - b * middle[1]
        a, b, offset = (value.astype(np.float32)[:, None] for value in (a, b, offset))
        coordinates: np.ndarray = a * x + b * y + offset
        return coordinates

    return turned(mirror * cos, -sin, move[:, 0]), turned(mirror * sin, cos, move[:, 1])


def _cells(x: np.ndarray, y: np.ndarray, size: int) -> np.ndarray:
    """The pixel of each point, int64 [n, m], numbered through all n images; outliers go to the border."""
    columns, rows = (np.clip(axis * size, 0, size - 1).astype(np.int64) for axis in (x, y))
    cells: np.ndarray = rows * size + columns + (np.arange(len(x)) * size * size)[:, None]
    return cells


def _fill(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Share of a 32x32 grid's cells that each of n sets of points fills: float64 [n]."""
    hits = np.bincount(_cells(x, y, 32).ravel(), minlength=len(x) * 1024)
    filled: np.ndarray = (hits.reshape(len(x), 1024) > 0).mean(axis=1)
    return filled


def _colour(cells: np.ndarray, last: np.ndarray, u: np.ndarray, size: int) -> np.ndarray:
    """The images, uint8 [n, size, size, 3]: one colour per map over a plain background, all drawn for each image."""
    n, points = cells.shape
    hits = np.bincount((cells * MAX_MAPS + last).ravel(), minlength=n * size * size * MAX_MAPS)
    hits = hits.reshape(n, size * size, MAX_MAPS).astype(np.float32)
    palette = 0.35 + 0.65 * u[:, : 3 * MAX_MAPS].reshape(n, MAX_MAPS, 3).astype(np.float32)
    background = u[:, 12:15].astype(np.float32)[:, None] * 0.5
    light = u[:, 15] < 0.5  # half of them dark on light
    background[light], palette[light] = 1 - background[light], 1 - palette[light]
    total = hits @ np.ones((MAX_MAPS, 1), np.float32)
    colour = np.matmul(hits, palette) / np.maximum(total, 1)
    cover = 1 - np.exp(-total * (1.5 * size * size / points))
    pixels = background + (colour - background) * cover
    images: np.ndarray = (pixels * 255 + 0.5).astype(np.uint8).reshape(n, size, size, 3)
    return images

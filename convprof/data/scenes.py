"""Pictures with statistics like those of natural ones: leaves on leaves, with texture, light, blur and noise.

Dead leaves (Lee, Mumford, Huang 2001) are shapes of random place, size and colour that hide each other, their radii
from a power law: edges, occlusion and strong low frequencies. What is put on top makes pictures differ as photographs
do: flat or crowded, pale or vivid, dim or bright, sharp or soft, clean or noisy. Lengths are shares of the picture's
longer side where nothing else is said, values are 0..1, and ranges of two numbers are drawn from evenly in logarithms.
"""

from __future__ import annotations

import numpy as np

from convprof.data.columns import Array

Random = np.random.Generator

LEAVES = 60
LARGEST = 1.0
"""The largest radius."""
SMALLEST = (0.02, 0.2)
"""The smallest radius, one a picture."""
STRETCH = (0.4, 2.5)
"""A leaf's length over the geometric mean of length and width."""
HALF = 0.886
"""Half the side of a square with the area of the unit disc."""

AXES = np.array([[1, 1, 1], [1, 1, -2], [1, -1, 0]]) / np.sqrt([[3], [6], [2]])
"""Lightness, yellow against blue, red against green: along these the colours of photographs hardly correlate."""
SPREAD = (0.43, 0.15, 0.075)
"""Standard deviation of the leaves' colours along them."""
LUMINANCE = np.array([[0.299], [0.587], [0.114]], np.float32)
"""ITU-R 601, as for grey pictures from files."""

TEXTURE = 0.1
STRIPES = 0.2
STRIPED = 0.3
"""Share of the leaves that have stripes."""
WAVES = (2.0, 10.0)
"""Stripes across the picture."""
SHADE = 0.3
BRIGHTNESS = (0.47, 0.13)
"""Mean and standard deviation of a picture's mean."""
CONTRAST = (0.08, 0.38)
"""Least and largest standard deviation within a picture, evenly drawn."""
BLUR = 0.7
"""In pixels."""
NOISE = (0.005, 0.12)

STRIP = 1 << 16
"""Leaves times pixels that are looked at together."""


def draw(key: tuple[int, int], shape: tuple[int, int, int]) -> Array:
    """The picture called `key`, which alone decides on it: uint8 of `shape`, (height, width, 1 channel or 3)."""
    random = np.random.default_rng(key)
    height, width, channels = shape
    light = np.exp(SHADE * _clouds(random, height, width, 2))
    picture = _leaves(random, height, width) * light[..., None]
    if channels == 1:
        picture = picture @ LUMINANCE
    picture = _exposed(random, _blurred(random, picture))
    picture += _between(random, NOISE, 1) * random.standard_normal(shape, np.float32)
    return np.asarray(np.rint(255 * picture.clip(0, 1)), np.uint8)


def _leaves(random: Random, height: int, width: int) -> Array:
    """(height, width, 3): each pixel in the colour of the leaf on top, with that leaf's texture and stripes."""
    tops = _tops(random, height, width)
    colours = 0.5 + (SPREAD * random.standard_normal((LEAVES + 1, 3))) @ AXES
    roughness = TEXTURE * np.abs(random.standard_normal(LEAVES + 1))
    relief = roughness.astype(np.float32)[tops] * _clouds(random, height, width, 1) + _stripes(random, tops)
    return colours.astype(np.float32)[tops] + relief[..., None]


def _tops(random: Random, height: int, width: int) -> Array:
    """(height, width): the number of the leaf on top, LEAVES where the ground shows; every second is a square."""
    along, across = _frames(random, height, width)
    y, x = _positions(height, width)
    tops = np.empty((height, width), np.intp)
    rows = max(1, STRIP // (LEAVES * width))
    for start in range(0, height, rows):
        strip = slice(start, start + rows)
        u, v = ((a * x + b * y[strip] + c) ** 2 for a, b, c in (along, across))
        covered = np.ones((LEAVES + 1, *u.shape[1:]), np.bool_)
        covered[:LEAVES:2] = np.maximum(u[::2], v[::2]) < HALF**2
        covered[1:LEAVES:2] = u[1::2] + v[1::2] < 1
        tops[strip] = covered.argmax(0)
    return tops


def _frames(random: Random, height: int, width: int) -> tuple[Array, Array]:
    """The coordinates a x + b y + c in which each leaf is a unit disc or its square: twice (abc, LEAVES, 1, 1).

    Radii have a density of r^-3, with which pictures look alike however near one goes.
    """
    side = max(height, width)
    y, x = (random.uniform(-0.1, 1.1, LEAVES) * size / side for size in (height, width))
    radius = 1 / np.sqrt(random.uniform(LARGEST**-2, _between(random, SMALLEST, 1) ** -2, LEAVES))
    stretch = _between(random, STRETCH, LEAVES)
    angle = random.uniform(0, np.pi, LEAVES)
    cos, sin = np.cos(angle), np.sin(angle)
    along = np.stack([cos, sin, -cos * x - sin * y]) / (radius * stretch)
    across = np.stack([-sin, cos, sin * x - cos * y]) / (radius / stretch)
    return along.astype(np.float32)[..., None, None], across.astype(np.float32)[..., None, None]


def _stripes(random: Random, tops: Array) -> Array:
    """(height, width): waves of a strength, period and direction of its own on each leaf that has stripes."""
    count = LEAVES + 1
    strength = STRIPES * random.random(count) * (random.random(count) < STRIPED)
    waves = 2 * np.pi * _between(random, WAVES, count)
    angle = random.uniform(0, np.pi, count)
    phase = random.uniform(0, 2 * np.pi, count)
    numbers = np.stack([strength, waves * np.cos(angle), waves * np.sin(angle), phase], dtype=np.float32)
    height, a, b, c = numbers[:, tops]
    y, x = _positions(*tops.shape)
    return np.asarray(height * np.sin(a * x + b * y + c))


def _clouds(random: Random, height: int, width: int, slope: int) -> Array:
    """(height, width): Gaussian noise of amplitude frequency^-slope, mean 0 and standard deviation 1."""
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)).astype(np.float32)
    frequency[0, 0] = np.inf
    spectrum = random.standard_normal((*frequency.shape, 2), np.float32) / frequency[..., None] ** slope
    clouds = np.fft.irfft2(spectrum.view(np.complex64)[..., 0], (height, width))
    return np.asarray(clouds / clouds.std())


def _blurred(random: Random, picture: Array) -> Array:
    """The picture (height, width, channels), blurred by a Gaussian of a width of its own."""
    width = BLUR * abs(random.standard_normal())
    down, right = (_blur(size, width) for size in picture.shape[:2])
    return np.asarray(right @ (down @ picture.reshape(len(picture), -1)).reshape(picture.shape))


def _blur(size: int, width: float) -> Array:
    """(size, size): a Gaussian in each row, cut off at the borders, its sum 1."""
    distance = np.subtract.outer(np.arange(size), np.arange(size)) / max(width, 0.1)
    weights = np.exp(-(distance**2) / 2)
    return np.asarray(weights / weights.sum(1, keepdims=True), np.float32)


def _exposed(random: Random, picture: Array) -> Array:
    """The picture at a brightness and a contrast of its own."""
    contrast = random.uniform(*CONTRAST) / max(picture.std(), 1e-3)
    mean = random.normal(*BRIGHTNESS)
    return np.asarray((picture - picture.mean()) * np.float32(contrast) + np.float32(mean))


def _positions(height: int, width: int) -> tuple[Array, Array]:
    """(height, 1) and (1, width): y and x of the centres of the pixels."""
    y, x = (np.arange(0.5, size, dtype=np.float32) / max(height, width) for size in (height, width))
    return y[:, None], x[None]


def _between(random: Random, ends: tuple[float, float], count: int) -> Array:
    """(count,): numbers between two ends, evenly in logarithms."""
    low, high = np.log(ends)
    return np.exp(random.uniform(low, high, count))

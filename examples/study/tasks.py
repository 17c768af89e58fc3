"""The study's tasks: what a sensor reads, 8 bits a value, and the quantity that a net is to say from it.

Each is small enough to train in seconds. They differ in how sure a net can be of its answer, which is what decides
whether Hilbert heads pay: from a spot of light, whose place a net knows to a thousandth of the range, to the course of
a disease, of which it knows little.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Task:
    """One task.

    Attributes:
        name: of files.
        title, unit: for people.
        values: in the unit, at t = 0 and t = 1.
        make: (count, seed) -> inputs in [0, 1], float64 (count, inputs), and t in [0, 1], float64 (count,). Odd seeds
            are for training, even ones for tests; the two share no sample.
        circular: whether t = 1 is the same place as t = 0.
        window: inputs are a (height, width, channels) neighbourhood of one pixel of a grid.
    """

    name: str
    title: str
    unit: str
    values: tuple[float, float]
    make: Callable[[int, int], tuple[Array, Array]]
    circular: bool = False
    window: tuple[int, int, int] | None = None


def _read(values: Array) -> Array:
    """What an 8-bit converter makes of values in [0, 1]."""
    return np.asarray(np.clip(np.round(255 * values), 0, 255) / 255)


def spot(count: int, seed: int) -> tuple[Array, Array]:
    """A spot of light on a line of 64 pixels: width, height, background and noise vary."""
    rng = np.random.default_rng(seed)
    t = rng.random(count)
    centre, width = 4 + 55 * t[:, None], rng.uniform(1.3, 2.6, (count, 1))
    light = rng.uniform(0.4, 0.8, (count, 1)) * np.exp(-0.5 * ((np.arange(64) - centre) / width) ** 2)
    light += rng.uniform(0.03, 0.12, (count, 1)) + 0.04 * rng.standard_normal((count, 64))
    return _read(light), t


def tone(count: int, seed: int) -> tuple[Array, Array]:
    """Pitch of a tone from 48 samples: phase, loudness and the second harmonic vary; 2 % noise."""
    rng = np.random.default_rng(seed)
    t = rng.random(count)
    turns = (1.0 + 2.0 * t[:, None]) * np.arange(48) / 48
    phase = rng.random((count, 1))
    wave = np.sin(2 * np.pi * (turns + phase))
    wave += rng.uniform(0, 0.2, (count, 1)) * np.sin(4 * np.pi * (turns + phase))
    wave *= rng.uniform(0.6, 0.8, (count, 1))
    return _read(0.5 + 0.5 * wave + 0.02 * rng.standard_normal(wave.shape)), t


def flight(count: int, seed: int) -> tuple[Array, Array]:
    """Time of flight from a histogram of 48 bins: a second, later echo, ambient light and photon noise."""
    rng = np.random.default_rng(seed)
    t = rng.random(count)
    bins = np.arange(48)
    first = 3 + 40 * t[:, None]
    echo = first + rng.uniform(1.5, 8, (count, 1))
    photons = 200 * np.exp(-0.5 * ((bins - first) / 1.4) ** 2)
    photons += 200 * rng.uniform(0, 0.5, (count, 1)) * np.exp(-0.5 * ((bins - echo) / 1.8) ** 2)
    counted = rng.poisson(rng.uniform(0.3, 1.0, (count, 1)) * photons + rng.uniform(2, 12, (count, 1)))
    return _read(counted / 256), t


def thermistor(count: int, seed: int) -> tuple[Array, Array]:
    """Temperature from four thermistors in dividers of different resistors, four readings of each."""
    rng = np.random.default_rng(seed)
    t = rng.random(count)
    kelvin = 233.15 + 165 * t[:, None]
    ohms = 1e4 * np.exp(3950 * (1 / kelvin - 1 / 298.15))
    divider = np.array([1e3, 5e3, 2.2e4, 1e5]) * (1 + 0.002 * rng.standard_normal((count, 4)))
    volts = np.repeat(divider / (divider + ohms), 4, axis=1)
    return _read(volts + 0.004 * rng.standard_normal(volts.shape)), t


def encoder(count: int, seed: int) -> tuple[Array, Array]:
    """Angle of a magnet from eight Hall sensors round it: off centre, third harmonic, gains and offsets vary."""
    rng = np.random.default_rng(seed)
    t = rng.random(count)
    at = 2 * np.pi * (t[:, None] - np.arange(8) / 8)
    field = np.cos(at) + rng.uniform(0, 0.1, (count, 1)) * np.cos(3 * at) + 0.05 * rng.standard_normal((count, 1))
    field *= rng.uniform(0.6, 0.9, (count, 1)) * (1 + 0.01 * rng.standard_normal((count, 8)))
    return _read(0.5 + 0.45 * field + 0.004 * rng.standard_normal(field.shape)), t


def battery(count: int, seed: int) -> tuple[Array, Array]:
    """State of charge from 16 pairs of voltage and current: a flat plateau, unknown resistance and capacity."""
    rng = np.random.default_rng(seed)
    t = rng.random(count)
    current = np.cumsum(rng.normal(0, 0.12, (count, 16)), axis=1) + rng.uniform(-0.5, 0.5, (count, 1))
    charge = np.clip(t[:, None] + 0.01 * rng.uniform(0.7, 1.3, (count, 1)) * np.cumsum(current, axis=1), 0, 1)
    volts = 3.0 + 0.3 * charge + 0.25 * np.tanh(12 * (charge - 0.93)) + 0.35 * np.tanh(9 * (charge - 0.06))
    volts -= rng.uniform(0.03, 0.09, (count, 1)) * current
    volts += 0.004 * rng.standard_normal(volts.shape)
    return _read(np.concatenate([(volts - 2.2) / 1.8, 0.5 + current / 4], axis=1)), np.clip(charge[:, -1], 0, 1)


def spectrum(count: int, seed: int) -> tuple[Array, Array]:
    """Concentration of a substance from a spectrum of 40 bands, with two others and a sloping background."""
    rng = np.random.default_rng(seed)
    t = rng.random(count)
    band = np.arange(40)
    shapes = [np.exp(-0.5 * ((band - c) / w) ** 2) for c, w in ((14, 4), (20, 5), (29, 4))]
    amounts = np.stack([t, rng.random(count), rng.random(count)], axis=1)
    depth = amounts @ np.array(shapes) + rng.uniform(0, 0.2, (count, 1)) * band / 40
    return _read(np.exp(-1.2 * depth) + 0.003 * rng.standard_normal(depth.shape)), t


def grid(count: int, seed: int) -> tuple[Array, Array]:
    """Dense depth: phases of two modulation frequencies in a 3 x 3 neighbourhood of a slanted surface, four values each.

    The fine phase repeats five times within the range; the coarse one tells which time it is.
    """
    rng = np.random.default_rng(seed)
    t = rng.random(count)
    slant = rng.normal(0, 0.004, (count, 2))
    offset = np.stack(np.meshgrid([-1, 0, 1], [-1, 0, 1], indexing="ij"), axis=-1).reshape(9, 2)
    depth = t[:, None] + slant @ offset.T
    turns = 2 * np.pi * np.stack([0.9 * depth, 5 * depth], axis=-1)
    signal = np.stack([np.cos(turns), np.sin(turns)], axis=-1).reshape(count, 9, 4)
    signal = 0.5 + 0.45 * rng.uniform(0.6, 1, (count, 1, 1)) * signal + 0.02 * rng.standard_normal(signal.shape)
    return _read(signal.reshape(count, 36)), t


def digit(count: int, seed: int) -> tuple[Array, Array]:
    """Angle by which a handwritten digit was turned, -60 to 60 degrees, 8 x 8 pixels (scikit-learn's digits)."""
    from scipy.ndimage import rotate, zoom
    from sklearn.datasets import load_digits

    rng = np.random.default_rng(seed)
    images = load_digits().images / 16.0
    chosen = np.arange(0, 1400) if seed % 2 else np.arange(1400, len(images))
    t = rng.random(count)
    found = np.empty((count, 64))
    large = {}
    for index, pick in enumerate(rng.choice(chosen, count)):
        if pick not in large:
            large[pick] = zoom(images[pick], 3, order=1)
        turned = rotate(large[pick], 120 * t[index] - 60, reshape=False, order=1)
        found[index] = turned.reshape(8, 3, 8, 3).mean(axis=(1, 3)).reshape(64)
    return _read(found), t


def disease(count: int, seed: int) -> tuple[Array, Array]:
    """Progress of diabetes in a year from ten measurements (scikit-learn's 442 patients; fewer than asked for)."""
    from sklearn.datasets import load_diabetes

    data, target = load_diabetes(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(data))
    part = order[:300] if seed % 2 else order[300:]
    scaled = (data - data.min(axis=0)) / (data.max(axis=0) - data.min(axis=0))
    return _read(scaled[part]), (target[part] - 25.0) / (346.0 - 25.0)


TASKS: Mapping[str, Task] = {
    task.name: task
    for task in (
        Task("spot", "Spot on a line sensor", "pixels", (4.0, 59.0), spot),
        Task("tone", "Pitch of a tone", "cycles", (1.0, 3.0), tone),
        Task("flight", "Time of flight with an echo", "bins", (3.0, 43.0), flight),
        Task("thermistor", "Temperature by thermistors", "degC", (-40.0, 125.0), thermistor),
        Task("encoder", "Angle of a magnet", "degrees", (0.0, 360.0), encoder, circular=True),
        Task("battery", "State of charge", "%", (0.0, 100.0), battery),
        Task("spectrum", "Concentration by a spectrum", "%", (0.0, 100.0), spectrum),
        Task("grid", "Depth on a grid, two frequencies", "mm", (0.0, 3000.0), grid, window=(3, 3, 4)),
        Task("digit", "Angle of a digit", "degrees", (-60.0, 60.0), digit),
        Task("disease", "Progress of a disease", "points", (25.0, 346.0), disease),
    )
}

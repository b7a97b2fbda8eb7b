"""The five flowers: each function paints one bloom with its stem and leaves.

The arguments are the canvas, a random generator, the bloom's color (a key of `COLORS`), and its
position and radius on the canvas.
"""

from math import cos, pi, sin, sqrt

import numpy as np

from datasets.drawing.canvas import (
    SHADOW,
    UP,
    Frame,
    Petal,
    ball,
    blade,
    head,
    mix,
    ring,
    spiral_lattice,
    stem,
)
from datasets.drawing.colors import shaded, tint


def daisy(canvas, rng, color, x, y, radius):
    """Paints narrow petals with round tips around a small yellow disc."""
    stem(canvas, rng, x, y, radius)
    frame = head(canvas, rng, x, y, radius, max_tilt=1.1)
    count = int(rng.integers(9, 17))
    tip = tint(rng, color, 0.03)
    petal = Petal(tip, tip, 1.7 / count * rng.uniform(0.75, 1.05), 0.5, 0.22, veins=1.5)
    frame.shadow(0.85, 0.4)
    for layer in range(2):
        petal.base = tip * (0.62 + 0.3 * layer)
        ring(frame, rng, petal, count, phase=layer / 2, start=0.1)
    disc = rng.uniform(0.2, 0.3)
    dome = frame.raised(0.12, reach=1.4 * disc)
    dome.shadow(disc * 1.4, 0.45)
    florets(dome, disc, tint(rng, "yellow"), tint(rng, "orange") * 0.9, density=12)


def florets(frame, disc, rim, middle, density):
    """Paints a disc of florets in spirals, colored from `middle` to `rim`."""
    p, q = spiral_lattice(frame, (13, 21), density / sqrt(disc))
    bumps = np.clip(1 - 2 * np.hypot(p, q), 0, 1)
    out = np.clip(frame.radius / disc, 0, 1)
    shade = 0.65 + 0.5 * bumps + 0.25 * out * np.cos(frame.angle - frame.light)
    frame.paint(mix(middle, rim, out * out) * shade, frame.coverage(disc - frame.radius))


def dandelion(canvas, rng, color, x, y, radius):
    """Paints a dense head of thin petals, or the seed head if the color is white."""
    stem(canvas, rng, x, y, radius, 0.06)
    if color == "white":
        seed_ball(canvas, rng, x, y, 0.85 * radius)
    else:
        pompon(canvas, rng, color, x, y, 0.9 * radius)


def pompon(canvas, rng, color, x, y, radius):
    """Paints rings of petals with blunt tips, shorter and higher toward the middle."""
    frame = head(canvas, rng, x, y, radius, max_tilt=1.1)
    tip = tint(rng, color, 0.03)
    deep = shaded(tip)
    frame.shadow(1.1, 0.3)
    for length in (1.0, 0.93, 0.8, 0.64, 0.46, 0.28):
        count = int(rng.integers(24, 32) * (0.5 + 0.5 * length))
        base = deep * (0.9 - 0.3 * length)
        petal = Petal(base, tip, 2.3 / count * length, 0.5, 0.08, blend=0.8, veins=1, relief=0.1)
        row = frame.raised(0.3 * (1 - length), reach=1.25 * length)
        ring(row, rng, petal, count, rng.random(), 0.08, 0.02, length)


def seed_ball(canvas, rng, x, y, radius):
    """Paints a brown center, and thin rays that end in stars."""
    frame = Frame(canvas, x, y, radius, rng.uniform(0, 2 * pi))
    white = tint(rng, "white", 0.02)
    frame.paint(white * 0.8, 0.3 * np.clip(1.1 - frame.radius, 0, 1))
    ray = Petal(white * 0.7, white, 0.014, 0.05, 0.05)
    for _ in range(2):
        ring(frame, rng, ray, 26, rng.random(), 0.1, 0.1, 0.95)
    ball(frame, tint(rng, "brown", 0.02) * 1.3, 0.14)
    for density, arms in ((6.5, (8, 13)), (5.0, (13, 8))):
        p, q = spiral_lattice(frame, arms, density)
        spokes = np.abs(np.cos(3.5 * np.arctan2(q, p) + density))
        star = np.clip(1.25 - 2.2 * np.hypot(p, q), 0, 1) * spokes
        edge = np.clip((1.02 - frame.radius) / 0.1, 0, 1) * np.clip(frame.radius * 2, 0.2, 1)
        frame.paint(white, 0.85 * star * edge)


def rose(canvas, rng, color, x, y, radius):
    """Paints wide overlapping petals, smaller and darker toward the middle."""
    green = stem(canvas, rng, x, y, radius, 0.08)
    leaf = Petal(green * 0.6, green, 0.28, 0.6, 0.7, veins=4, midrib=0.15)
    for side in (-1, 1):
        length, direction = radius * rng.uniform(0.8, 1.2), pi / 2 - side * rng.uniform(0.5, 1.4)
        blade(canvas, leaf, x, y + 0.45 * radius, length, direction, bend=rng.normal(0, 0.1))
    frame = head(canvas, rng, x, y, 0.9 * radius, max_tilt=0.8)
    tip = tint(rng, color, 0.03)
    frame.shadow(1.15, 0.4)
    phase = rng.random()
    for layer in range(9):
        length = (1 - layer / 9.5) ** 1.15
        phase += 0.38 + rng.normal(0, 0.05)
        row = frame.raised(0.3 * layer / 9.5, reach=1.25 * length)
        rose_petals(row, rng, tip, length, 5 if layer < 3 else 3, phase)


def rose_petals(frame, rng, tip, length, count, phase):
    """Paints one ring of a rose: petals with rolled rims, each over the edge of the next."""
    turns = frame.angle * (count / (2 * pi)) + phase * count
    index = np.floor(turns)
    across = turns - index
    jitter = rng.normal(1, 0.06, count).astype(np.float32)[index.astype(int) % count]
    outline = length * jitter * (1 - 0.22 * np.abs(2 * across - 1) ** 3 - 0.1 * across)
    u = frame.radius / outline
    rim = np.clip((u - 0.82) / 0.14, 0, 1)
    lit = 0.12 * np.cos(frame.angle - frame.light)
    shade = (0.78 + 0.35 * rim + lit) * (1 - 0.3 * np.clip(1 - across * 5, 0, 1))
    frame.paint(SHADOW, 0.35 * np.clip((outline * 1.12 - frame.radius) / 0.12, 0, 1))
    color = mix(shaded(tip) * 0.85, tip, np.clip(u, 0, 1) ** 2) * shade
    frame.paint(color, frame.coverage(outline - frame.radius))


def sunflower(canvas, rng, color, x, y, radius):
    """Paints two rows of pointed petals around a large dark disc of seeds."""
    green = stem(canvas, rng, x, y, radius, 0.09)
    leaf = Petal(green * 0.55, green * 0.9, 0.38, 0.4, 0.9, veins=3, midrib=0.2)
    for side in (-1, 1):
        length, direction = radius * rng.uniform(0.8, 1.3), pi / 2 - side * rng.uniform(0.8, 1.6)
        below = radius * rng.uniform(0.7, 1.2)
        blade(canvas, leaf, x, y + below, length, direction, bend=rng.normal(0, 0.1))
    frame = head(canvas, rng, x, y, 1.1 * radius, max_tilt=0.9)
    disc = rng.uniform(0.4, 0.52)
    count = int(rng.integers(13, 19))
    tip = tint(rng, color, 0.03)
    petal = Petal(tip, tip, 1.75 / count, 0.55, 0.75, veins=1.5, relief=0.16)
    frame.shadow(1.0, 0.4)
    for layer in range(2):
        petal.base = shaded(tip) * (0.75 + 0.25 * layer)
        ring(frame, rng, petal, count, layer / 2, 0.08, disc * 0.8, 1.0 - 0.06 * layer)
    dome = frame.raised(0.06, reach=1.25 * disc)
    dome.shadow(disc * 1.25, 0.5)
    brown = tint(rng, "brown", 0.03)
    florets(dome, disc, brown * 1.5, brown * 0.8, density=11)
    middle = tint(rng, "pale_green") * 0.6 if rng.random() < 0.5 else brown * 0.6
    dome.paint(middle, 0.6 * np.clip((disc * 0.55 - dome.radius) / (disc * 0.3), 0, 1))


def tulip(canvas, rng, color, x, y, radius):
    """Paints an upright cup of pointed petals on a long stem between narrow leaves."""
    direction = UP + rng.normal(0, 0.3)
    height = radius * rng.uniform(1.5, 1.8)
    x, y = x - 0.5 * height * cos(direction), y - 0.5 * height * sin(direction)
    green = stem(canvas, rng, x, y, radius, 0.1, direction + pi)
    leaf = Petal(green * 0.7, green, 0.09, 0.35, 0.8, veins=3)
    for side in (-1, 1):
        foot, length = x + rng.normal(0, 0.05), radius * rng.uniform(1.5, 2.4)
        toward, bend = UP + side * rng.uniform(0.15, 0.6), side * rng.uniform(0, 0.3)
        blade(canvas, leaf, foot, y + 1.6 * radius + 0.1, length, toward, bend)
    tip = tint(rng, color, 0.03)
    base = shaded(tip) + np.array([0.03, 0.06, 0.0], np.float32)
    petal = Petal(base, tip, rng.uniform(0.26, 0.32), 0.45, rng.uniform(0.55, 0.85), relief=0.16)
    opening = rng.uniform(0.06, 0.45)
    # From back to front: brightness, length and sideways positions of the petals of a row.
    for brightness, length, sides in (
        (0.72, 0.95, (-0.45, 0.45)),
        (0.85, 1.0, (0.0,)),
        (0.95, 0.97, (-1.0, 1.0)),
        (1.08, 0.93, (rng.uniform(-0.25, 0.25),)),
    ):
        for side in sides:
            lit = brightness + 0.1 * cos(direction + side - canvas.light)
            foot_x = x - 0.11 * side * height * sin(direction)
            foot_y = y + 0.11 * side * height * cos(direction)
            toward = direction + side * opening
            long = height * length * rng.normal(1, 0.02)
            blade(canvas, petal, foot_x, foot_y, long, toward, -0.12 * side, lit)

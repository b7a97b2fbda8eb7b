"""The ten objects of the pre-training task, made of the same shapes as the flowers.

The arguments of each function are the canvas, a random generator, the object's color (a key of
`COLORS`), and its position and radius on the canvas.
"""

from math import cos, pi, sin

import numpy as np

from datasets.drawing.canvas import (
    UP,
    Frame,
    Petal,
    ball,
    blade,
    head,
    mix,
    paint_petal,
    ring,
    spiral_lattice,
    stem,
)
from datasets.drawing.colors import shaded, tint


def berries(canvas, rng, color, x, y, radius):
    """Paints a cluster of glossy balls between leaves."""
    green = stem(canvas, rng, x, y, radius, 0.06, rng.uniform(0, 2 * pi))
    leaf = Petal(green * 0.6, green, 0.3, 0.6, 0.6, veins=4, midrib=0.2)
    for _ in range(3):
        length, direction = radius * rng.uniform(1, 1.6), rng.uniform(0, 2 * pi)
        blade(canvas, leaf, x, y, length, direction, rng.normal(0, 0.1))
    count = int(rng.integers(5, 15))
    turn = rng.uniform(0, 2 * pi)
    skin = tint(rng, color, 0.03)
    for place in reversed(range(count)):
        out = 0.8 * radius * ((place + 0.3) / count) ** 0.5
        turn += 2.4 + rng.normal(0, 0.1)
        size = radius * 0.75 / count**0.4 * rng.normal(1, 0.06)
        frame = Frame(canvas, x + out * cos(turn), y + out * sin(turn), size)
        frame.shadow(1.25, 0.4)
        ball(frame, skin * rng.normal(1, 0.08), gloss=0.7)


def butterfly(canvas, rng, color, x, y, radius):
    """Paints two pairs of wings with dark, spotted margins on a narrow body."""
    frame = head(canvas, rng, x, y, radius, max_tilt=0.8)
    frame.shadow(0.9, 0.3)
    dark = tint(rng, "brown") * rng.uniform(0.3, 0.7)
    ground, spots = tint(rng, color, 0.03), tint(rng, "white")
    sweep = rng.normal(0, 0.1)
    across = np.abs(frame.y)
    for axis, length, width in ((2.15 + sweep, 0.85, 0.42), (1.05 + sweep, 1.15, 0.38)):
        u = (frame.x * cos(axis) + across * sin(axis)) / length
        v = (across * cos(axis) - frame.x * sin(axis)) / length
        paint_petal(frame, Petal(dark, dark, width, 0.8, 0.25), u, v)
        wing = Petal(shaded(ground), ground, 0.78 * width, 0.8, 0.3, veins=3, relief=0.2)
        paint_petal(frame, wing, u * 1.18, v)
        beads = np.hypot(u - 0.92, (v * 9 - np.rint(v * 9)) / 9)
        frame.paint(spots, frame.coverage(0.035 - beads) * (np.abs(v) < 0.6 * width))
    body = Petal(dark * 0.6, dark, 0.07, 0.3, 0.3)
    paint_petal(frame, body, frame.x + 0.45, frame.y)
    antenna = Petal(dark, dark, 0.012, 0.05, 0.05)
    u = (frame.x - 0.45) * 2
    paint_petal(frame, antenna, u, across - 0.05 - 0.12 * u)


def clover(canvas, rng, color, x, y, radius):
    """Paints leaves of three heart-shaped parts with a pale band."""
    green = tint(rng, color)
    pale = mix(green, tint(rng, "white"), np.float32(rng.uniform(0.1, 0.6)))
    for _ in range(rng.integers(2, 5)):
        size = radius * rng.uniform(0.55, 0.9)
        at_x, at_y = x + rng.normal(0, 0.55) * radius, y + rng.normal(0, 0.5) * radius
        stem(canvas, rng, at_x, at_y, size, 0.04)
        frame = head(canvas, rng, at_x, at_y, size, max_tilt=0.7)
        frame.shadow(1.0, 0.35)
        turns = frame.angle * 3 / (2 * pi)
        off = turns - np.rint(turns)
        notch = 0.3 * np.clip(1 - np.abs(off) * 5, 0, 1)
        outline = np.sqrt(np.maximum(np.cos(pi * off), 1e-6)) * (1 - notch)
        u = frame.radius / outline
        vein = 0.12 * np.cos(60 * off + 14 * frame.radius) * u
        rib = 0.25 * np.clip(1 - np.abs(off) * frame.radius * 25, 0, 1)
        lit = 0.1 * np.cos(frame.angle - frame.light)
        shade = (0.8 + 0.2 * u + vein + lit - rib) * rng.normal(1, 0.08)
        band = np.clip(1 - np.abs(u - 0.62 + 0.5 * np.abs(off)) * 8, 0, 1)
        frame.paint(mix(green, pale, band) * shade, frame.coverage(outline - frame.radius))


def fern(canvas, rng, color, x, y, radius):
    """Paints leaves with two rows of leaflets that get shorter toward the tip."""
    for _ in range(rng.integers(1, 4)):
        green = tint(rng, color)
        direction, bend = UP + rng.normal(0, 0.6), rng.normal(0, 0.25)
        length = radius * rng.uniform(2.0, 2.8)
        half = 0.5 * length
        middle = (x + rng.normal(0, 0.05), y + rng.normal(0, 0.05))
        frame = Frame(canvas, *middle, length, direction, reach=0.6 + abs(bend))
        along, across = frame.x + 0.5, frame.y - bend * frame.x * np.abs(frame.x)
        count = int(rng.integers(9, 16))
        steps = (along - 0.45 * np.abs(across)) * count
        leaflet = np.rint(steps)
        reach = (
            0.36
            * np.clip(1 - leaflet / count, 0.02, 1) ** 0.8
            * ((leaflet >= 0) & (leaflet < count))
        )
        petal = Petal(green * 0.7, green, 0.4 / count, 0.3, 0.5, veins=1.5)
        lit = 1 + 0.12 * np.sign(across) * sin(direction - canvas.light)
        paint_petal(frame, petal, np.abs(across) / (reach + 1e-4), (steps - leaflet) / count, lit)
        rib = Petal(green * 0.5, green * 0.8, 0.012, 0.05, 0.5)
        foot = (middle[0] - half * cos(direction), middle[1] - half * sin(direction))
        paint_petal(frame, rib, along, across)
        blade(canvas, rib, *foot, length, direction + pi, 0.1)


def lily(canvas, rng, color, x, y, radius):
    """Paints six pointed petals with dark spots, and stamens."""
    stem(canvas, rng, x, y, radius, 0.07)
    frame = head(canvas, rng, x, y, radius, max_tilt=1.0)
    tip = tint(rng, color, 0.03)
    petal = Petal(shaded(tip), tip, rng.uniform(0.22, 0.32), 0.6, 0.8, midrib=0.18, relief=0.16)
    frame.shadow(0.8, 0.4)
    for layer in range(2):
        ring(frame, rng, petal, 3, layer / 2, jitter=0.04)
    p, q = spiral_lattice(frame, (13, 21), 14)
    spots = np.clip(1 - 4 * np.hypot(p, q), 0, 1) * np.clip(1.4 - 2.4 * frame.radius, 0, 1)
    frame.paint(shaded(tip) * 0.4, rng.uniform(0, 1) * spots)
    frame.paint(tint(rng, "pale_green"), 0.7 * np.clip(1 - 4 * frame.radius, 0, 1))
    stamens(frame.raised(0.2), rng)


def stamens(frame, rng):
    """Paints six pale threads with brown ends."""
    pale, brown = tint(rng, "cream"), tint(rng, "brown", 0.03)
    ring(frame, rng, Petal(pale * 0.8, pale, 0.025, 0.05, 0.05), 6, 0.25, 0.02, length=0.5)
    for turn in (np.arange(6) - 0.25) * (pi / 3):
        ball(frame, brown * 1.3, 0.07, 0.5 * cos(turn), 0.5 * sin(turn))


def maple(canvas, rng, color, x, y, radius):
    """Paints leaves with five toothed lobes on thin stalks."""
    for _ in range(rng.integers(1, 3)):
        frame = head(canvas, rng, x, y, radius * 1.05, max_tilt=0.9)
        frame.shadow(0.8, 0.35)
        tip = tint(rng, color)
        edge = mix(tip, tint(rng, "green"), np.float32(rng.uniform(0, 0.5)))
        stalk = Petal(tip * 0.5, tip * 0.6, 0.02, 0.05, 0.05)
        paint_petal(frame, stalk, -frame.x * 0.9, frame.y - 0.1 * frame.x**2)
        for axis, length in ((2.0, 0.55), (-2.0, 0.55), (0.95, 0.85), (-0.95, 0.85), (0, 1.05)):
            lobe = Petal(edge, tip, 0.3, 0.42, 0.85, veins=3, relief=0.14, midrib=0.22)
            u = (frame.x * cos(axis) + frame.y * sin(axis)) / length + 0.04
            v = (frame.y * cos(axis) - frame.x * sin(axis)) / length
            teeth = np.abs((5 * u - 2 * np.abs(v)) % 1 - 0.5)
            lit = 1 + 0.1 * cos(axis - frame.light)
            paint_petal(frame, lobe, u, v * (0.75 + 0.9 * teeth), lit)
        x, y, radius = x + rng.normal(0, 0.15), y + rng.normal(0, 0.15), 0.8 * radius


def mushroom(canvas, rng, color, x, y, radius):
    """Paints a cap with gills, often with pale spots, on a thick pale stem."""
    lean = rng.normal(0, 0.2)
    pale = tint(rng, "cream")
    foot = Petal(pale * 0.9, pale * 0.55, rng.uniform(0.1, 0.2), 0.08, 0.12, veins=2.5, relief=0.2)
    length = radius * rng.uniform(1.3, 2.0)
    blade(canvas, foot, x, y - 0.1 * radius, length, -UP + lean, rng.normal(0, 0.08))
    frame = Frame(canvas, x, y, radius, lean)
    height, sag = rng.uniform(0.55, 0.95), rng.uniform(0.12, 0.3)
    rim = sag * np.sqrt(np.clip(1 - frame.x**2, 0, 1))
    gills = 0.55 + 0.25 * np.cos(40 * frame.x / (1.3 - frame.y))
    frame.paint(np.multiply.outer(pale, gills), frame.coverage(rim - np.abs(frame.y)))
    dome = np.where(frame.y < 0, frame.y / height, frame.y / (sag * 0.9))
    depth = 1 - np.hypot(frame.x, dome)
    skin = tint(rng, color, 0.03)
    facing = frame.x * cos(frame.light) + frame.y * sin(frame.light)
    shade = 0.75 + 0.35 * facing + 0.35 * np.sqrt(np.clip(depth, 0, 1))
    cap = frame.coverage(depth) * (frame.y < rim * 0.25)
    frame.paint(np.multiply.outer(skin, shade), cap)
    if rng.random() < 0.6:
        p, q = spiral_lattice(frame.raised(0), (3, 5), rng.uniform(3, 5))
        warts = np.clip((0.3 - np.hypot(p, q)) * 8, 0, 1)
        frame.paint(pale, cap * warts * np.clip(depth * 6, 0, 1))


def snail(canvas, rng, color, x, y, radius):
    """Paints a spiral shell on a body with two tentacles."""
    side = 1 if rng.random() < 0.5 else -1
    skin = tint(rng, "cream") * rng.uniform(0.45, 0.8)
    tilt = rng.normal(0, 0.35)
    direction = tilt if side > 0 else pi + tilt
    body = Petal(skin * 0.8, skin, 0.13, 0.5, 0.25, veins=4, relief=0.2)
    foot_x, foot_y = x - 1.1 * radius * cos(direction), y - 1.1 * radius * sin(direction)
    blade(canvas, body, foot_x, foot_y + 0.75 * radius, 2.9 * radius, direction, -0.08 * side)
    horn = Petal(skin * 0.9, skin * 0.8, 0.06, 0.1, 0.05)
    head_x, head_y = (
        foot_x + 2.75 * radius * cos(direction),
        foot_y + 2.75 * radius * sin(direction),
    )
    for spread in (0.2, 0.7):
        toward = direction - side * (spread + 0.4)
        blade(canvas, horn, head_x, head_y + 0.55 * radius, 0.55 * radius, toward)
    frame = Frame(canvas, x, y, radius, rng.normal(0, 0.4))
    frame.shadow(1.1, 0.3)
    shell = tint(rng, color, 0.03)
    winding = 1.25 * np.log(frame.radius + 1e-3) - side * frame.angle / (2 * pi)
    across = winding - np.floor(winding)
    tube = np.sqrt(np.clip(1 - (1.7 * across - 0.85) ** 2, 0, 1))
    ribs = 0.08 * np.cos(40 * frame.angle + 3 * winding)
    band = np.clip(1 - np.abs(across - 0.5) * rng.uniform(3, 9), 0, 1)
    lit = 0.3 * frame.radius * np.cos(frame.angle - frame.light)
    stripe = shell * 0.45 if rng.random() < 0.6 else shell
    colors = mix(shell, stripe, band) * (0.35 + 0.7 * tube + ribs + lit)
    frame.paint(colors, frame.coverage(1 - 0.06 * np.cos(frame.angle) - frame.radius))


def succulent(canvas, rng, color, x, y, radius):
    """Paints a rosette of thick pointed leaves with colored tips."""
    frame = head(canvas, rng, x, y, radius, max_tilt=0.7)
    green = tint(rng, rng.choice(("green", "pale_green", "dark_green")))
    green = mix(green, tint(rng, "blue"), np.float32(rng.uniform(0, 0.4)))
    tip = mix(green * 1.2, tint(rng, color), np.float32(rng.uniform(0.3, 0.9)))
    count, phase = int(rng.integers(6, 10)), rng.random()
    frame.shadow(1.1, 0.5)
    for layer in range(7):
        length = (1 - layer / 7.6) ** 1.1
        phase += 0.5 + rng.normal(0, 0.03)
        petal = Petal(green * 0.55, tip, 2.3 / count, 0.5, rng.uniform(0.5, 0.75), 1.3, 0.5, 0.16)
        rosette = frame.raised(0.25 * (1 - length), reach=1.25 * length)
        rosette.shadow(length * 1.1, 0.25)
        ring(rosette, rng, petal, count, phase, 0.03, 0.0, length)


def violet(canvas, rng, color, x, y, radius):
    """Paints five round petals: two above, two beside, a wide one below."""
    stem(canvas, rng, x, y, radius, 0.05)
    tilt = rng.uniform(0, 0.8)
    frame = Frame(canvas, x, y, radius, rng.normal(0, 0.4), tilt, rng.uniform(0, 2 * pi))
    tip, back = tint(rng, color, 0.03), tint(rng, rng.choice((color, "violet", "white")), 0.04)
    center = tint(rng, rng.choice(("violet", "brown", "yellow"))) * rng.uniform(0.5, 1)
    frame.shadow(0.8, 0.35)
    for axis, length, width, rim in (
        (UP - 0.45, 0.95, 0.42, back),
        (UP + 0.45, 0.95, 0.42, back),
        (0.15 - pi, 0.85, 0.44, tip),
        (-0.15, 0.85, 0.44, tip),
        (-UP, 0.85, 0.55, tip),
    ):
        u = (frame.x * cos(axis) + frame.y * sin(axis)) / length
        v = (frame.y * cos(axis) - frame.x * sin(axis)) / length
        petal = Petal(center, rim, width, 0.6, 0.25, blend=0.5, veins=2.5, relief=0.1)
        paint_petal(frame, petal, u, v * 1.02 + 0.02, 1 + 0.12 * cos(axis - frame.light))
        lines = np.clip(1 - np.abs(np.sin(9 * np.arctan2(v, u + 1e-6))) * 4, 0, 1)
        frame.paint(center * 0.4, 0.7 * lines * np.clip(1 - u * 2.2, 0, 1) * (u > 0) * (abs(v) < u))
    ball(frame, tint(rng, "yellow"), 0.1)

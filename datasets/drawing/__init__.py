"""The painter behind datasets/drawn.py: a canvas, a scene, and the things that stand in it."""

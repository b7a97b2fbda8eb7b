"""Draws the images of datasets/drawn.py: a canvas, the objects, and the scene around them."""

"""JPEG bytes -> the numbers a network was trained on: one module a scheme, one table of them."""

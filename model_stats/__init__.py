"""Parameters and arithmetic of a network, counted layer by layer on its graph."""

"""Plots in windows, for eval_flowers.py --show."""

import matplotlib.pyplot as plt


def show(paths):
    """Opens each PNG of `paths` in a window, until the windows are closed."""
    if plt.get_backend().lower() == "agg":
        print("--show: there is no display; the plots are in the files")
        return
    for path in paths:
        plt.figure(path.name).add_axes((0, 0, 1, 1), frame_on=False).imshow(plt.imread(path))
    plt.show()

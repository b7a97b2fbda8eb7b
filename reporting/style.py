"""How every plot looks: one set of colours and sizes, text that fits, pictures without a window.

Figures are made by hand and not through pyplot, so nothing here opens a window, reads the user's
matplotlibrc or leaves a setting changed.
"""

import bisect
import math
import unicodedata
from functools import cache
from pathlib import Path

import matplotlib.style
from matplotlib import font_manager
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.textpath import text_to_path

from files import written_aside

# Okabe and Ito, "Color Universal Design" (2008): told apart with any kind of colour vision.
BLUE, VERMILLION = "#0072B2", "#D55E00"
INK, GREY, LINE, PAPER = "#222222", "#666666", "#DDDDDD", "#FFFFFF"

# Shares from just above 0 to 1, light to dark; 0 itself is left white.
SHARES = ListedColormap(matplotlib.colormaps["Blues"]([0.12 + 0.88 * i / 255 for i in range(256)]))

POINTS_PER_INCH = 72
TEXT_SIZE = 9  # points
MARGIN = 0.12  # inches

RC = {
    "figure.dpi": 150,
    "savefig.dpi": 150,
    "figure.facecolor": PAPER,
    "figure.constrained_layout.w_pad": MARGIN,
    "figure.constrained_layout.h_pad": 0.7 * MARGIN,
    "font.size": TEXT_SIZE,
    "text.color": INK,
    "text.parse_math": False,  # class names hold $ and _, and mean them
    "axes.edgecolor": GREY,
    "axes.labelcolor": GREY,
    "axes.labelsize": TEXT_SIZE,
    "axes.titlesize": TEXT_SIZE + 1,
    "axes.titlelocation": "left",
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelsize": TEXT_SIZE - 1,
    "ytick.labelsize": TEXT_SIZE - 1,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "legend.frameon": False,
    "legend.handlelength": 1.4,
    "legend.fontsize": TEXT_SIZE,
    "lines.solid_capstyle": "round",
}

# DejaVu Sans comes with matplotlib and covers Latin, Greek, Cyrillic and more. For the letters that
# it lacks, those of the other fonts are asked that the machine has.
FONTS = (
    "DejaVu Sans",
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "WenQuanYi Micro Hei",
    "Microsoft YaHei",
    "Yu Gothic",
    "Malgun Gothic",
    "PingFang SC",
    "Hiragino Sans",
    "Arial Unicode MS",
    "Noto Sans Devanagari",
    "Noto Sans Thai",
)


def style():
    """The context in which figures are made and saved; outside it, nothing has changed."""
    return matplotlib.style.context({**RC, "font.family": list(_installed())}, after_reset=True)


def new_figure(width, height, title, subtitle):
    """Makes a figure with a headline.

    Args:
      width, height: in inches; the figure is wider where the subtitle needs it.
      title: what is shown, in a few words.
      subtitle: the figures to remember from it, in one line.

    Returns:
      The part below the headline, to add axes to; its `figure` is the one to save.
    """
    width = max(width, text_width(subtitle) + 2 * MARGIN)
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title, x=MARGIN / width, ha="left", size=TEXT_SIZE + 4, weight="bold")
    body = figure.subfigures()
    body.suptitle(subtitle, x=MARGIN / width, ha="left", size=TEXT_SIZE, color=GREY)
    return body


def save(figure, path):
    """Writes `figure` as a PNG to `path`, replaced only when the new one is whole; returns `path`.

    Raises:
      BadInput: the file cannot be written.
    """
    # Axes of a fixed aspect find their place in a second round of the layout, in savefig.
    figure.get_layout_engine().execute(figure)
    with written_aside(path) as aside:
        figure.savefig(aside, format="png")
    return Path(path)


def text_width(text, size=TEXT_SIZE, weight="normal"):
    """Measures a line of text of `size` points: its width in inches."""
    font = font_manager.FontProperties(size=size, weight=weight)
    width, _, _ = text_to_path.get_text_width_height_descent(text, font, ismath=False)
    return width / POINTS_PER_INCH


def fit(name, width, size=TEXT_SIZE, weight="normal"):
    """Shortens a name in the middle until it is at most `width` inches wide.

    Names that differ at their start or their end stay different. White space becomes single
    spaces, letters that were spelled in pieces (as macOS spells the accents of file names) become
    whole, and letters that no installed font can draw become squares.

    Returns:
      The name, or its start and end with an ellipsis between them.
    """
    whole = unicodedata.normalize("NFC", " ".join(name.split()))
    name = "".join(letter if _is_drawable(letter) else "□" for letter in whole)
    if name != whole:
        _tell_of_squares()
    if text_width(name, size, weight) <= width:
        return name

    def shortened(kept):
        return f"{name[: math.ceil(kept / 2)].rstrip()}…{name[len(name) - kept // 2 :].lstrip()}"

    def shortened_width(kept):
        return text_width(shortened(kept), size, weight)

    too_long = bisect.bisect_right(range(len(name)), width, key=shortened_width)
    return shortened(max(too_long - 1, 0))


@cache
def _installed():
    """Those of `FONTS` that are installed: name -> file."""
    files = {font.name: font.fname for font in font_manager.fontManager.ttflist}
    return {name: files[name] for name in FONTS if name in files}


@cache
def _is_drawable(letter):
    fonts = (font_manager.get_font(file) for file in _installed().values())
    return any(font.get_char_index(ord(letter)) for font in fonts)


@cache  # said once
def _tell_of_squares():
    print(
        "No installed font draws some letters of the names, so the plots show squares; install "
        f"{FONTS[1]}"
    )


def percent(share, decimals=0):
    """Spells a share in [0, 1] as '98 %'."""
    return f"{100 * share:.{decimals}f} %"


def counted(number, noun):
    """Spells a count of things with a regular plural: '1 photo', '1,234 photos'."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"

"""The style of every plot: colors, sizes, fonts, and text that fits.

Figures are made without pyplot, so nothing here opens a window, reads the user's matplotlibrc or
changes matplotlib's settings.
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
from matplotlib.ticker import FuncFormatter

from system.files import atomic_write

# Okabe and Ito, "Color Universal Design" (2008): distinct with any kind of color vision.
BLUE, VERMILION = "#0072B2", "#D55E00"
BLACK, GRAY, LIGHT_GRAY, WHITE = "#222222", "#666666", "#DDDDDD", "#FFFFFF"

# For proportions above 0; a cell with 0 stays white.
SHARE_COLORMAP = ListedColormap(
    matplotlib.colormaps["Blues"]([0.12 + 0.88 * i / 255 for i in range(256)])
)

POINTS_PER_INCH = 72
TEXT_SIZE = 9  # points
MARGIN = 0.12  # inches

RC_PARAMS = {
    "figure.dpi": 150,
    "savefig.dpi": 150,
    "figure.facecolor": WHITE,
    "figure.constrained_layout.w_pad": MARGIN,
    "figure.constrained_layout.h_pad": 0.7 * MARGIN,
    "font.size": TEXT_SIZE,
    "text.color": BLACK,
    "text.parse_math": False,  # class names may contain $ and _
    "axes.edgecolor": GRAY,
    "axes.labelcolor": GRAY,
    "axes.labelsize": TEXT_SIZE,
    "axes.titlesize": TEXT_SIZE + 1,
    "axes.titlelocation": "left",
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": LIGHT_GRAY,
    "grid.linewidth": 0.6,
    "xtick.color": GRAY,
    "ytick.color": GRAY,
    "xtick.labelsize": TEXT_SIZE - 1,
    "ytick.labelsize": TEXT_SIZE - 1,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "legend.frameon": False,
    "legend.handlelength": 1.4,
    "legend.fontsize": TEXT_SIZE,
    "lines.solid_capstyle": "round",
}

# DejaVu Sans comes with matplotlib and covers Latin, Greek, Cyrillic and more. The others are
# fallbacks for further scripts, used where they are installed.
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
    """The context to make and save figures in; it restores matplotlib's settings on exit."""
    return matplotlib.style.context(
        {**RC_PARAMS, "font.family": list(_installed_fonts())}, after_reset=True
    )


def new_figure(width, height, title, subtitle):
    """Makes a figure with a title and a subtitle.

    Args:
      width, height: in inches; the figure is wider if the subtitle needs it.
      title: the title of the figure.
      subtitle: one line with the main result.

    Returns:
      The subfigure below the title, to add axes to; its `figure` is the one to save.
    """
    width = max(width, text_width(subtitle) + 2 * MARGIN)
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title, x=MARGIN / width, ha="left", size=TEXT_SIZE + 4, weight="bold")
    body = figure.subfigures()
    body.suptitle(subtitle, x=MARGIN / width, ha="left", size=TEXT_SIZE, color=GRAY)
    return body


def message_figure(width, height, title, subtitle, message):
    """Makes a figure that shows a sentence instead of a plot; arguments as `new_figure`."""
    body = new_figure(width, height, title, subtitle)
    axes = body.subplots()
    axes.set_axis_off()
    axes.text(0.5, 0.5, message, ha="center", va="center", size=TEXT_SIZE + 1)
    return body.figure


def save(figure, path):
    """Writes `figure` as a PNG to `path`, replaced atomically; returns `path`.

    Raises:
      BadInput: the file cannot be written.
    """
    # Axes with a fixed aspect need a second pass of the layout, which savefig does.
    figure.get_layout_engine().execute(figure)
    with atomic_write(path) as temporary:
        figure.savefig(temporary, format="png")
    return Path(path)


def text_width(text, size=TEXT_SIZE, weight="normal"):
    """The width in inches of a line of text of `size` points."""
    font = font_manager.FontProperties(size=size, weight=weight)
    width, _, _ = text_to_path.get_text_width_height_descent(text, font, ismath=False)
    return width / POINTS_PER_INCH


def fit(name, width, size=TEXT_SIZE, weight="normal"):
    """Shortens a name to at most `width` inches by replacing its middle with an ellipsis.

    Also collapses white space, composes Unicode (macOS decomposes the accents of filenames), and
    replaces characters that no installed font contains with squares.
    """
    composed = unicodedata.normalize("NFC", " ".join(name.split()))
    name = "".join(char if _is_drawable(char) else "□" for char in composed)
    if name != composed:
        _warn_about_squares()
    if text_width(name, size, weight) <= width:
        return name

    def shortened(kept):
        return f"{name[: math.ceil(kept / 2)].rstrip()}…{name[len(name) - kept // 2 :].lstrip()}"

    def shortened_width(kept):
        return text_width(shortened(kept), size, weight)

    too_long = bisect.bisect_right(range(len(name)), width, key=shortened_width)
    return shortened(max(too_long - 1, 0))


@cache
def _installed_fonts():
    """The installed ones of `FONTS`: name -> file."""
    files = {font.name: font.fname for font in font_manager.fontManager.ttflist}
    return {name: files[name] for name in FONTS if name in files}


@cache
def _is_drawable(char):
    fonts = (font_manager.get_font(file) for file in _installed_fonts().values())
    return any(font.get_char_index(ord(char)) for font in fonts)


@cache  # once per process
def _warn_about_squares():
    print(
        "Plots show squares for characters that no installed font contains; install the font "
        f"{FONTS[1]}"
    )


def percent(share, decimals=0):
    """Formats a number in [0, 1] as '98 %'."""
    return f"{100 * share:.{decimals}f} %"


def counted(number, noun):
    """Formats a count with a regular plural: '1 image', '1,234 images'."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


PERCENT_TICKS = FuncFormatter(lambda share, _: percent(share))
COUNT_TICKS = FuncFormatter(lambda count, _: f"{count:,.0f}")

import pytest

from evaluation import plot_style
from evaluation.plot_style import counted, fit, percent, style, text_width


def test_long_name_is_shortened_in_the_middle():
    name = "black-footed ferret, polecat, Mustela nigripes"
    with style():
        assert fit(name, 9) == name
        short = fit(name, 1.2)
        assert text_width(short) <= 1.2 < text_width(short.replace("…", " xx…"))
        start, end = short.split("…")
        assert name.startswith(start) and name.endswith(end) and len(start) > 5 < len(end)
        assert fit(name, 0.01) == "…"


def test_white_space_is_collapsed_and_accents_are_composed():
    with style():
        assert fit(" rosa\n  canina\t", 9) == "rosa canina"
        assert fit("pa\u0308onie", 9) == "p\u00e4onie"


def test_characters_missing_from_all_fonts_become_squares_with_one_warning(capsys):
    plot_style._warn_about_squares.cache_clear()
    with style():
        assert fit("a.jpg", 9) == "a.jpg"
        assert capsys.readouterr().out == ""
        assert fit("a\U0010fffdb", 9) == "a□b"
        assert fit("\U0010fffe.jpg", 9) == fit("\U0010fffd.jpg", 9) == "□.jpg"
    assert capsys.readouterr().out == (
        "Plots show squares for characters that no installed font contains; install the font "
        "Noto Sans CJK SC\n"
    )


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 images"), (1, "1 image"), (1234, "1,234 images")]
)
def test_counts_have_plurals_and_separators(number, text):
    assert counted(number, "image") == text


def test_percentages_are_rounded():
    assert (percent(0.987), percent(0.9876, 1)) == ("99 %", "98.8 %")

import numpy as np
import pytest

from reporting.framed_photos import caption, framed_photos
from reporting.style import INK, save, style


@pytest.mark.parametrize("name", ["a.jpg", "a long name of a file " * 5])
@pytest.mark.parametrize("count", [1, 4, 7])
def test_frames_are_as_wide_as_promised_however_long_the_captions(tmp_path, count, name):
    photos = np.zeros([count, 12, 24, 3], np.uint8)
    with style():
        figure, frames, width = framed_photos(photos, "Photos", "a few")
        for axes in frames:
            caption(axes, width, (name, "5 %"), (name, ""), INK)
        save(figure, tmp_path / "photos.png")
        assert len(frames) == count
        for axes in frames:
            frame = axes.get_window_extent()
            assert frame.width / figure.dpi == pytest.approx(width, rel=0.05)
            assert frame.width == pytest.approx(2 * frame.height, rel=0.01)
            for text in axes.texts:
                if text.get_text():
                    assert text.get_window_extent().x1 <= frame.x1 + 0.02 * frame.width

import numpy as np
import pytest

from evaluation.framed_images import caption, frame_aspect, framed_images
from evaluation.plot_style import BLACK, save, style


@pytest.mark.parametrize("name", ["a.jpg", "a long filename " * 8])
@pytest.mark.parametrize("count", [1, 4, 7])
def test_frames_have_the_returned_width_and_contain_their_captions(tmp_path, count, name):
    images = np.zeros([count, 12, 24, 3], np.uint8)
    with style():
        figure, frames, width = framed_images(images, "Images", "a few")
        for axes in frames:
            caption(axes, width, (name, "5 %"), (name, ""), BLACK)
        save(figure, tmp_path / "images.png")
        assert len(frames) == count
        for axes in frames:
            frame = axes.get_window_extent()
            assert frame.width / figure.dpi == pytest.approx(width, rel=0.05)
            assert frame.width == pytest.approx(2 * frame.height, rel=0.01)
            for text in axes.texts:
                if text.get_text():
                    assert text.get_window_extent().x1 <= frame.x1 + 0.02 * frame.width


def test_frames_are_square_unless_all_images_are_wide():
    def image(height, width):
        return np.zeros((height, width, 3), np.uint8)

    assert frame_aspect([image(4, 3), image(2, 9)]) == 1
    assert frame_aspect(np.zeros((3, 5, 10, 3))) == 2
    assert frame_aspect([image(2, 3), image(2, 4)]) == 1.5
    assert frame_aspect([image(1, 9)]) == 2

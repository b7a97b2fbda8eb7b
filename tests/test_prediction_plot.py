import numpy as np
import pytest
from PIL import Image

from serving import prediction_plot
from serving.prediction_table import Prediction


@pytest.fixture
def figures(monkeypatch):
    saved = []
    save = prediction_plot.save
    monkeypatch.setattr(
        prediction_plot, "save", lambda figure, path: saved.append(figure) or save(figure, path)
    )
    return saved


def test_each_image_is_below_its_class_and_file_name(tmp_path, figures):
    colors = [(200, 10 * i, 90) for i in range(2)]  # each image has a color of its own
    images = [np.full((9, 4 + 20 * i, 3), colors[i], np.uint8) for i in range(2)]
    predictions = [
        Prediction("a.jpg", ["daisy", "tulips"], [0.75, 0.25]),
        Prediction("b/$x$.jpg", ["Rosa_$r$", "daisy"], [0.998, 0.002]),
    ]
    path = prediction_plot.plot_predictions(predictions, images, 1234, tmp_path / "p.png")
    page = np.array(Image.open(path).convert("RGB")).reshape(-1, 3)
    assert set(colors) <= set(map(tuple, page))
    first, second = (axes for axes in figures[0].subfigs[0].axes if axes.images)
    np.testing.assert_array_equal(first.images[0].get_array(), images[0])
    assert (first.get_title("left"), first.get_title("right")) == ("daisy", "75 %")
    assert first.texts[0].get_text() == "a.jpg"
    assert (second.get_title("left"), second.get_title("right")) == ("Rosa_$r$", "100 %")
    assert second.texts[0].get_text() == "b/$x$.jpg"
    assert figures[0].subfigs[0].get_suptitle() == "1,234 images, 2 shown"


def test_single_image(tmp_path, figures):
    image = np.zeros([3, 3, 3], np.uint8)
    prediction = Prediction("-", ["daisy"], [1.0])
    prediction_plot.plot_predictions([prediction], [image], 1, tmp_path / "p.png")
    assert figures[0].subfigs[0].get_suptitle() == "1 image"

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from datasets import drawn
from datasets.drawing.canvas import Canvas, Frame, Petal, ball, blade, ring
from system.errors import BadInput

ROOT = Path(__file__).parent.parent
CLASSES = [(task, name) for task, classes in drawn.TASKS.items() for name in classes]


def pixels_of(jpeg):
    with Image.open(io.BytesIO(jpeg)) as image:
        return np.asarray(image)


def files_in(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.jpg")}


def black_canvas(side=100):
    return Canvas(np.zeros((3, side, side), np.float32), light=0.0)


WHITE = np.ones(3, np.float32)


@pytest.mark.parametrize(("task", "name"), CLASSES)
@pytest.mark.parametrize("size", [16, 33, 128])
def test_every_class_is_drawn_at_every_size(task, name, size):
    for index in range(3):
        jpeg = drawn.draw_image(task, name, index, size)
        with Image.open(io.BytesIO(jpeg)) as image:
            assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (size, size))
            assert np.ptp(np.asarray(image)) > 50


def test_rounding_at_the_edge_of_a_clover_leaf_is_not_an_invalid_value():
    with np.errstate(invalid="raise"):  # cos(pi / 2) was rounded to just below 0 in this image
        drawn.draw_image("garden", "clovers", 299)


def test_image_depends_only_on_its_arguments():
    image = {"task": "flowers", "class_name": "roses", "index": 3, "size": 32, "seed": 1}
    others = (
        {"task": "garden", "class_name": "ferns"},
        {"class_name": "tulips"},
        {"index": 4},
        {"size": 40},
        {"seed": 2},
    )
    drawn.draw_image("garden", "snails", 0, 32)
    assert drawn.draw_image(**image) == drawn.draw_image(**image)
    assert len({drawn.draw_image(**{**image, **other}) for other in ({}, *others)}) == 6


def test_all_images_differ():
    images = [
        drawn.draw_image(task, name, index, 16) for task, name in CLASSES for index in range(5)
    ]
    assert len(set(images)) == len(images)


def test_tasks_have_no_class_in_common():
    flowers, garden = drawn.TASKS["flowers"], drawn.TASKS["garden"]
    assert list(flowers) == ["daisy", "dandelion", "roses", "sunflowers", "tulips"]
    assert len(garden) == 10
    assert not set(flowers) & set(garden)


def test_mean_color_does_not_separate_the_flowers():
    images_per_class, size = 50, 24
    features, labels = [], []
    for name in drawn.TASKS["flowers"]:
        for index in range(images_per_class):
            pixels = pixels_of(drawn.draw_image("flowers", name, index, size)) / 255
            middle = pixels[size // 4 : -size // 4, size // 4 : -size // 4]
            features.append([*pixels.mean(axis=(0, 1)), *middle.mean(axis=(0, 1))])
            labels.append(name)
    classifier = make_pipeline(
        PolynomialFeatures(2), StandardScaler(), LogisticRegression(max_iter=2000)
    )
    guesses = cross_val_predict(classifier, features, labels, cv=4)
    assert np.mean(guesses == np.array(labels)) < 0.75  # chance is 0.2


def test_draw_writes_the_images_of_draw_image(tmp_path):
    drawn.draw("flowers", tmp_path / "new" / "photos", 2, size=24, seed=5, progress=False)
    expected = {
        f"{name}/0000{index}.jpg": drawn.draw_image("flowers", name, index, 24, 5)
        for name in drawn.TASKS["flowers"]
        for index in range(2)
    }
    assert files_in(tmp_path / "new" / "photos") == expected
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["photos"]


def test_several_processes_draw_the_same_images_as_one(tmp_path, monkeypatch):
    drawn.draw("garden", tmp_path / "one", 2, size=16, progress=False)
    monkeypatch.setattr(drawn, "IMAGES_PER_WORKER", 10)
    monkeypatch.setattr(drawn.os, "cpu_count", lambda: 2)
    drawn.draw("garden", tmp_path / "several", 2, size=16, progress=False)
    assert files_in(tmp_path / "one") == files_in(tmp_path / "several")


def test_failed_drawing_leaves_no_files(tmp_path, monkeypatch):
    def full_disk(folder, task, size, seed, image):
        (folder / image[0] / "first.jpg").write_bytes(b"")
        raise OSError("no space left on device")

    monkeypatch.setattr(drawn, "_write_image", full_disk)
    with pytest.raises(OSError, match="no space left"):
        drawn.draw("flowers", tmp_path / "photos", 1, progress=False)
    assert list(tmp_path.iterdir()) == []


def test_existing_files_are_not_overwritten(tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    for taken in (tmp_path, tmp_path / "mine.txt"):
        with pytest.raises(BadInput, match="is not empty; delete it"):
            drawn.draw("flowers", taken, 1, progress=False)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_images_are_drawn_into_an_empty_folder(tmp_path):
    drawn.draw("flowers", tmp_path, 1, size=16, progress=False)
    assert len(files_in(tmp_path)) == 5


def test_unknown_task_is_rejected(tmp_path):
    with pytest.raises(BadInput, match="task: expected one of flowers, garden, got 'flower'"):
        drawn.draw("flower", tmp_path / "photos", 1)


def test_command_line_draws_without_tensorflow(tmp_path):
    code = (
        "import runpy, sys\n"
        "try: runpy.run_module('datasets.drawn', run_name='__main__')\n"
        "finally: print('tensorflow' in sys.modules)"
    )
    photos = tmp_path / "photos"
    command = f"--task garden --photos_dir {photos} --images_per_class 1 --size 16 --seed 3"
    result = subprocess.run(
        [sys.executable, "-c", code, *command.split()], cwd=ROOT, capture_output=True, text=True
    )
    assert result.stdout.splitlines() == [f"10 x 1 images in {photos}", "False"]
    expected = drawn.draw_image("garden", "ferns", 0, 16, 3)
    assert (photos / "ferns" / "00000.jpg").read_bytes() == expected


def test_ball_covers_its_area():
    canvas = black_canvas()
    ball(Frame(canvas, 0.1, -0.2, 0.25), WHITE)
    covered = canvas.pixels[0] > 0.1
    assert covered.sum() == pytest.approx(np.pi * 25**2, rel=0.06)
    rows, columns = np.nonzero(covered)
    assert (rows.mean(), columns.mean()) == pytest.approx((30 - 0.5, 60 - 0.5), abs=0.3)


def test_tilted_ball_is_foreshortened_along_its_lean():
    canvas = black_canvas()
    ball(Frame(canvas, 0, 0, 0.4, angle=1.0, tilt=np.pi / 3, lean=np.pi / 2), WHITE)
    rows, columns = np.nonzero(canvas.pixels[0] > 0.1)
    assert np.ptp(columns) == pytest.approx(80, abs=4)
    assert np.ptp(rows) == pytest.approx(40, abs=4)  # cos(60 degrees) = 1/2


def test_blade_extends_from_its_start_in_its_direction():
    canvas = black_canvas()
    blade(canvas, Petal(WHITE, WHITE, 0.05), -0.3, 0.2, 0.5, direction=-np.pi / 2)
    rows, columns = np.nonzero(canvas.pixels[0] > 0.1)
    assert (rows.min(), rows.max()) == pytest.approx((20, 70), abs=3)
    assert columns.mean() == pytest.approx(20 - 0.5, abs=0.5)
    assert np.ptp(columns) == pytest.approx(0.1 * 50, abs=2)


@pytest.mark.parametrize("count", [5, 8, 13])
def test_ring_has_the_given_number_of_petals(count):
    canvas = black_canvas(200)
    petal = Petal(WHITE, WHITE, width=1.2 / count, relief=0.0)
    ring(Frame(canvas, 0, 0, 0.45), np.random.default_rng(0), petal, count, jitter=0.0)
    turns = np.linspace(0, 2 * np.pi, 720, endpoint=False)
    rows, columns = (np.rint(100 + 75 * f(turns)).astype(int) for f in (np.sin, np.cos))
    lit = canvas.pixels[0, rows, columns] > 0.4
    assert np.sum(lit & ~np.roll(lit, 1)) == count


def test_objects_outside_the_image_change_no_pixel():
    canvas = black_canvas()
    ball(Frame(canvas, 3.0, -2.0, 0.2), WHITE)
    blade(canvas, Petal(WHITE, WHITE, 0.1), 0.9, 0.9, 0.3, direction=0.5)
    assert not canvas.pixels.any()

import json

import pytest
from PIL import Image

from benchmarks import photos, pipeline, prediction


def test_random_photos_have_the_size_and_about_the_length_of_a_cameras(tmp_path):
    first, second = photos.write_random_photos(tmp_path / "a", 2, 300, 200)
    with Image.open(first) as image:
        assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (300, 200))
    assert first.read_bytes() != second.read_bytes()
    bits_per_pixel = 8 * first.stat().st_size / (300 * 200)
    assert 2 < bits_per_pixel < 5
    (again,) = photos.write_random_photos(tmp_path / "b", 1, 300, 200)
    assert again.read_bytes() == first.read_bytes()


def test_contestants_of_the_pipeline_take_turns(tmp_path, capsys):
    file = tmp_path / "speeds.json"
    small = "--photos 4 --photo_size 64x48 --image_size 20 --rounds 2 --seconds 1"
    pipeline.main([*small.split(), "--json", str(file)])
    speeds = json.loads(file.read_text())["speeds"]
    measured = {name: each for name, each in speeds.items() if not isinstance(each, str)}
    assert {"whole images", "crops", "training", "cached", "evaluation", "keras"} <= set(measured)
    assert all(len(each) == 2 and min(each) > 0 for each in measured.values())
    _, _, table = capsys.readouterr().out.partition("of crops\n")
    rows = {line[:15].strip(): line for line in table.splitlines()}
    assert set(rows) == set(speeds)
    assert rows["crops"].endswith(" 1.00")


def test_ratio_of_a_pipeline_is_that_of_the_medians():
    row = pipeline.format_row("training", [60.0, 90.0, 75.0], [100.0, 150.0, 200.0])
    assert row.split() == ["training", "60", "/", "75", "/", "90", "0.50"]
    assert pipeline.format_row("torchvision", "not installed", [1.0]).split()[1:] == [
        "not",
        "installed",
    ]


def test_every_way_to_predict_a_folder_is_timed(tmp_path, capsys):
    file = tmp_path / "speeds.json"
    prediction.main(
        f"--model_name lenet --photo_size 64x48 --photos 3 --rounds 1 --json {file}".split()
    )
    speeds = json.loads(file.read_text())["speeds"]
    assert speeds.pop("keras") == "keras.applications lacks it"
    assert set(speeds) == {"run", "export", "tflite", "reading", "pillow"}
    assert all(len(each) == 1 and each[0] > 0 for each in speeds.values())
    assert "keras     keras.applications lacks it" in capsys.readouterr().out


def test_ratio_of_a_prediction_is_to_its_reference():
    speeds = {"run": [3.0], "keras": [2.0], "reading": [8.0], "pillow": [10.0], "export": "absent"}
    assert prediction.format_row("run", speeds).endswith("1.50 of keras")
    assert prediction.format_row("reading", speeds).endswith("0.80 of pillow")
    assert prediction.format_row("export", speeds).endswith("absent")


@pytest.mark.parametrize("size", ["500", "0x20", "axb"])
def test_size_of_a_photo_is_checked(size, capsys):
    with pytest.raises(SystemExit) as end:
        pipeline.main(["--photo_size", size])
    assert end.value.code == 2
    assert "--photo_size: expected WIDTHxHEIGHT, such as 4032x3024" in capsys.readouterr().err

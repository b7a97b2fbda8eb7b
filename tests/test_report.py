"""The report's page, read with Python's HTML parser, and its pictures, opened with Pillow."""

import base64
import hashlib
import io
import itertools
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from bad_input import BadInput
from reporting import metrics
from reporting.plots import least_sure
from reporting.predictions import Predictions
from reporting.report import PHOTOS_SHOWN, photos_shown, write_report

AWKWARD = [
    "<b>bold</b> & \"quoted\" 'names'",
    "🌷 tulips",
    "</style><script>x()</script>",
    "{{ x }}",
]
VOID = {"meta", "img", "rect"}


class Page(HTMLParser):
    """The tags of a page in order, its text, and whether each tag was closed."""

    def __init__(self, path):
        super().__init__()
        self.tags, self.texts, self._open = [], [], []
        self.source = path.read_text(encoding="utf-8")
        self.feed(self.source)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, text):
        if self._open and self._open[-1] != "style" and text.strip():
            self.texts.append(" ".join(text.split()))

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]

    def pictures(self, kind):
        """The pictures of a kind: their `img` tags and themselves."""
        start = f"data:image/{kind};base64,"
        for image in self.all("img"):
            if image["src"].startswith(start):
                content = base64.b64decode(image["src"][len(start) :], validate=True)
                yield image, Image.open(io.BytesIO(content))


def random_predictions(photos, names, seed=0):
    rng = np.random.default_rng(seed)
    weights = rng.random((photos, len(names))) ** 4
    probabilities = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    files = [f"{names[0]}/{i}&<i>\udcff.jpg" for i in range(photos)]
    return Predictions(files, rng.integers(len(names), size=photos), probabilities, list(names))


def smooth_photo(index, height=40, width=60):
    """A photo that JPEG hardly changes, and that no other index has."""
    across = np.linspace(0, 150, width) + index
    photo = np.empty((height, width, 3))
    photo[..., 0], photo[..., 1], photo[..., 2] = across, 90, 200 - 2 * index
    return photo.astype(np.uint8)


def write(folder, predictions, photos=None, plots=(), **figures):
    measured = metrics.measure(predictions, np.full(len(predictions.labels), 0.25))
    known = {"checkpoint": "runs/<x>/model.ckpt-1234", "global_step": 1234, "split": "validation"}
    if photos is None:
        photos = {index: smooth_photo(index) for index in photos_shown(predictions).tolist()}
    path = write_report(
        folder / "eval" / "report.html",
        known | measured | figures,
        predictions,
        photos,
        plots,
        settings={"learning_rate": 0.5, "trainable_scopes": None, "log_dir": "a <&> b"},
        versions={"tensorflow": "2.21.0"},
        title="A & B",
    )
    return Page(path)


def test_every_figure_is_on_the_page(tmp_path):
    predictions = random_predictions(60, ["daisy", "roses", "tulips", "sunflowers"])
    page = write(
        tmp_path, predictions, network="lenet", image_size=28, parameters=1_234_567,
        checkpoint_bytes=5_250_000, photos_per_second=12.34, evaluated_at="2026-11-20 14:05",
    )  # fmt: skip
    measured = metrics.measure(predictions, np.full(60, 0.25))
    low, high = measured["accuracy_interval"]
    expected = [
        "A & B",
        f"{100 * measured['accuracy']:.1f} %",
        f"{100 * low:.1f} % to {100 * high:.1f} %",
        f"{100 * measured['top_k']['2']:.1f} %",
        f"{100 * measured['top_k']['3']:.1f} %",
        f"{100 * measured['expected_calibration_error']:.1f} %",
        *("0.2500", "60", "1,234", "validation", "runs/<x>/model.ckpt-1234"),
        *("lenet", "28 pixels", "1,234,567", "5.2 MB", "12.3 photos/s", "2026-11-20 14:05"),
        *("learning_rate", "0.5", "trainable_scopes", "—", "a <&> b", "tensorflow", "2.21.0"),
    ]
    for name, scores in measured["per_class"].items():
        expected += [name, str(scores["count"])]
        expected += [f"{100 * scores[score]:.1f} %" for score in ("precision", "recall", "f1")]
    assert [text for text in expected if text not in page.texts] == []


def test_figures_that_are_not_known_are_left_out(tmp_path):
    page = write(tmp_path, random_predictions(5, ["a", "b", "c"]), loss=None, network=None)
    assert "not finite" in page.texts
    assert "Network" not in page.texts and "None" not in page.texts


def test_the_page_needs_nothing_but_itself(tmp_path):
    plot = tmp_path / "calibration.png"
    Image.new("RGB", (30, 20)).save(plot)
    page = write(tmp_path, random_predictions(60, AWKWARD), plots=[plot])
    references = [
        value
        for _, attributes in page.tags
        for name, value in attributes.items()
        if name in ("src", "href", "srcset", "action", "data", "poster", "xlink:href")
    ]
    assert references and all(value.startswith(("data:image/", "#")) for value in references)
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {link["href"][1:] for link in page.all("a")} <= set(ids)
    names = {tag for tag, _ in page.tags}
    assert names.isdisjoint({"script", "link", "iframe", "object", "embed", "form", "base"})
    assert "url(" not in page.source and "@import" not in page.source
    assert not any(name.startswith("on") or name == "style" for _, a in page.tags for name in a)


def test_the_policy_allows_the_pages_own_looks_alone(tmp_path):
    page = write(tmp_path, random_predictions(5, ["a", "b"]))
    (policy,) = (m["content"] for m in page.all("meta") if "http-equiv" in m)
    (style,) = re.findall("<style>(.*?)</style>", page.source, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy.split("; ") == [
        "default-src 'none'",
        "img-src data:",
        f"style-src 'sha256-{digest}'",
        "base-uri 'none'",
        "form-action 'none'",
    ]


def test_names_that_look_like_markup_stay_names(tmp_path):
    page = write(tmp_path, random_predictions(60, AWKWARD))
    assert all(name in page.texts for name in AWKWARD)
    assert any(text.endswith("&<i>?.jpg") for text in page.texts)
    assert {tag for tag, _ in page.tags}.isdisjoint({"b", "i", "script"})


def test_photos_stand_with_their_names_and_probabilities(tmp_path):
    probabilities = np.array([[0.75, 0.125, 0.0625, 0.0625], [0.5, 0.25, 0.125, 0.125]])
    predictions = Predictions(["x/1.jpg", "x/2.jpg"], np.array([3, 0]), probabilities, list("abcd"))
    page = write(tmp_path, predictions)
    wrong = ["a", "✗ wrong", "truth: d", "a", "75.0 %", "b", "12.5 %", "c", "6.2 %"]
    wrong += ["d", "6.2 %", "x/1.jpg"]  # the truth, where it is not among the three
    right = ["a", "✓ right", "truth: a", "a", "50.0 %", "b", "25.0 %", "c", "12.5 %", "x/2.jpg"]
    assert following(page, "1 mistake, 1 shown, the surest first.", wrong)
    sentence = "2 photos with the least confidence, right or wrong, the least sure first."
    assert following(page, sentence, right + wrong)


def following(page, sentence, texts):
    start = page.texts.index(sentence) + 1
    return page.texts[start : start + len(texts)] == texts


def test_thumbnails_are_the_photos_given(tmp_path):
    predictions = random_predictions(3, ["a", "b"])
    order = least_sure(predictions, 3)
    page = write(tmp_path, predictions)
    shown = [picture for _, picture in page.pictures("jpeg")][-3:]
    for index, picture in zip(order.tolist(), shown, strict=True):
        difference = np.asarray(picture).astype(int) - smooth_photo(index)
        assert np.abs(difference).max() <= 6


@pytest.mark.parametrize(("height", "width", "size"), [(900, 300, (67, 200)), (20, 10, (10, 20))])
def test_thumbnails_are_shrunk_and_never_enlarged(height, width, size, tmp_path):
    predictions = random_predictions(1, ["a", "b"])
    page = write(tmp_path, predictions, photos={0: smooth_photo(0, height, width)})
    for image, picture in page.pictures("jpeg"):
        assert picture.size == size == (int(image["width"]), int(image["height"]))


def test_plots_come_with_their_size_and_a_description(tmp_path):
    colours = {"learning_curves": (255, 0, 0), "own_plot": (0, 0, 255)}
    for name, colour in colours.items():
        Image.new("RGB", (1000, 500), colour).save(tmp_path / f"{name}.png")
    plots = [tmp_path / f"{name}.png" for name in colours]
    page = write(tmp_path, random_predictions(5, ["a", "b"]), plots=plots)
    images, pictures = zip(*page.pictures("png"))
    assert [picture.getpixel((0, 0)) for picture in pictures] == [*colours.values()]
    assert [(image["width"], image["height"]) for image in images] == [("600", "300")] * 2
    assert images[0]["alt"].startswith("Learning curves. Accuracy and loss over the steps")
    assert images[1]["alt"].startswith("own plot.")


def test_the_page_can_be_read_aloud(tmp_path):
    page = write(tmp_path, random_predictions(60, AWKWARD))
    assert page.all("html") == [{"lang": "en"}]
    assert all(image["alt"] for image in page.all("img"))
    headings = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert headings.count(1) == 1 and headings[0] == 1
    assert all(below - above <= 1 for above, below in itertools.pairwise(headings))
    assert all("scope" in cell for cell in page.all("th"))


def test_without_a_mistake_the_page_says_so(tmp_path):
    predictions = Predictions(["1.jpg"], np.array([1]), np.array([[0.25, 0.75]]), ["a", "b"])
    assert "Every photo is predicted right." in write(tmp_path, predictions).texts


def test_as_many_photos_are_shown_as_each_grid_holds():
    predictions = random_predictions(400, ["a", "b", "c"])
    shown = photos_shown(predictions)
    assert PHOTOS_SHOWN < len(shown) <= 2 * PHOTOS_SHOWN
    assert len(np.unique(shown)) == len(shown)
    assert photos_shown(random_predictions(2, ["a", "b"])).tolist() == [0, 1]


def test_least_sure_are_those_of_the_lowest_confidence():
    probabilities = np.array([[0.9, 0.1], [0.5, 0.5], [0.2, 0.8], [0.5, 0.5]])
    predictions = Predictions(list("wxyz"), np.array([0, 0, 0, 0]), probabilities, ["a", "b"])
    assert least_sure(predictions, 3).tolist() == [1, 3, 2]
    assert least_sure(predictions, 9).tolist() == [1, 3, 2, 0]


def test_a_plot_that_is_no_picture_is_named_and_the_older_page_stays(tmp_path):
    (tmp_path / "eval").mkdir()
    older = tmp_path / "eval" / "report.html"
    older.write_text("older")
    (tmp_path / "calibration.png").write_text("no picture")
    with pytest.raises(BadInput, match="calibration.png: expected the PNG of a plot") as caught:
        write(tmp_path, random_predictions(5, ["a", "b"]), plots=[tmp_path / "calibration.png"])
    assert "\n" not in str(caught.value)
    assert older.read_text() == "older"

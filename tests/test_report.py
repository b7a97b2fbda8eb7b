"""The report, parsed with Python's HTML parser, and its images, opened with Pillow."""

import base64
import hashlib
import io
import itertools
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from evaluation import metrics
from evaluation.plots import least_confident
from evaluation.predictions import Predictions
from evaluation.report import IMAGES_SHOWN, images_shown, write_report
from system.errors import BadInput

AWKWARD = [
    "<b>bold</b> & \"quoted\" 'names'",
    "🌷 tulips",
    "</style><script>x()</script>",
    "{{ x }}",
]
VOID = {"meta", "img", "rect"}


class Page(HTMLParser):
    """The tags and texts of a page in order; asserts that every tag is closed."""

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

    def images(self, kind):
        """The embedded images of a MIME type: `img` attributes and decoded image."""
        start = f"data:image/{kind};base64,"
        for image in self.all("img"):
            if image["src"].startswith(start):
                content = base64.b64decode(image["src"][len(start) :], validate=True)
                yield image, Image.open(io.BytesIO(content))


def random_predictions(images, names, seed=0):
    rng = np.random.default_rng(seed)
    weights = rng.random((images, len(names))) ** 4
    probabilities = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    files = [f"{names[0]}/{i}&<i>\udcff.jpg" for i in range(images)]
    return Predictions(files, rng.integers(len(names), size=images), probabilities, list(names))


def smooth_image(index, height=40, width=60):
    """An image for each index, smooth so that JPEG hardly changes it."""
    across = np.linspace(0, 150, width) + index
    image = np.empty((height, width, 3))
    image[..., 0], image[..., 1], image[..., 2] = across, 90, 200 - 2 * index
    return image.astype(np.uint8)


def write(folder, predictions, images=None, plots=(), **extra):
    computed = metrics.compute_metrics(predictions, np.full(len(predictions.labels), 0.25))
    required = {
        "checkpoint": "runs/<x>/model.ckpt-1234",
        "global_step": 1234,
        "split": "validation",
    }
    if images is None:
        images = {index: smooth_image(index) for index in images_shown(predictions).tolist()}
    path = write_report(
        folder / "eval" / "report.html",
        required | computed | extra,
        predictions,
        images,
        plots,
        flags={"learning_rate": 0.5, "trainable_scopes": None, "log_dir": "a <&> b"},
        versions={"tensorflow": "2.21.0"},
        title="A & B",
    )
    return Page(path)


def test_every_metric_is_on_the_page(tmp_path):
    predictions = random_predictions(60, ["daisy", "roses", "tulips", "sunflowers"])
    page = write(
        tmp_path,
        predictions,
        network="lenet",
        image_size=28,
        parameters=1_234_567,
        checkpoint_bytes=5_250_000,
        images_per_second=12.34,
        evaluated_at="2026-11-20 14:05",
    )
    computed = metrics.compute_metrics(predictions, np.full(60, 0.25))
    low, high = computed["accuracy_interval"]
    expected = [
        "A & B",
        f"{100 * computed['accuracy']:.1f} %",
        f"{100 * low:.1f} % to {100 * high:.1f} %",
        f"{100 * computed['top_k']['2']:.1f} %",
        f"{100 * computed['top_k']['3']:.1f} %",
        f"{100 * computed['expected_calibration_error']:.1f} %",
        *("0.2500", "60", "1,234", "validation", "runs/<x>/model.ckpt-1234"),
        *("lenet", "28 pixels", "1,234,567", "5.2 MB", "12.3 images/s", "2026-11-20 14:05"),
        *("learning_rate", "0.5", "trainable_scopes", "—", "a <&> b", "tensorflow", "2.21.0"),
    ]
    for name, scores in computed["per_class"].items():
        expected += [name, str(scores["count"])]
        expected += [f"{100 * scores[score]:.1f} %" for score in ("precision", "recall", "f1")]
    assert [text for text in expected if text not in page.texts] == []


def test_missing_optional_metrics_are_left_out(tmp_path):
    page = write(tmp_path, random_predictions(5, ["a", "b", "c"]), loss=None, network=None)
    assert "not finite" in page.texts
    assert "Network" not in page.texts and "None" not in page.texts


def test_page_refers_to_no_external_resource(tmp_path):
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


def test_content_security_policy_allows_only_the_style_sheet_and_embedded_images(tmp_path):
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


def test_names_are_escaped(tmp_path):
    page = write(tmp_path, random_predictions(60, AWKWARD))
    assert all(name in page.texts for name in AWKWARD)
    assert any(text.endswith("&<i>?.jpg") for text in page.texts)
    assert {tag for tag, _ in page.tags}.isdisjoint({"b", "i", "script"})


def test_images_are_shown_with_names_and_probabilities(tmp_path):
    probabilities = np.array([[0.75, 0.125, 0.0625, 0.0625], [0.5, 0.25, 0.125, 0.125]])
    predictions = Predictions(["x/1.jpg", "x/2.jpg"], np.array([3, 0]), probabilities, list("abcd"))
    page = write(tmp_path, predictions)
    wrong = ["a", "✗ wrong", "label: d", "a", "75.0 %", "b", "12.5 %", "c", "6.2 %"]
    wrong += ["d", "6.2 %", "x/1.jpg"]  # the label, which is not among the three
    correct = ["a", "✓ correct", "label: a", "a", "50.0 %", "b", "25.0 %", "c", "12.5 %", "x/2.jpg"]
    assert following(page, "1 mistake, 1 shown, most confident first.", wrong)
    sentence = "2 images, correct or wrong, least confident first."
    assert following(page, sentence, correct + wrong)


def following(page, sentence, texts):
    start = page.texts.index(sentence) + 1
    return page.texts[start : start + len(texts)] == texts


def test_thumbnails_are_the_given_images(tmp_path):
    predictions = random_predictions(3, ["a", "b"])
    order = least_confident(predictions, 3)
    page = write(tmp_path, predictions)
    shown = [image for _, image in page.images("jpeg")][-3:]
    for index, image in zip(order.tolist(), shown, strict=True):
        difference = np.asarray(image).astype(int) - smooth_image(index)
        assert np.abs(difference).max() <= 6


@pytest.mark.parametrize(("height", "width", "size"), [(900, 300, (67, 200)), (20, 10, (10, 20))])
def test_thumbnails_are_shrunk_and_never_enlarged(height, width, size, tmp_path):
    predictions = random_predictions(1, ["a", "b"])
    page = write(tmp_path, predictions, images={0: smooth_image(0, height, width)})
    for tag, image in page.images("jpeg"):
        assert image.size == size == (int(tag["width"]), int(tag["height"]))


def test_plots_have_a_size_and_a_description(tmp_path):
    colors = {"learning_curves": (255, 0, 0), "own_plot": (0, 0, 255)}
    for name, color in colors.items():
        Image.new("RGB", (1000, 500), color).save(tmp_path / f"{name}.png")
    plots = [tmp_path / f"{name}.png" for name in colors]
    page = write(tmp_path, random_predictions(5, ["a", "b"]), plots=plots)
    tags, images = zip(*page.images("png"))
    assert [image.getpixel((0, 0)) for image in images] == [*colors.values()]
    assert [(tag["width"], tag["height"]) for tag in tags] == [("600", "300")] * 2
    assert tags[0]["alt"].startswith("Learning curves. Accuracy and loss of training")
    assert tags[1]["alt"].startswith("own plot.")


def test_page_is_accessible_to_screen_readers(tmp_path):
    page = write(tmp_path, random_predictions(60, AWKWARD))
    assert page.all("html") == [{"lang": "en"}]
    assert all(image["alt"] for image in page.all("img"))
    headings = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert headings.count(1) == 1 and headings[0] == 1
    assert all(below - above <= 1 for above, below in itertools.pairwise(headings))
    assert all("scope" in cell for cell in page.all("th"))


def test_page_without_mistakes_says_so(tmp_path):
    predictions = Predictions(["1.jpg"], np.array([1]), np.array([[0.25, 0.75]]), ["a", "b"])
    assert "All images are predicted correctly." in write(tmp_path, predictions).texts


def test_number_of_images_is_limited():
    predictions = random_predictions(400, ["a", "b", "c"])
    shown = images_shown(predictions)
    assert IMAGES_SHOWN < len(shown) <= 2 * IMAGES_SHOWN
    assert len(np.unique(shown)) == len(shown)
    assert images_shown(random_predictions(2, ["a", "b"])).tolist() == [0, 1]


def test_least_confident_predictions_come_first():
    probabilities = np.array([[0.9, 0.1], [0.5, 0.5], [0.2, 0.8], [0.5, 0.5]])
    predictions = Predictions(list("wxyz"), np.array([0, 0, 0, 0]), probabilities, ["a", "b"])
    assert least_confident(predictions, 3).tolist() == [1, 3, 2]
    assert least_confident(predictions, 9).tolist() == [1, 3, 2, 0]


def test_invalid_plot_is_refused_and_the_older_page_kept(tmp_path):
    (tmp_path / "eval").mkdir()
    older = tmp_path / "eval" / "report.html"
    older.write_text("older")
    (tmp_path / "calibration.png").write_text("not a PNG")
    with pytest.raises(BadInput, match="calibration.png: expected the PNG of a plot") as caught:
        write(tmp_path, random_predictions(5, ["a", "b"]), plots=[tmp_path / "calibration.png"])
    assert "\n" not in str(caught.value)
    assert older.read_text() == "older"

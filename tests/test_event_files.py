"""The event files of a run, read with TensorBoard's own reader."""

import pytest
import scripts
from tensorboard.backend.event_processing.event_multiplexer import EventMultiplexer
from tiny_run import CLASSES, make_dataset, words

import eval_flowers
import train_flowers
from slim_on_tf2 import tf


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run of two epochs of three steps, evaluated, as TensorBoard reads it."""
    folder = tmp_path_factory.mktemp("run")
    with tf.Graph().as_default():
        scripts.run(train_flowers, words(make_dataset(folder), folder / "log", num_epochs=2))
        scripts.run(eval_flowers, [f"--log_dir={folder / 'log'}"])
    multiplexer = EventMultiplexer().AddRunsFromDirectory(str(folder / "log"))
    multiplexer.Reload()
    return multiplexer


def test_training_and_validation_use_the_same_tags(runs):
    for tag in ("accuracy", "losses/cross_entropy"):
        assert [event.step for event in runs.Scalars(".", tag)] == [1, 2, 3, 4, 5, 6]
        assert [event.step for event in runs.Scalars("validation", tag)] == [3, 6]


def test_graph_is_that_of_the_training(runs):
    names = {node.name for node in runs.Graph(".").node}
    assert {"MobilenetV1/Conv2d_0/weights", "global_step"} <= names
    assert any("Adam" in name for name in names)


def test_augmented_images_and_plots_are_image_summaries(runs):
    def tags(run):
        return set(runs.PluginRunToTagToContent("images").get(run, ())) | set(
            runs.Runs()[run]["images"]
        )

    assert "augmented_images" in tags(".")
    assert {"plots/confusion_matrix", "plots/mistakes"} <= tags("eval")


def test_each_class_has_a_precision_recall_curve(runs):
    curves = runs.PluginRunToTagToContent("pr_curves")
    assert {tag.split("/")[1] for tag in curves["eval"]} == set(CLASSES)


def test_flags_are_hparams_and_the_final_status_is_written(runs):
    tags = runs.PluginRunToTagToContent("hparams")["."]
    assert {"_hparams_/session_start_info", "_hparams_/session_end_info"} <= set(tags)

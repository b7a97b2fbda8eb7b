"""What a run leaves for TensorBoard, read back with TensorBoard's own reader."""

import pytest
from tensorboard.backend.event_processing.event_multiplexer import EventMultiplexer
from tiny_run import CLASSES, make_dataset, words

import eval_flowers
import train_flowers
from slim_on_tf2 import tf


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """TensorBoard's view of a run of two epochs, three steps each, that was evaluated."""
    folder = tmp_path_factory.mktemp("run")
    with tf.Graph().as_default():
        train_flowers.main(words(make_dataset(folder), folder / "log", num_epochs=2))
        eval_flowers.main([f"--log_dir={folder / 'log'}"])
    multiplexer = EventMultiplexer().AddRunsFromDirectory(str(folder / "log"))
    multiplexer.Reload()
    return multiplexer


def test_training_and_validation_share_their_charts(runs):
    for tag in ("accuracy", "losses/cross_entropy"):
        assert [event.step for event in runs.Scalars(".", tag)] == [1, 2, 3, 4, 5, 6]
        assert [event.step for event in runs.Scalars("validation", tag)] == [3, 6]


def test_the_graph_is_the_trainings(runs):
    names = {node.name for node in runs.Graph(".").node}
    assert {"MobilenetV1/Conv2d_0/weights", "global_step"} <= names
    assert any("Adam" in name for name in names)


def test_photos_and_plots_are_images(runs):
    def tags(run):
        return set(runs.PluginRunToTagToContent("images").get(run, ())) | set(
            runs.Runs()[run]["images"]
        )

    assert "augmented_photos" in tags(".")
    assert {"plots/confusion_matrix", "plots/mistakes"} <= tags("eval")


def test_each_class_has_a_precision_recall_curve(runs):
    curves = runs.PluginRunToTagToContent("pr_curves")
    assert {tag.split("/")[1] for tag in curves["eval"]} == set(CLASSES)


def test_the_flags_are_hyperparameters_and_the_end_is_known(runs):
    tags = runs.PluginRunToTagToContent("hparams")["."]
    assert {"_hparams_/session_start_info", "_hparams_/session_end_info"} <= set(tags)

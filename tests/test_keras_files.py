import functools
import subprocess
import sys
import zipfile

import pytest
from random_keras import (
    CLASSES,
    SMALL,
    assert_same,
    random_model,
    randomize,
    small,
)

from keras_conversion.file_types import is_keras_file
from keras_conversion.files import eager_keras
from keras_conversion.layers import APPLICATIONS
from keras_conversion.weights import read_keras_weights
from system.errors import BadInput

# One network per family whose layers branch.
KERAS_2 = [
    "inception_resnet_v2",
    "inception_v3",
    "mobilenet_v2",
    "resnet_v1_50",
    "resnet_v2_50",
    "nasnet_mobile",
]


@functools.cache
def small_with_optimizer():
    """The small model with an optimizer, whose variables are saved too."""
    model, _ = small()
    with eager_keras() as keras:
        trained = keras.models.clone_model(model)
        trained.set_weights(model.get_weights())
        trained.compile(optimizer="adam", loss="mse")
        trained.optimizer.build(trained.trainable_variables)
    return trained


@functools.cache
def small_in_keras_2():
    """The small model in Keras 2, which writes the older formats."""
    import tf_keras

    with eager_keras():
        model = tf_keras.applications.MobileNet((32, 32, 3), 0.25, weights=None, classes=CLASSES)
        model.set_weights(small()[0].get_weights())
    return model


def save(model, file):
    """Saves the model, or only its weights if `file` is named so."""
    with eager_keras():
        (model.save_weights if "weights" in file.name else model.save)(file)


@pytest.mark.parametrize("name", ["a.keras", "a.h5", "a.hdf5", "a.weights.h5"])
def test_reads_each_kind_of_file(tmp_path, name):
    save(small_with_optimizer(), tmp_path / name)
    assert is_keras_file(tmp_path / name)
    assert_same(read_keras_weights(tmp_path / name, SMALL), small()[1])


@pytest.mark.parametrize("name", ["weights.h5", "flowers"])
def test_file_type_is_recognized_by_content(tmp_path, name):
    model, values = small()
    save(model, tmp_path / "a.weights.h5")
    (tmp_path / "a.weights.h5").rename(tmp_path / name)
    assert is_keras_file(tmp_path / name)
    assert_same(read_keras_weights(str(tmp_path / name), SMALL), values)


@pytest.mark.parametrize("name", ["flowers.h5", "flowers.weights.h5"])
@pytest.mark.parametrize("saved_as", ["model.h5", "weights.h5"])
def test_reads_keras_2_files(tmp_path, name, saved_as):
    save(small_in_keras_2(), tmp_path / saved_as)
    (tmp_path / saved_as).rename(tmp_path / name)
    assert_same(read_keras_weights(tmp_path / name, SMALL), small()[1])


def test_reads_a_keras_2_model():
    assert_same(read_keras_weights(small_in_keras_2(), SMALL), small()[1])


@pytest.mark.large
@pytest.mark.parametrize("name", KERAS_2)
def test_keras_2_files_list_the_layers_in_the_order_of_keras_3(tmp_path, name):
    import tf_keras

    application = APPLICATIONS[name]
    size = application.smallest_image_size
    with eager_keras():
        tf_keras.layers.Conv2D(1, 1)  # so that the first one of the network is not conv2d
        model = getattr(tf_keras.applications, application.function)(
            weights=None, input_shape=(size, size, 3), **application.options
        )
        randomize(model)
        model.save_weights(tmp_path / "published.h5")
    assert_same(
        read_keras_weights(tmp_path / "published.h5", name), read_keras_weights(model, name)
    )


@pytest.mark.parametrize("name", ["notop.keras", "notop.weights.h5", "notop.h5"])
def test_file_without_head_gives_no_head(tmp_path, name):
    model, values = small()
    with eager_keras() as keras:
        body = keras.Model(model.input, model.get_layer("conv_pw_13_relu").output)
    save(body, tmp_path / name)
    expected = {name: value for name, value in values.items() if "Logits" not in name}
    assert_same(read_keras_weights(tmp_path / name, SMALL), expected)


def test_reads_a_network_that_is_a_layer_of_a_model(tmp_path):
    body = random_model(SMALL, num_classes=None)
    with eager_keras() as keras:
        pooled = keras.layers.GlobalAveragePooling2D()
        model = keras.Sequential([body, pooled, keras.layers.Dense(3)])
    save(model, tmp_path / "tuned.keras")
    assert_same(
        read_keras_weights(tmp_path / "tuned.keras", SMALL), read_keras_weights(body, SMALL)
    )


def test_file_of_another_network_is_refused_with_its_name(tmp_path):
    save(small()[0], tmp_path / "a.weights.h5")
    with pytest.raises(BadInput, match="a.weights.h5 does not fit .* those of mobilenet_v1_025"):
        read_keras_weights(tmp_path / "a.weights.h5", "mobilenet_v1")


def test_unknown_network_is_refused_with_its_size(tmp_path):
    with eager_keras() as keras:
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(5)])
    save(model, tmp_path / "a.weights.h5")
    for source in (model, tmp_path / "a.weights.h5"):
        with pytest.raises(BadInput, match="or another known network.* 2 arrays with 20 elements"):
            read_keras_weights(source, SMALL)


@pytest.mark.parametrize("name", ["a.keras", "a.weights.h5", "a.h5"])
def test_truncated_file_is_refused(tmp_path, name):
    file = tmp_path / name
    save(small()[0], file)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    assert is_keras_file(file)
    with pytest.raises(BadInput, match=f"{name}( is not a complete|: Keras cannot read it)"):
        read_keras_weights(file, SMALL)


def test_other_files_are_refused(tmp_path):
    text = tmp_path / "notes.txt"
    text.write_text("weights")
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        archive.writestr("photo.jpg", b"")
    assert not is_keras_file(text)
    assert not is_keras_file(tmp_path / "model.ckpt-1")
    with pytest.raises(BadInput, match=r"notes.txt is not a complete .*expected a \.keras"):
        read_keras_weights(text, SMALL)
    with pytest.raises(BadInput, match="photos.zip is not a complete Keras file"):
        read_keras_weights(tmp_path / "photos.zip", SMALL)
    with pytest.raises(BadInput, match="there is no file .*gone.h5"):
        read_keras_weights(tmp_path / "gone.h5", SMALL)


def test_file_types_and_layers_need_no_tensorflow():
    code = (
        "import sys, keras_conversion.file_types, keras_conversion.layers;"
        "print({'h5py', 'keras', 'numpy', 'tensorflow'} & set(sys.modules))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.stdout == "set()\n", found.stderr

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

from bad_input import BadInput
from nets.keras_files import eager_keras, is_keras_file
from nets.keras_layers import APPLICATIONS
from nets.keras_weights import read

# A member of each family whose layers branch.
OF_KERAS_2 = [
    "inception_resnet_v2",
    "inception_v3",
    "mobilenet_v2",
    "resnet_v1_50",
    "resnet_v2_50",
    "nasnet_mobile",
]


@functools.cache
def small_with_optimizer():
    """The small model with the state of training, which a file of it has too."""
    model, _ = small()
    with eager_keras() as keras:
        trained = keras.models.clone_model(model)
        trained.set_weights(model.get_weights())
        trained.compile(optimizer="adam", loss="mse")
        trained.optimizer.build(trained.trainable_variables)
    return trained


@functools.cache
def small_in_keras_2():
    """The small model in Keras 2, whose files are those of old."""
    import tf_keras

    with eager_keras():
        model = tf_keras.applications.MobileNet((32, 32, 3), 0.25, weights=None, classes=CLASSES)
        model.set_weights(small()[0].get_weights())
    return model


def save(model, file):
    """Saves the whole model, or where the name says so its weights."""
    with eager_keras():
        (model.save_weights if "weights" in file.name else model.save)(file)


@pytest.mark.parametrize("name", ["a.keras", "a.h5", "a.hdf5", "a.weights.h5"])
def test_reads_each_kind_of_file(tmp_path, name):
    save(small_with_optimizer(), tmp_path / name)
    assert is_keras_file(tmp_path / name)
    assert_same(read(tmp_path / name, SMALL), small()[1])


@pytest.mark.parametrize("name", ["weights.h5", "flowers"])
def test_a_file_is_known_by_its_content(tmp_path, name):
    model, values = small()
    save(model, tmp_path / "a.weights.h5")
    (tmp_path / "a.weights.h5").rename(tmp_path / name)
    assert is_keras_file(tmp_path / name)
    assert_same(read(str(tmp_path / name), SMALL), values)


@pytest.mark.parametrize("name", ["flowers.h5", "flowers.weights.h5"])
@pytest.mark.parametrize("saved_as", ["model.h5", "weights.h5"])
def test_reads_files_of_keras_2(tmp_path, name, saved_as):
    save(small_in_keras_2(), tmp_path / saved_as)
    (tmp_path / saved_as).rename(tmp_path / name)
    assert_same(read(tmp_path / name, SMALL), small()[1])


def test_reads_a_model_of_keras_2():
    assert_same(read(small_in_keras_2(), SMALL), small()[1])


@pytest.mark.large
@pytest.mark.parametrize("name", OF_KERAS_2)
def test_files_of_keras_2_list_the_layers_in_keras_3s_order(tmp_path, name):
    import tf_keras

    application = APPLICATIONS[name]
    size = application.smallest_image_size
    with eager_keras():
        tf_keras.layers.Conv2D(1, 1)  # so that the network's first nameless one is not conv2d
        model = getattr(tf_keras.applications, application.function)(
            weights=None, input_shape=(size, size, 3), **application.options
        )
        randomize(model)
        model.save_weights(tmp_path / "published.h5")
    assert_same(read(tmp_path / "published.h5", name), read(model, name))


@pytest.mark.parametrize("name", ["notop.keras", "notop.weights.h5", "notop.h5"])
def test_a_file_without_a_head_gives_none(tmp_path, name):
    model, values = small()
    with eager_keras() as keras:
        body = keras.Model(model.input, model.get_layer("conv_pw_13_relu").output)
    save(body, tmp_path / name)
    expected = {name: value for name, value in values.items() if "Logits" not in name}
    assert_same(read(tmp_path / name, SMALL), expected)


def test_reads_a_file_of_a_model_with_the_network_in_it(tmp_path):
    body = random_model(SMALL, num_classes=None)
    with eager_keras() as keras:
        pooled = keras.layers.GlobalAveragePooling2D()
        model = keras.Sequential([body, pooled, keras.layers.Dense(3)])
    save(model, tmp_path / "tuned.keras")
    assert_same(read(tmp_path / "tuned.keras", SMALL), read(body, SMALL))


def test_a_file_of_another_network_is_named(tmp_path):
    save(small()[0], tmp_path / "a.weights.h5")
    with pytest.raises(BadInput, match="a.weights.h5 is not of .* it is of mobilenet_v1_025"):
        read(tmp_path / "a.weights.h5", "mobilenet_v1")


def test_an_unknown_network_is_counted(tmp_path):
    with eager_keras() as keras:
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(5)])
    save(model, tmp_path / "a.weights.h5")
    for source in (model, tmp_path / "a.weights.h5"):
        with pytest.raises(BadInput, match="nor of another network .* 2 arrays with 20 numbers"):
            read(source, SMALL)


@pytest.mark.parametrize("name", ["a.keras", "a.weights.h5", "a.h5"])
def test_half_a_file_is_bad_input(tmp_path, name):
    file = tmp_path / name
    save(small()[0], file)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    assert is_keras_file(file)
    with pytest.raises(BadInput, match=f"{name} (is no whole file of|cannot be read by) Keras"):
        read(file, SMALL)


def test_other_files_are_not_kerass(tmp_path):
    text = tmp_path / "notes.txt"
    text.write_text("weights")
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        archive.writestr("photo.jpg", b"")
    assert not is_keras_file(text)
    assert not is_keras_file(tmp_path / "model.ckpt-1")
    with pytest.raises(BadInput, match=r"notes.txt is no whole file of Keras: expected a \.keras"):
        read(text, SMALL)
    with pytest.raises(BadInput, match="photos.zip is no whole file of Keras"):
        read(tmp_path / "photos.zip", SMALL)
    with pytest.raises(BadInput, match="there is no file .*gone.h5"):
        read(tmp_path / "gone.h5", SMALL)


def test_importing_brings_neither_tensorflow_nor_keras():
    code = "import nets.keras_models, sys; print({'tensorflow', 'keras'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.stdout == "set()\n", found.stderr

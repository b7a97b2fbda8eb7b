import json
import subprocess
import sys
import zipfile
import zlib

import golden_fill
import golden_nets
import numpy as np
import pytest

from bad_input import BadInput
from nets import factory, keras_models
from nets.keras_files import eager_keras, is_keras_file
from nets.keras_layers import APPLICATIONS
from nets.keras_models import main, save, to_keras
from nets.keras_weights import read
from slim_on_tf2 import slim, tf

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning",
    "ignore:You are saving your model as an HDF5 file:UserWarning",
)

CLASSES = 5  # as in the golden files
SMALL = "mobilenet_v1_025"

# A member of each family, at a size at which Keras pads as slim does.
FROM_KERAS = [("inception_resnet_v2", 75), ("resnet_v1_50", 65)]
BOTH_WAYS = [
    ("inception_v3", 75),
    (SMALL, 64),
    ("mobilenet_v2_035", 50),
    ("resnet_v2_50", 65),
]
BOTH_WAYS_LARGE = [
    ("inception_resnet_v2", 75),
    ("mobilenet_v1", 96),
    ("mobilenet_v1_075", 32),
    ("mobilenet_v1_050", 32),
    ("mobilenet_v2", 97),
    ("mobilenet_v2_140", 32),
    ("mobilenet_v2_130", 32),
    ("mobilenet_v2_075", 32),
    ("mobilenet_v2_050", 32),
    ("resnet_v1_101", 33),
    ("resnet_v1_152", 33),
    ("resnet_v2_101", 33),
    ("resnet_v2_152", 33),
    ("vgg_16", 224),
    ("vgg_19", 255),
]
# Sizes and networks at which Keras alone pads or averages otherwise.
TO_KERAS = [(SMALL, 63), ("nasnet_mobile", 64)]
TO_KERAS_LARGE = [
    ("inception_v3", 331),
    ("mobilenet_v1", 95),
    ("resnet_v1_50", 64),
    ("resnet_v2_50", 64),
    ("nasnet_mobile", 97),
    ("nasnet_large", 64),
]
# A member of each family whose layers branch.
OF_KERAS_2 = [
    "inception_resnet_v2",
    "inception_v3",
    "mobilenet_v2",
    "resnet_v1_50",
    "resnet_v2_50",
    "nasnet_mobile",
]


def large(cases):
    return [pytest.param(*case, marks=pytest.mark.large) for case in cases]


class SlimNetwork:
    """A slim network in evaluation mode, at one size."""

    def __init__(self, name, size):
        self.name, self.size = name, size
        with tf.Graph().as_default() as graph:
            self.images = tf.placeholder(tf.float32, [None, size, size, 3])
            _, self.end_points = factory.get_network_fn(name, CLASSES)(self.images)
            self.variables = slim.get_model_variables()
        self.session = tf.Session(graph=graph)

    def run(self, values, images, end_point="Logits"):
        """What the network computes with `values`, of which it needs those of `end_point`."""
        variables = [v for v in self.variables if v.op.name in values]
        feeds = {v.initializer.inputs[1]: values[v.op.name] for v in variables}
        self.session.run([v.initializer for v in variables], feeds)
        return self.session.run(self.end_points[end_point], {self.images: images})


def random_model(name, num_classes=CLASSES, size=None):
    """A network of keras.applications that gives logits, or features; all its weights random."""
    application = APPLICATIONS[name]
    size = size or application.smallest_image_size
    head = {"classes": num_classes, "classifier_activation": None} if num_classes else {}
    with eager_keras() as keras:
        model = getattr(keras.applications, application.function)(
            weights=None,
            include_top=num_classes is not None,
            input_shape=(size, size, 3),
            **head,
            **application.options,
        )
        randomize(model)
    return model


def randomize(model):
    """Gives each weight of a Keras model a random value."""
    for number, layer in enumerate(model.layers):
        layer.set_weights(
            [
                random_value(f"{number}/{weight.name.partition(':')[0]}", tuple(weight.shape))
                for weight in layer.weights
            ]
        )


def random_value(name, shape):
    """float32 value for a weight whose name ends as Keras and slim both call it."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    if name.endswith(("gamma", "moving_variance")):
        return rng.uniform(0.7, 1.3, shape).astype(np.float32)
    if len(shape) < 2:
        return 0.1 * rng.standard_normal(shape, np.float32)
    is_depthwise = shape[-1] == 1
    fan_in = np.prod(shape[:2] if is_depthwise else shape[:-1])
    return rng.standard_normal(shape, np.float32) * np.float32(np.sqrt(2 / fan_in))


def small_values():
    """A value for each variable of the small slim network."""
    variables = golden_nets.read(SMALL)["variables"]
    return {name: random_value(name, shape) for name, shape, _ in variables}


def run_keras(model, name, images):
    """What a Keras model of the network `name` makes of RGB images."""
    if name.startswith(("resnet_v1", "vgg")):
        images = images[..., ::-1]
    with eager_keras():
        return np.array(model(images, training=False))


def assert_close(actual, expected):
    """Equal but for rounding, and of a network that looks at its images."""
    assert np.abs(expected[0] - expected[1]).max() > 0.003 * np.abs(expected).max()
    np.testing.assert_allclose(actual, expected, atol=2e-5 * np.abs(expected).max())


def assert_same(actual, expected):
    """Equal names, and values but for the rounding of a variance that has taken up an epsilon."""
    assert set(actual) == set(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(actual[name], value, rtol=1e-6, atol=1e-8, err_msg=name)
        assert actual[name].dtype == np.float32


def check_from_keras(network):
    model = random_model(network.name, size=network.size)
    if network.name.startswith("resnet_v2"):
        with eager_keras():  # positive before pooling, where Keras's zeros then do not count
            model.get_layer("conv1_conv").bias.assign(np.full(64, 10, np.float32))
    images = golden_fill.images(network.size)
    values = read(model, network.name)
    assert_close(network.run(values, images), run_keras(model, network.name, images))


def check_to_keras(network):
    values = {v.op.name: random_value(v.op.name, v.shape.as_list()) for v in network.variables}
    images = golden_fill.images(network.size)
    model = to_keras(network.name, values, network.size, classifier_activation=None)
    assert_close(run_keras(model, network.name, images), network.run(values, images))
    assert_same(read(model, network.name), values)


@pytest.mark.parametrize(("name", "size"), BOTH_WAYS + large(BOTH_WAYS_LARGE))
def test_slim_and_keras_compute_the_same(name, size):
    network = SlimNetwork(name, size)
    check_from_keras(network)
    check_to_keras(network)


@pytest.mark.parametrize(("name", "size"), FROM_KERAS)
def test_slim_computes_what_the_keras_model_computes(name, size):
    check_from_keras(SlimNetwork(name, size))


@pytest.mark.parametrize(("name", "size"), TO_KERAS + large(TO_KERAS_LARGE))
def test_a_model_from_slim_pads_and_averages_as_slim_does(name, size):
    check_to_keras(SlimNetwork(name, size))


def test_vgg_without_its_head():
    model = random_model("vgg_16", num_classes=None, size=224)
    values = read(model, "vgg_16")
    assert len(values) == 2 * 13
    images = golden_fill.images(224)
    grid = SlimNetwork("vgg_16", 224).run(values, images, "vgg_16/pool5")
    assert_close(grid, run_keras(model, "vgg_16", images))


@pytest.fixture(scope="module")
def small():
    """A Keras model and what is to be read of it."""
    model = random_model(SMALL)
    return model, read(model, SMALL)


@pytest.fixture(scope="module")
def small_in_keras_2(small):
    """The same model in Keras 2, whose files are those of old."""
    import tf_keras

    with eager_keras():
        model = tf_keras.applications.MobileNet((32, 32, 3), 0.25, weights=None, classes=CLASSES)
        model.set_weights(small[0].get_weights())
    return model


@pytest.mark.parametrize("name", ["a.keras", "a.h5", "a.hdf5", "a.weights.h5"])
def test_reads_each_kind_of_file(tmp_path, small, name):
    model, values = small
    with eager_keras() as keras:
        trained = keras.models.clone_model(model)
        trained.set_weights(model.get_weights())
        trained.compile(optimizer="adam", loss="mse")
        trained.optimizer.build(trained.trainable_variables)  # the file has its state too
        (trained.save_weights if "weights" in name else trained.save)(tmp_path / name)
    assert is_keras_file(tmp_path / name)
    assert_same(read(tmp_path / name, SMALL), values)


@pytest.mark.parametrize("name", ["weights.h5", "flowers"])
def test_a_file_is_known_by_its_content(tmp_path, small, name):
    model, values = small
    with eager_keras():
        model.save_weights(tmp_path / "a.weights.h5")
    (tmp_path / "a.weights.h5").rename(tmp_path / name)
    assert is_keras_file(tmp_path / name)
    assert_same(read(str(tmp_path / name), SMALL), values)


@pytest.mark.parametrize("name", ["flowers.h5", "flowers.weights.h5"])
@pytest.mark.parametrize("whole", [True, False])
def test_reads_files_of_keras_2(tmp_path, small, small_in_keras_2, name, whole):
    file = tmp_path / "model.h5"
    with eager_keras():
        (small_in_keras_2.save if whole else small_in_keras_2.save_weights)(file)
    file.rename(tmp_path / name)
    assert_same(read(tmp_path / name, SMALL), small[1])


def test_reads_a_model_of_keras_2(small, small_in_keras_2):
    assert_same(read(small_in_keras_2, SMALL), small[1])


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
def test_a_file_without_a_head_gives_none(tmp_path, small, name):
    with eager_keras() as keras:
        body = keras.Model(small[0].input, small[0].get_layer("conv_pw_13_relu").output)
        (body.save_weights if "weights" in name else body.save)(tmp_path / name)
    expected = {name: v for name, v in small[1].items() if "Logits" not in name}
    assert_same(read(tmp_path / name, SMALL), expected)


def test_reads_a_network_that_is_a_layer_of_a_model(tmp_path):
    body = random_model(SMALL, num_classes=None)
    with eager_keras() as keras:
        pooled = keras.layers.GlobalAveragePooling2D()
        model = keras.Sequential([body, pooled, keras.layers.Dense(3)])
        model.save(tmp_path / "tuned.keras")
    assert_same(read(tmp_path / "tuned.keras", SMALL), read(body, SMALL))


def test_a_head_of_ones_own_is_left_out():
    body = random_model("vgg_16", num_classes=None)
    with eager_keras() as keras:
        head = [
            keras.layers.GlobalMaxPooling2D(),
            keras.layers.Dense(8, name="fc1"),
            keras.layers.Dense(8, name="fc2"),
            keras.layers.Dense(3, name="predictions"),
        ]
        model = keras.Sequential([body, *head])
    assert_same(read(model, "vgg_16"), read(body, "vgg_16"))


def test_an_epsilon_of_ones_own_is_taken_up(small):
    with eager_keras() as keras:
        other = keras.models.clone_model(small[0])
        other.set_weights(small[0].get_weights())
        other.get_layer("conv1_bn").epsilon = 0.1
    values = read(other, SMALL)
    name = "MobilenetV1/Conv2d_0/BatchNorm/moving_variance"
    np.testing.assert_allclose(values[name], small[1][name] + 0.1 - 0.001, rtol=1e-6)


def test_greyscale_goes_there_and_back():
    values = small_values()
    first = "MobilenetV1/Conv2d_0/weights"
    values[first] = values[first][:, :, :1]
    model = to_keras(SMALL, values, 32)
    assert model.input_shape == (None, 32, 32, 1)
    assert_same(read(model, SMALL), values)


def test_a_model_of_another_network_is_named(small):
    with pytest.raises(BadInput, match="not of resnet_v1_50: .* it is of mobilenet_v1_025"):
        read(small[0], "resnet_v1_50")
    with pytest.raises(BadInput, match="not of mobilenet_v1: .* it is of mobilenet_v1_025"):
        read(small[0], "mobilenet_v1")


def test_a_file_of_another_network_is_named(tmp_path, small):
    with eager_keras():
        small[0].save_weights(tmp_path / "a.weights.h5")
    with pytest.raises(BadInput, match="a.weights.h5 is not of .* it is of mobilenet_v1_025"):
        read(tmp_path / "a.weights.h5", "mobilenet_v1")


def test_an_unknown_network_is_counted(tmp_path):
    with eager_keras() as keras:
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(5)])
        model.save_weights(tmp_path / "a.weights.h5")
    for source in (model, tmp_path / "a.weights.h5"):
        with pytest.raises(BadInput, match="nor of another network .* 2 arrays with 20 numbers"):
            read(source, SMALL)


@pytest.mark.parametrize("name", ["a.keras", "a.weights.h5", "a.h5"])
def test_half_a_file_is_bad_input(tmp_path, small, name):
    file = tmp_path / name
    with eager_keras():
        (small[0].save_weights if "weights" in name else small[0].save)(file)
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
    with pytest.raises(BadInput, match="expected a path or a Keras model, got a dict"):
        read({}, SMALL)


@pytest.mark.parametrize("call", [read, to_keras])
def test_a_network_that_keras_lacks_is_answered_with_those_it_has(call):
    with pytest.raises(BadInput, match="no counterpart of 'inception_v4'; .*, resnet_v1_50, "):
        call({}, "inception_v4") if call is read else call("inception_v4", {})


def test_a_model_built_in_graph_mode_has_no_weights():
    import keras

    model = keras.applications.MobileNet((32, 32, 3), 0.25, weights=None, classes=2)
    with pytest.raises(BadInput, match="built while eager mode was off"):
        read(model, SMALL)


@pytest.mark.large
def test_reads_a_model_from_before_eager_mode_was_turned_off():
    code = (
        "import keras; m = keras.applications.MobileNet((32, 32, 3), 0.25, weights=None);"
        "kernel = m.layers[1].kernel.numpy();"
        "import slim_on_tf2; from nets.keras_weights import read;"
        "values = read(m, 'mobilenet_v1_025');"
        "print((values['MobilenetV1/Conv2d_0/weights'] == kernel).all())"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.stdout == "True\n", found.stderr


def test_graph_mode_stays_as_it_was(small):
    assert not tf.executing_eagerly()
    assert tf.global_variables() == []
    read(small[0], SMALL)
    assert not tf.executing_eagerly()
    assert tf.global_variables() == []


def test_missing_and_misshapen_values_are_named():
    values = small_values()
    values["MobilenetV1/Conv2d_0/weights"] = np.zeros([3, 3, 3, 16], np.float32)
    with pytest.raises(BadInput, match=r"Conv2d_0/weights has shape \[3, 3, 3, 16\]"):
        to_keras(SMALL, values)
    del values["MobilenetV1/Conv2d_0/weights"]
    with pytest.raises(BadInput, match="1 variables .* such as MobilenetV1/Conv2d_0/weights"):
        to_keras(SMALL, values)


@pytest.mark.parametrize(
    ("name", "size", "expected"),
    [(SMALL, 31, "at least 32"), ("vgg_16", 223, "224 to 255"), ("vgg_19", 256, "224 to 255")],
)
def test_sizes_that_kerass_network_does_not_take(name, size, expected):
    values = dict.fromkeys((v for v, *_ in golden_nets.read(name)["variables"]), np.zeros(1))
    with pytest.raises(BadInput, match=f"--image_size: .* takes {expected} pixels .*, got {size}"):
        to_keras(name, values, size)


def write_checkpoint(path, values):
    variables = [tf.get_variable(name, initializer=value) for name, value in values.items()]
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        return tf.train.Saver(variables).save(session, str(path), write_meta_graph=False)


def test_a_checkpoint_becomes_a_keras_file(tmp_path, capsys):
    values = small_values()
    checkpoint = write_checkpoint(tmp_path / "model.ckpt", values | {"global_step": np.int64(3)})
    output = tmp_path / "new" / "flowers.keras"
    arguments = f"--model_name {SMALL} --checkpoint_path {checkpoint} --output {output}"
    assert main([*arguments.split(), "--image_size", "33"]) == 0

    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["output"] == str(output)
    assert result["largest_difference"] < 1e-5
    assert [file.name for file in output.parent.iterdir()] == ["flowers.keras"]
    with eager_keras() as keras:
        model = keras.models.load_model(output)
    images = golden_fill.images(33)
    np.testing.assert_allclose(run_keras(model, SMALL, images).sum(1), 1, rtol=1e-5)
    assert_same(read(output, SMALL), values)


def test_a_model_that_differs_is_not_written(tmp_path, monkeypatch):
    of_slim = np.full([4, CLASSES], np.nan)
    monkeypatch.setattr(keras_models, "_slim_probabilities", lambda *_: of_slim)
    with pytest.raises(BadInput, match="was not written: its probabilities differ by nan"):
        save(SMALL, small_values(), tmp_path / "flowers.keras", 32)
    assert list(tmp_path.iterdir()) == []


def test_half_a_checkpoint_is_bad_input(tmp_path):
    checkpoint = write_checkpoint(tmp_path / "model.ckpt", small_values())
    data = tmp_path / "model.ckpt.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:-1000])
    arguments = f"--model_name {SMALL} --checkpoint_path {checkpoint} --output {tmp_path}/a.keras"
    with pytest.raises(BadInput, match="model.ckpt is broken"):
        main(arguments.split())


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        ({"--output": "flowers.h5"}, "--output: expected a name that ends in .keras"),
        ({"--output": None}, "--output are needed"),
        ({"--checkpoint_path": "gone.ckpt"}, "there is no checkpoint gone.ckpt"),
    ],
)
def test_wrong_flags_give_one_line(tmp_path, monkeypatch, wrong, line):
    monkeypatch.chdir(tmp_path)
    flags = {"--model_name": SMALL, "--checkpoint_path": "a", "--output": "a.keras"} | wrong
    with pytest.raises(BadInput, match=line) as error:
        main([word for flag in flags.items() if flag[1] for word in flag])
    assert "\n" not in str(error.value)


def test_importing_brings_neither_tensorflow_nor_keras():
    code = "import nets.keras_weights, sys; print({'tensorflow', 'keras'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.stdout == "set()\n"

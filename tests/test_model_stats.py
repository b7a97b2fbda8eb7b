import csv
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import golden_nets
import numpy as np
import pytest

from model_stats.__main__ import build_and_count, main
from model_stats.hook import ModelStats
from model_stats.operation_counts import count_network
from nets.nets_factory import get_network_fn
from nets.networks import NETWORKS
from slim_on_tf2 import slim, tf
from system.errors import BadInput

ROOT = Path(__file__).parent.parent
GOLDEN_DIR = Path(__file__).parent / "golden"

# Network -> millions of multiply-accumulates and of parameters at the published image size; None
# where the source gives none, or fewer than two digits.
PUBLISHED = {
    # tensorflow/models, research/slim/nets: mobilenet_v1.md and mobilenet/README.md. Where these
    # leave out batch norm's parameters or round them, there is None.
    "mobilenet_v1": (569, 4.24),
    "mobilenet_v1_075": (325, 2.59),
    "mobilenet_v1_050": (149, 1.34),
    "mobilenet_v1_025": (41, 0.47),
    "mobilenet_v2": (300, None),
    "mobilenet_v2_140": (582, 6.06),
    "mobilenet_v2_130": (509, 5.34),
    "mobilenet_v2_075": (209, None),
    "mobilenet_v2_050": (97, None),
    "mobilenet_v2_035": (59, None),
    "mobilenet_v3_large": (217, None),
    "mobilenet_v3_large_075": (155, 4.0),
    "mobilenet_v3_large_minimalistic": (209, 3.9),
    # Howard et al., "Searching for MobileNetV3", 2019.
    "mobilenet_v3_small": (56, None),
    # Zoph et al., "Learning Transferable Architectures for Scalable Image Recognition", 2017.
    "inception_v2": (1940, 11.2),
    "inception_v3": (5720, 23.8),
    "inception_resnet_v2": (13200, 55.8),
    "nasnet_mobile": (564, 5.3),
    "nasnet_large": (23800, 88.9),
    # Liu et al., "Progressive Neural Architecture Search", 2017.
    "pnasnet_mobile": (588, 5.1),
    "pnasnet_large": (25000, 86.1),
    # Hu et al., "Squeeze-and-Excitation Networks", 2017, and He et al., "Deep Residual Learning for
    # Image Recognition", 2015, for the maccs; Simonyan and Zisserman, "Very Deep Convolutional
    # Networks for Large-Scale Image Recognition", 2014, for the parameters.
    "vgg_16": (15470, 138),
    "vgg_19": (19600, 144),
}
QUICK = ("mobilenet_v1", "vgg_16")
GOLDEN = sorted({path.stem for path in GOLDEN_DIR.glob("*.json")} & set(NETWORKS))
FEW_LAYERS = ("lenet", "cifarnet", "mobilenet_v1_025")


def mark_large(names, quick):
    return [n if n in quick else pytest.param(n, marks=pytest.mark.large) for n in names]


def count_published(name):
    network = NETWORKS[name]
    return build_and_count(name, network.image_size, network.published_classes)


@pytest.mark.parametrize("name", mark_large(PUBLISHED, QUICK))
def test_totals_are_within_one_percent_of_published_counts(name):
    million_maccs, million_params = PUBLISHED[name]
    total = count_published(name).total
    assert total.maccs / 1e6 == pytest.approx(million_maccs, rel=0.01)
    if million_params:
        assert total.params / 1e6 == pytest.approx(million_params, rel=0.01)


@pytest.mark.parametrize("name", mark_large(GOLDEN, FEW_LAYERS))
def test_parameters_of_each_layer_match_its_published_variables(name):
    golden = golden_nets.read(name)
    expected = Counter()
    for variable, shape, trainable in golden["variables"]:
        expected[variable.rpartition("/")[0]] += int(np.prod(shape)) * trainable
    counts = build_and_count(name, NETWORKS[name].image_size, golden["num_classes"])
    actual = {layer.name: layer.params for layer in counts.layers if layer.params}
    auxiliary = {scope for scope in expected if "AuxLogits" in scope or "aux_" in scope}
    assert actual == {
        scope: count for scope, count in expected.items() if count and scope not in auxiliary
    }


def test_tensorflow_profiler_counts_the_same_multiplications():
    images = tf.placeholder(tf.float32, [1, 128, 128, 3])
    logits, _ = get_network_fn("mobilenet_v1_025", 5)(images)
    builder = tf.profiler.ProfileOptionBuilder
    options = builder(builder.float_operation()).with_empty_output().build()
    root = tf.profiler.profile(tf.get_default_graph(), cmd="op", options=options)
    floats, node = {}, root  # the nodes form a chain, one per operation type
    while node.children:
        node = node.children[0]
        floats[node.name] = node.float_ops
    assert 2 * count_network(logits).total.maccs == (
        floats["Conv2D"] + floats["DepthwiseConv2dNative"]
    )


@pytest.mark.parametrize(
    "name",
    mark_large(["cifarnet", "inception_v3", "nasnet_mobile", "resnet_v2_50"], FEW_LAYERS),
)
def test_training_and_evaluation_have_the_same_counts(name):
    network = NETWORKS[name]
    counts = []
    for is_training in (True, False):
        with tf.Graph().as_default():
            images = tf.placeholder(tf.float32, [8, *[network.image_size] * 2, network.channels])
            tf.train.get_or_create_global_step()
            logits, _ = get_network_fn(name, 5, is_training=is_training)(images)
            counts.append(count_network(logits))
    assert counts[0] == counts[1]


def read_rows(path):
    with Path(path).open(newline="") as file:
        return list(csv.DictReader(file))


def test_command_writes_one_row_per_layer_and_the_total(tmp_path, capsys):
    table = tmp_path / "new" / "stats.csv"
    assert main(["--model_name", "lenet", "--num_classes", "10", "--output", str(table)]) == 0
    assert table.read_text().splitlines() == [
        "layer,params,maccs,adds,comps,output_shape",
        "LeNet/conv1,832,627200,25088,25088,28x28x32",
        "LeNet/pool1/MaxPool,0,0,0,18816,14x14x32",
        "LeNet/conv2,51264,10035200,12544,12544,14x14x64",
        "LeNet/pool2/MaxPool,0,0,0,9408,7x7x64",
        "LeNet/fc3,3212288,3211264,1024,1024,1024",
        "LeNet/fc4,10250,10240,10,0,10",
        "total,3274634,13883904,38666,66880,10",
    ]
    summary, last = capsys.readouterr().out.splitlines()
    assert summary.startswith("lenet at 28 px with 10 classes: 3,274,634 parameters; per image")
    assert json.loads(last) == {
        "model_name": "lenet",
        "image_size": 28,
        "num_classes": 10,
        "output": str(table),
        "layers": 6,
        "params": 3274634,
        "maccs": 13883904,
        "adds": 38666,
        "comps": 66880,
    }
    assert [path.name for path in table.parent.iterdir()] == ["stats.csv"]


def test_default_image_size_and_classes_are_the_published_ones(tmp_path, capsys):
    main(["--model_name", "alexnet_v2", "--output", str(tmp_path / "stats.csv")])
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (result["image_size"], result["num_classes"]) == (224, 1000)
    assert read_rows(tmp_path / "stats.csv")[-2]["output_shape"] == "1x1x1000"


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--model_name", "mobilenet_v4"], "there is no network 'mobilenet_v4'; did you mean"),
        (["--model_name", "vgg_16", "--image_size", "100"], "vgg_16 needs at least 224 pixels"),
        (["--model_name", "lenet", "--output", "/proc/stats.csv"], "/proc/stats.csv: cannot be"),
    ],
)
def test_bad_flags_are_reported_in_one_line(argv, message):
    with pytest.raises(BadInput) as found:
        main(argv)
    assert message in str(found.value)
    assert "\n" not in str(found.value)


def test_wrong_flag_is_reported_before_tensorflow_loads():
    code = (
        "import sys; from model_stats.__main__ import main\n"
        "try: main(['--image_size', '1'])\n"
        "finally: print('tensorflow' in sys.modules)"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert "BadInput: --image_size: inception_resnet_v2 needs at least" in ended.stderr
    assert ended.stdout == "False\n"


def test_hook_writes_the_table_of_the_network_in_training(tmp_path):
    images = tf.data.Dataset.from_tensors(np.zeros([28, 28, 1], np.float32)).repeat().batch(3)
    iterator = tf.data.make_initializable_iterator(images)
    tf.add_to_collection(tf.GraphKeys.TABLE_INITIALIZERS, iterator.initializer)
    tf.train.get_or_create_global_step()
    logits, _ = get_network_fn("lenet", 10, is_training=True)(iterator.get_next())
    loss = tf.losses.sparse_softmax_cross_entropy(tf.zeros([3], tf.int32), logits)
    train_op = slim.learning.create_train_op(loss, tf.train.AdamOptimizer())
    hook = ModelStats(logits, tmp_path)
    assert isinstance(hook, tf.train.SessionRunHook)
    with tf.train.MonitoredTrainingSession(hooks=[hook]) as session:
        session.run(train_op)
    main(["--model_name", "lenet", "--num_classes", "10", "--output", str(tmp_path / "alone.csv")])
    written = (tmp_path / "model_stats.csv").read_text()
    assert written == (tmp_path / "alone.csv").read_text()


def test_hook_refuses_images_of_unknown_size(tmp_path):
    net = slim.conv2d(tf.placeholder(tf.float32, [None, None, None, 3]), 8, 3)
    with pytest.raises(BadInput, match="build the network on images of known height and width"):
        ModelStats(net, tmp_path).begin()
    assert not list(tmp_path.iterdir())


def test_hook_leaves_out_operations_before_the_given_inputs(tmp_path):
    images = tf.placeholder(tf.float32, [None, 8, 8, 3]) - 0.5
    ModelStats(slim.conv2d(images, 8, 3), tmp_path, inputs=images).begin()
    assert [row["layer"] for row in read_rows(tmp_path / "model_stats.csv")] == ["Conv", "total"]

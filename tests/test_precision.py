import json
from types import SimpleNamespace

import numpy as np
import pytest
from tiny_run import make_dataset, rows, train, words

import eval_flowers
from nets.networks import find_network
from slim_on_tf2 import slim, tf
from system import precision
from system.device import session_config
from system.errors import BadInput
from system.precision import choose_precision, describe_precision
from training.loss_scaling import LossScaledOptimizer
from training.optimization import configure_optimizer
from training.run_precision import with_precision
from training.run_record import read_run

FAST_FORMAT = precision.fast_format  # before a fixture replaces it
INCEPTION, MOBILENET = find_network("inception_v3"), find_network("mobilenet_v2")


@pytest.fixture
def fast(monkeypatch):
    """A function that sets what the machine computes fast."""
    return lambda name: monkeypatch.setattr(precision, "fast_format", lambda: name)


@pytest.fixture
def no_rewriter(monkeypatch):
    """For tests that pretend a format: nothing is computed in it, so any processor can run them."""
    monkeypatch.setattr("system.device.rewrite_for", lambda config, precision: None)


def machine(monkeypatch, tmp_path, instructions="", variables=(), capability=None):
    """Pretends a machine, and returns the format that it computes fast."""
    description = tmp_path / "cpuinfo"
    description.write_text(f"processor : 0\nflags : fpu avx2 {instructions}\n")
    monkeypatch.setattr(precision, "CPU_DESCRIPTION", description)
    for name in ("TF_ENABLE_ONEDNN_OPTS", "ONEDNN_MAX_CPU_ISA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables:
        monkeypatch.setenv(name, value)
    gpus = [SimpleNamespace(name="GPU:0")] if capability else []
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: gpus)
    monkeypatch.setattr(
        tf.config.experimental,
        "get_device_details",
        lambda gpu: {"compute_capability": capability},
    )
    return FAST_FORMAT()


@pytest.mark.parametrize(
    ("instructions", "variables", "capability", "expected"),
    [
        ("avx512f", [], None, "off"),
        ("avx512f avx512_bf16", [], None, "bfloat16"),
        ("amx_tile amx_bf16", [], None, "bfloat16"),
        ("avx512_bf16", [("TF_ENABLE_ONEDNN_OPTS", "0")], None, "off"),
        ("avx512_bf16", [("ONEDNN_MAX_CPU_ISA", "AVX2")], None, "off"),
        ("avx512_bf16", [("ONEDNN_MAX_CPU_ISA", "avx512_core")], None, "off"),
        ("avx512_bf16", [("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_BF16")], None, "bfloat16"),
        ("avx512_bf16", [], (6, 1), "off"),  # the GPU computes, and has no tensor cores
        ("avx2", [], (7, 0), "float16"),
        ("avx2", [], (9, 0), "float16"),
    ],
)
def test_fast_format_of_a_machine(
    monkeypatch, tmp_path, instructions, variables, capability, expected
):
    assert machine(monkeypatch, tmp_path, instructions, variables, capability) == expected


@pytest.mark.parametrize(
    ("has", "network", "recorded", "expected"),
    [
        ("bfloat16", INCEPTION, "auto", "bfloat16"),
        ("bfloat16", MOBILENET, "auto", "off"),  # slower with it on a CPU
        ("float16", MOBILENET, "auto", "float16"),
        ("off", INCEPTION, "auto", "off"),
        ("bfloat16", INCEPTION, "off", "off"),  # what a run began with
        ("off", INCEPTION, "bfloat16", "bfloat16"),
    ],
)
def test_auto_follows_the_run_and_then_the_machine(fast, has, network, recorded, expected):
    fast(has)
    assert choose_precision("auto", network, recorded) == expected


@pytest.mark.parametrize(
    ("asked", "has", "message"),
    [
        ("bfloat16", "off", "needs a CPU with avx512_bf16 or amx_bf16, and no GPU; give off"),
        (
            "float16",
            "bfloat16",
            "needs a GPU of compute capability 7.0 or .*; give bfloat16 or off",
        ),
    ],
)
def test_format_that_the_machine_lacks_is_refused(fast, asked, has, message):
    fast(has)
    with pytest.raises(BadInput, match=f"--mixed_precision {asked} {message}"):
        choose_precision(asked, INCEPTION)
    assert choose_precision("off", INCEPTION) == "off"


def test_run_of_a_lacking_format_computes_in_float32_and_says_so(fast):
    fast("off")
    (line,) = describe_precision("bfloat16")
    assert line.startswith("Mixed precision: float32 in place of bfloat16")
    options = session_config("bfloat16").graph_options.rewrite_options
    assert options.auto_mixed_precision_onednn_bfloat16 == options.DEFAULT
    assert describe_precision("off") == []


@pytest.mark.parametrize(
    ("name", "option"),
    [
        ("bfloat16", "auto_mixed_precision_onednn_bfloat16"),
        ("float16", "auto_mixed_precision"),
    ],
)
def test_rewriter_of_the_format_is_on(fast, name, option):
    fast(name)
    options = session_config(name).graph_options.rewrite_options
    assert getattr(options, option) == options.ON
    options = session_config("off").graph_options.rewrite_options
    assert getattr(options, option) == options.DEFAULT


def in_bfloat16(values):
    """Whether each of some float32 values is also a bfloat16."""
    return np.asarray(values, np.float32).view(np.uint32) & 0xFFFF == 0


@pytest.mark.skipif(FAST_FORMAT() != "bfloat16", reason="needs a CPU with bfloat16 instructions")
def test_bfloat16_multiplies_in_16_bits_and_keeps_the_rest_in_float32(fast):
    """The gradient of a kernel has bfloat16's error; weights and batch norm's averages have none.

    Both factors of a product are rounded, and their sum once more, each by at most 2 ** -9.
    """
    random = np.random.default_rng(0)
    fed = random.normal(size=(2, 8, 16, 16, 8)).astype(np.float32)
    images, targets = tf.unstack(tf.placeholder_with_default(fed, fed.shape))
    kernel = tf.get_variable("kernel", [3, 3, 8, 8])

    def loss_of(images, targets):
        net = tf.nn.conv2d(images, kernel, 1, "SAME")
        return net, tf.reduce_sum(net * targets)

    net, loss = loss_of(images, targets)
    slim.batch_norm(net, is_training=True, decay=0.9)
    train_op = slim.learning.create_train_op(loss, tf.train.AdamOptimizer(0.001))
    gradient = 2.0 * tf.gradients(loss, kernel)[0]  # what is fetched itself is not rewritten
    largest = 2.0 * tf.gradients(loss_of(tf.abs(images), tf.abs(targets))[1], kernel)[0]
    fast("bfloat16")
    with tf.Session(config=session_config("off")) as session:
        session.run(tf.global_variables_initializer())
        exact, bound = session.run([gradient, largest])
    with tf.Session(config=session_config("bfloat16")) as session:
        session.run(tf.global_variables_initializer())
        rounded = session.run(gradient)
        session.run(train_op)
        weights, averages = session.run([kernel, slim.get_model_variables()])
    difference = np.abs(exact - rounded)
    assert difference.max() > 2**-16 * np.abs(exact).max()
    assert (difference <= 3 * 2**-9 * (1 + 2**-8) * bound).all()
    for values in (weights, averages[1]):  # beta, mean and variance
        assert values.dtype == np.float32
        assert in_bfloat16(values).mean() < 0.5


def scaled_training(values):
    """Steps of w -= 0.1 * x by SGD with loss scaling; returns (w, scale, skipped, step) of each."""
    weight = tf.get_variable("w", [], initializer=tf.ones_initializer())
    x = tf.placeholder(tf.float32, [])
    step = tf.train.get_or_create_global_step()
    optimizer = LossScaledOptimizer(tf.train.GradientDescentOptimizer(0.1))
    train_op = slim.learning.create_train_op(weight * x, optimizer, check_numerics=False)
    state = [weight, optimizer.loss_scale(), optimizer.skipped_steps, step]
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        found = []
        for value in values:
            session.run(train_op, {x: value})
            found.append(session.run(state))
    return np.array(found)


def test_overflow_halves_the_scale_skips_the_update_and_counts_the_step():
    # 1e36 * 2 ** 15 is above the largest float32, 3.4e38; 1e34 * 2 ** 14 is below it.
    found = scaled_training([1, 1e36, np.inf, 2])
    np.testing.assert_allclose(found[:, 0], [0.9, 0.9, 0.9, 0.7], rtol=1e-6)
    np.testing.assert_array_equal(found[:, 1], [2**15, 2**14, 2**13, 2**13])
    np.testing.assert_array_equal(found[:, 2], [0, 1, 2, 2])
    np.testing.assert_array_equal(found[:, 3], [1, 2, 3, 4])


def test_loss_scale_does_not_change_an_update():
    flags = SimpleNamespace(
        optimizer="momentum",
        momentum=0.9,
        nesterov=False,
        accumulate_steps=1,
        clip_gradient_norm=0.5,
        mixed_precision="float16",
    )
    weight = tf.get_variable("w", [2], initializer=tf.ones_initializer())
    optimizer = configure_optimizer(flags, tf.constant(0.1), {weight: 1.0})
    train_op = slim.learning.create_train_op(
        tf.reduce_sum(weight * [3.0, 4.0]), optimizer, check_numerics=False
    )
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        session.run(train_op)
        # The gradient (3, 4) has the norm 5 and is clipped to (0.3, 0.4).
        np.testing.assert_allclose(session.run(weight), [0.97, 0.96], rtol=1e-6)
    tags = [op.name for op in tf.get_default_graph().get_operations() if op.type == "ScalarSummary"]
    assert tags == ["mixed_precision/loss_scale", "mixed_precision/skipped_steps"]


@pytest.mark.skipif(FAST_FORMAT() != "bfloat16", reason="needs a CPU with bfloat16 instructions")
def test_run_resumes_in_its_precision_bit_for_bit(tmp_path, capsys, fast):
    fast("bfloat16")
    data = make_dataset(tmp_path)
    flags = {"model_name": "cifarnet", "mixed_precision": "bfloat16", "save_steps": 2}
    for name, lengths in (("whole", [6]), ("stopped", [4, 6])):
        for steps in lengths:
            _, _, lines = train(data, tmp_path / name, capsys, max_number_of_steps=steps, **flags)
            flags["mixed_precision"] = "auto"  # which keeps it
            assert any(line.startswith("Mixed precision: bfloat16;") for line in lines)
        flags["mixed_precision"] = "bfloat16"
    ours, theirs = (
        tf.train.load_checkpoint(str(tmp_path / name / "model.ckpt-6"))
        for name in ("whole", "stopped")
    )
    for variable in ours.get_variable_to_shape_map():
        np.testing.assert_array_equal(ours.get_tensor(variable), theirs.get_tensor(variable))
    assert rows(tmp_path / "whole")[-1]["loss"] == rows(tmp_path / "stopped")[-1]["loss"]


@pytest.mark.usefixtures("no_rewriter")
def test_resumed_run_refuses_another_precision(tmp_path, capsys, fast):
    data = make_dataset(tmp_path)
    fast("bfloat16")
    flags = {"model_name": "cifarnet", "mixed_precision": "bfloat16"}
    train(data, tmp_path / "run", capsys, max_number_of_steps=1, **flags)
    fast("off")  # the run moves to another machine
    _, _, lines = train(
        data, tmp_path / "run", capsys, max_number_of_steps=2, model_name="cifarnet"
    )
    assert any(line.startswith("Mixed precision: float32 in place of bfloat16") for line in lines)
    assert read_run(tmp_path / "run").mixed_precision == "bfloat16"
    with pytest.raises(BadInput, match=r"holds another run \(mixed_precision bfloat16 there, off"):
        train(data, tmp_path / "run", capsys, model_name="cifarnet", mixed_precision="off")


@pytest.mark.usefixtures("no_rewriter")
def test_evaluation_computes_as_the_training_unless_asked(tmp_path, capsys, fast):
    data, log_dir = make_dataset(tmp_path), tmp_path / "run"
    fast("bfloat16")
    train(data, log_dir, capsys, max_number_of_steps=1, model_name="lenet", image_size=28)
    assert read_run(log_dir).mixed_precision == "bfloat16"
    for has, asked, computed in (
        ("bfloat16", "auto", "bfloat16"),
        ("bfloat16", "off", "off"),
        ("off", "auto", "off"),  # on another machine, in float32
    ):
        fast(has)
        eval_flowers.evaluate(log_dir, mixed_precision=asked)
        metrics = json.loads((log_dir / "eval" / "metrics.json").read_text())
        assert metrics["mixed_precision"] == computed
    assert with_precision(read_run(log_dir), "off").mixed_precision == "off"


def test_flag_takes_one_of_four_values(capsys, tmp_path):
    from train_flags import parse_flags

    with pytest.raises(SystemExit):
        parse_flags(words(tmp_path, tmp_path / "run", mixed_precision="half"))
    assert "--mixed_precision" in capsys.readouterr().err

import golden_nets
import numpy as np

from nets.mobilenet_v3 import hard_swish, mobilenet_v3_arg_scope, squeeze_excite
from slim_on_tf2 import slim, tf

EPSILON = float(np.finfo(np.float32).eps)


def test_hard_swish_at_known_points():
    points = tf.constant([-9.0, -3.0, -1.0, 0.0, 1.0, 3.0, 9.0])
    with tf.Session() as session:
        values = session.run(hard_swish(points))
    np.testing.assert_allclose(values, [0, 0, -1 / 3, 0, 2 / 3, 3, 9], rtol=4 * EPSILON)


def test_squeeze_excite_in_numpy():
    net = np.random.RandomState(0).normal(size=[2, 5, 7, 96]).astype(np.float32)
    with slim.arg_scope(mobilenet_v3_arg_scope()):
        result = squeeze_excite(tf.constant(net))
    with tf.Session() as session:
        golden_nets.fill(session)
        value = session.run(result)
        weight = {v.op.name[15:]: session.run(v) for v in slim.get_model_variables()}
    assert weight["Conv/weights"].shape == (1, 1, 96, 24)

    gate = net.mean((1, 2)) @ weight["Conv/weights"][0, 0] + weight["Conv/biases"]
    gate = np.maximum(gate, 0) @ weight["Conv_1/weights"][0, 0] + weight["Conv_1/biases"]
    gate = np.clip((gate + 3) / 6, 0, 1)
    # The checkpoints round 1 / 6 to 0.16667.
    np.testing.assert_allclose(value, net * gate[:, None, None], rtol=1e-4)

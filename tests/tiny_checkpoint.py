"""Checkpoints of LeNet, the smallest network."""

from nets.nets_factory import get_network_fn
from slim_on_tf2 import tf


def save(path, version, num_classes=7, trained=False, channels=1):
    """Saves a LeNet; if it is `trained`, with an optimizer's variables and moving averages."""
    with tf.Graph().as_default(), tf.Session() as session:
        logits, _ = get_network_fn("lenet", num_classes)(tf.zeros([1, 28, 28, channels]))
        if trained:
            step = tf.train.get_or_create_global_step()
            tf.train.AdamOptimizer().minimize(tf.reduce_sum(logits), step)
            tf.train.ExponentialMovingAverage(0.9).apply(tf.trainable_variables())
        session.run(tf.global_variables_initializer())
        return tf.train.Saver(write_version=version).save(session, str(path))

"""The optimizers by slim's names; importing this does not import TensorFlow."""

# name -> class in tf.train, and what it takes beside the learning rate
OPTIMIZERS = {
    "adadelta": ("AdadeltaOptimizer", {}),
    "adagrad": ("AdagradOptimizer", {}),
    "adam": ("AdamOptimizer", {}),
    "momentum": ("MomentumOptimizer", {"momentum": 0.9}),
    "rmsprop": ("RMSPropOptimizer", {"decay": 0.9, "momentum": 0.9, "epsilon": 1.0}),
    "sgd": ("GradientDescentOptimizer", {}),
}


def make_optimizer(name, learning_rate):
    """The optimizer `name` with a scalar tensor or number as its learning rate."""
    from slim_on_tf2 import tf

    class_name, settings = OPTIMIZERS[name]
    return getattr(tf.train, class_name)(learning_rate, **settings)

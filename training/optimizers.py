"""The table of optimizers, by slim's names; free of TensorFlow."""

# Name -> class in tf.train, and its arguments besides the learning rate.
OPTIMIZERS = {
    "adadelta": ("AdadeltaOptimizer", {}),
    "adagrad": ("AdagradOptimizer", {}),
    "adam": ("AdamOptimizer", {}),
    "momentum": ("MomentumOptimizer", {"momentum": 0.9}),
    "rmsprop": ("RMSPropOptimizer", {"decay": 0.9, "momentum": 0.9, "epsilon": 1.0}),
    "sgd": ("GradientDescentOptimizer", {}),
}

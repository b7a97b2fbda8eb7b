"""Grad-CAM: where in a picture a network saw what it answers.

    logits, _ = get_network_fn("mobilenet_v1", num_classes=5)(inputs)
    maps = heat_maps(logits)                                     # of the predicted classes
    inputs, maps = session.run([inputs, maps])
    pairs = explained_photos(inputs, maps, "inception")          # to look at

The maps lie on the photos as the network is given them, which in evaluation may be the middle of a
photo alone, and so they are shown on that.
"""

from nets.features import last_feature_map
from preprocessing.factory import to_pixels
from reporting.heat_maps import overlay, side_by_side
from slim_on_tf2 import tf


def heat_maps(logits, class_indices=None):
    """Weighs the places of the last feature map by what they say for a class.

    A channel's weight is the mean over space of the gradient of the class's logit by it; places
    that speak against the class are set to 0. Adds to the graph.

    Source: Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
    Localization", ICCV 2017, Section 3, equations 1 and 2.

    Args:
      logits: float32 [batch, classes], of a network of `nets.factory.NETWORKS` in evaluation mode,
        built for images of a known size.
      class_indices: int [batch], the class to explain for each image; by default the one of the
        largest logit.

    Returns:
      float32 [batch, h, w] in [0, 1], h and w of the last feature map. The largest value of an
      image is 1, or 0 where no place speaks for the class.

    Raises:
      ValueError: the network has no feature map of more than one place.
    """
    if class_indices is None:
        class_indices = tf.argmax(logits, axis=1)
    features = last_feature_map(logits)
    chosen = tf.gather(logits, class_indices, axis=1, batch_dims=1)
    # The images do not see each other, so the gradient of the sum is each logit's own.
    (gradients,) = tf.gradients(chosen, features)
    weights = tf.reduce_mean(gradients, [1, 2], keepdims=True)
    evidence = tf.nn.relu(tf.reduce_sum(weights * features, axis=3))
    return tf.math.divide_no_nan(evidence, tf.reduce_max(evidence, [1, 2], keepdims=True))


def explained_photos(inputs, maps, preprocessing_name):
    """Shows photos as the network sees them, and beside each the same with its heat map over it.

    Args:
      inputs: float32 array [n, height, width, 3 or 1], what the network was given.
      maps: float32 array [n, h, w] in [0, 1], the values of `heat_maps`.
      preprocessing_name: the scheme that made the inputs.

    Returns:
      uint8 array [n, height, 2 * width, 3].

    Raises:
      BadInput: there is no scheme of that name.
      ValueError: there is not one heat map a photo.
    """
    photos = to_pixels(preprocessing_name)(inputs)
    return side_by_side(photos, overlay(photos, maps))

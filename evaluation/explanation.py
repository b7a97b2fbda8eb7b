"""Grad-CAM: the places of an image that a network's prediction relies on.

    logits, _ = get_network_fn("mobilenet_v1", num_classes=5)(inputs)
    heat_maps = grad_cam(logits)                                 # for the predicted classes
    inputs, heat_maps = session.run([inputs, heat_maps])
    pairs = explained_images(inputs, heat_maps, "inception")     # images to show

The heat maps belong to the preprocessed images, which evaluation may have cropped.
"""

from evaluation.heat_maps import overlay, side_by_side
from nets.features import last_feature_map
from preprocessing.preprocessing_factory import to_pixels
from slim_on_tf2 import tf


def grad_cam(logits, class_indices=None):
    """Adds the Grad-CAM heat maps of the last feature map to the graph.

    A channel's weight is the spatial mean of the gradient of the class's logit with respect to the
    channel; negative evidence is clipped to 0.

    Source: Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
    Localization", ICCV 2017, Section 3, equations 1 and 2.

    Args:
      logits: float32 [batch, classes], of a network of `nets.networks.NETWORKS` in evaluation mode,
        built for images of a static size.
      class_indices: int [batch], the class to explain for each image; by default the predicted one.

    Returns:
      float32 [batch, h, w] in [0, 1], where h and w are the size of the last feature map. The
      maximum for each image is 1, or 0 if there is no evidence for the class.

    Raises:
      ValueError: the network has no feature map larger than 1 x 1.
    """
    if class_indices is None:
        class_indices = tf.argmax(logits, axis=1)
    features = last_feature_map(logits)
    chosen = tf.gather(logits, class_indices, axis=1, batch_dims=1)
    # tf.gradients sums over the batch, but each logit depends on the features of its image only.
    (gradients,) = tf.gradients(chosen, features)
    weights = tf.reduce_mean(gradients, [1, 2], keepdims=True)
    evidence = tf.nn.relu(tf.reduce_sum(weights * features, axis=3))
    return tf.math.divide_no_nan(evidence, tf.reduce_max(evidence, [1, 2], keepdims=True))


def explained_images(inputs, heat_maps, preprocessing_name):
    """Puts each image, as the network sees it, beside itself with its heat map on top.

    Args:
      inputs: float32 array [n, height, width, 3 or 1], the preprocessed images.
      heat_maps: float32 array [n, h, w] in [0, 1], the values of `grad_cam`.
      preprocessing_name: the scheme that preprocessed the images.

    Returns:
      uint8 array [n, height, 2 * width, 3].

    Raises:
      BadInput: there is no scheme of that name.
      ValueError: the number of heat maps is not n.
    """
    images = to_pixels(preprocessing_name)(inputs)
    return side_by_side(images, overlay(images, heat_maps))

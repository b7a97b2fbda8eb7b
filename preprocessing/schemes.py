"""The table of preprocessing schemes, readable without TensorFlow.

A scheme is a module with these names. In all of them, images have 3 channels (RGB) or 1
(grayscale), and height and width are the size of the output in pixels.

  preprocess_for_eval(image, height, width): an image [any height, any width, channels], uint8 or
    float32 in [0, 1], to a network input, float32 [height, width, channels].

  preprocess_for_train(image, height, width, seed, fast_mode=True, use_grayscale=False): the bytes
    of a JPEG, PNG, GIF or BMP, a string scalar, or uint8 [any height, any width, 3], to a network
    input with random distortions. The int [2] seed determines every random choice: equal seeds give
    equal bits. `fast_mode` leaves out expensive distortions. A scheme without random distortions
    does not define this function; it trains on what it evaluates.

  needed_size(height, width): the least height and width of an entire image that is resized to
    height x width in evaluation without being enlarged; None for a scheme that does not resize. A
    JPEG of more than twice that size is decoded at a fraction of its own.

  DESCRIPTION: preprocess_for_eval in words, for those who implement it on a device.

  to_network_range(images): float32 [..., height, width, channels] in [0, 255] to network inputs of
    the same shape; the inverse of to_pixel_range, as far as there is one. An augmentation with
    settings of its own (`preprocessing.augmentations`) needs nothing else of a scheme.

  to_pixel_range(images): network inputs, an array or a tensor [..., height, width, channels], to
    float32 of the same shape in [0, 255].
"""

# Name -> module.
PREPROCESSING = {
    "inception": "preprocessing.inception",
    "vgg": "preprocessing.vgg",
    "lenet": "preprocessing.lenet",
    "cifarnet": "preprocessing.cifarnet",
    "none": "preprocessing.none",
}

# The schemes that define preprocess_for_train.
DISTORTED = {"inception", "vgg", "cifarnet"}


def is_distorted(name):
    """Whether the published training with the scheme `name` distorts images.

    Where it does not, distortions may change the class of an image, as of a mirrored digit. So
    recipes for such schemes leave augmentation off.
    """
    return name in DISTORTED

"""The table of networks, and slim's `get_network_fn`.

    network_fn = factory.get_network_fn("inception_resnet_v2", num_classes=5, is_training=True)
    logits, end_points = network_fn(images)

A network is one row of `NETWORKS`. Reading the table imports no TensorFlow, so that flags are
checked before it is loaded.
"""

import difflib
from dataclasses import dataclass

from bad_input import BadInput

_PUBLISHED = "https://storage.googleapis.com/download.tensorflow.org/models/"


@dataclass(frozen=True)
class Network:
    """All that is known of a network.

    Attributes:
      module: the module that holds `function` and `arg_scope`.
      function: the name of its function of (images, num_classes, is_training, ...).
      arg_scope: the name of its function of (weight_decay, ...) that gives the arg_scope.
      image_size: the side of the images it was published for, in pixels.
      smallest_image_size: the smallest side that its layers admit in training, in pixels; 1 where
        they all pad.
      preprocessing: the scheme it was published with, `inception` or `vgg`.
      head_scopes: the variable scopes of its classifiers, which a warm start leaves out because
        they depend on the classes.
      checkpoint: the file name of its published weights, None where there are none.
      checkpoint_url: the address of the archive that holds `checkpoint`, or None.
      has_dropout: whether training mode means more to it than batch norm by batch statistics.
    """

    module: str
    function: str
    arg_scope: str
    image_size: int
    smallest_image_size: int
    preprocessing: str
    head_scopes: tuple[str, ...]
    checkpoint: str | None = None
    checkpoint_url: str | None = None
    has_dropout: bool = True


def _inception(version, head_scopes, image_size, smallest_image_size):
    name = f"inception_v{version}"
    return Network(
        module=f"tf_slim.nets.{name}",
        function=name,
        arg_scope=f"{name}_arg_scope",
        image_size=image_size,
        smallest_image_size=smallest_image_size,
        preprocessing="inception",
        head_scopes=head_scopes,
        checkpoint=f"{name}.ckpt",
        checkpoint_url=f"{_PUBLISHED}{name}_2016_08_28.tar.gz",
    )


def _mobilenet_v1(function, depth_multiplier):
    checkpoint = f"mobilenet_v1_{depth_multiplier}_224"
    return Network(
        module="nets.mobilenet_v1",
        function=function,
        arg_scope="mobilenet_v1_arg_scope",
        image_size=224,
        smallest_image_size=1,
        preprocessing="inception",
        head_scopes=("MobilenetV1/Logits",),
        checkpoint=f"{checkpoint}.ckpt",
        checkpoint_url=f"{_PUBLISHED}mobilenet_v1_2018_08_02/{checkpoint}.tgz",
    )


def _resnet(version, layers, image_size, preprocessing, published):
    name = f"resnet_v{version}_{layers}"
    return Network(
        module=f"tf_slim.nets.resnet_v{version}",
        function=name,
        arg_scope="resnet_arg_scope",
        image_size=image_size,
        smallest_image_size=1,
        preprocessing=preprocessing,
        head_scopes=(f"{name}/logits",),
        checkpoint=f"{name}.ckpt",
        checkpoint_url=f"{_PUBLISHED}{name}_{published}.tar.gz",
        has_dropout=False,
    )


def _resnet_v1(layers):
    return _resnet(1, layers, 224, "vgg", "2016_08_28")


def _resnet_v2(layers):
    # Its code says 224; its published accuracy was measured at 299.
    return _resnet(2, layers, 299, "inception", "2017_04_14")


def _convolutional(name, module, arg_scope, image_size, smallest_image_size, published=None):
    """A network whose fully connected layers are convolutions: AlexNet, OverFeat, VGG."""
    return Network(
        module=f"tf_slim.nets.{module}",
        function=name,
        arg_scope=arg_scope,
        image_size=image_size,
        smallest_image_size=smallest_image_size,
        preprocessing="vgg",
        head_scopes=(f"{name}/fc8",),
        checkpoint=f"{name}.ckpt" if published else None,
        checkpoint_url=f"{_PUBLISHED}{name}_{published}.tar.gz" if published else None,
    )


def _vgg(name, published=None):
    return _convolutional(name, "vgg", "vgg_arg_scope", 224, 224, published)


NETWORKS: dict[str, Network] = {
    "inception_resnet_v2": Network(
        module="nets.inception_resnet_v2",
        function="inception_resnet_v2",
        arg_scope="inception_resnet_v2_arg_scope",
        image_size=299,
        smallest_image_size=75,
        preprocessing="inception",
        head_scopes=("InceptionResnetV2/Logits", "InceptionResnetV2/AuxLogits"),
        checkpoint="inception_resnet_v2_2016_08_30.ckpt",
        checkpoint_url=f"{_PUBLISHED}inception_resnet_v2_2016_08_30.tar.gz",
    ),
    "mobilenet_v1": _mobilenet_v1("mobilenet_v1", "1.0"),
    "mobilenet_v1_075": _mobilenet_v1("mobilenet_v1_075", "0.75"),
    "mobilenet_v1_050": _mobilenet_v1("mobilenet_v1_050", "0.5"),
    "mobilenet_v1_025": _mobilenet_v1("mobilenet_v1_025", "0.25"),
    "inception_v1": _inception(1, ("InceptionV1/Logits",), 224, 193),
    "inception_v2": _inception(2, ("InceptionV2/Logits",), 224, 1),
    "inception_v3": _inception(3, ("InceptionV3/Logits", "InceptionV3/AuxLogits"), 299, 107),
    "resnet_v1_50": _resnet_v1(50),
    "resnet_v1_101": _resnet_v1(101),
    "resnet_v1_152": _resnet_v1(152),
    "resnet_v2_50": _resnet_v2(50),
    "resnet_v2_101": _resnet_v2(101),
    "resnet_v2_152": _resnet_v2(152),
    "vgg_a": _vgg("vgg_a"),
    "vgg_16": _vgg("vgg_16", "2016_08_28"),
    "vgg_19": _vgg("vgg_19", "2016_08_28"),
    "alexnet_v2": _convolutional("alexnet_v2", "alexnet", "alexnet_v2_arg_scope", 224, 195),
    "overfeat": _convolutional("overfeat", "overfeat", "overfeat_arg_scope", 231, 231),
}


def find_network(name):
    """The row of `NETWORKS` for `name`.

    Raises:
      BadInput: there is no such network; names those that are spelled alike.
    """
    if name in NETWORKS:
        return NETWORKS[name]
    close = difflib.get_close_matches(str(name), NETWORKS)
    hint = f"did you mean {' or '.join(close)}?" if close else f"there are {', '.join(NETWORKS)}"
    raise BadInput(f"--model_name: there is no network {name!r}; {hint}")


def check_image_size(name, size):
    """Sees to it that the network `name` takes images of `size` pixels a side.

    There is no upper bound: every network averages over space what a large image gives it.

    Raises:
      BadInput: `size` is too small, or there is no such network.
    """
    smallest = find_network(name).smallest_image_size
    if size < smallest:
        raise BadInput(f"--image_size: {name} needs at least {smallest} pixels a side, got {size}")


def get_network_fn(
    name,
    num_classes,
    weight_decay=0.0,
    is_training=False,
    batch_norm_decay=None,
    freeze_batch_norm=False,
):
    """Makes the function that builds the network `name`.

    Args:
      name: a key of `NETWORKS`.
      num_classes: how many logits.
      weight_decay: the factor of the L2 loss.
      is_training: a Python bool; steers dropout, batch norm and the auxiliary head, which is
        built in training alone.
      batch_norm_decay: the decay of batch norm's moving averages, a step, a number or a float32
        scalar tensor; None leaves the network's own.
      freeze_batch_norm: batch norm uses its moving averages in training too, and leaves them;
        True everywhere, or a function of a layer's scope name that says where. (The ResNets have
        no choice: where any layer is frozen, all are.)

    Returns:
      A function of (images, reuse=None) that gives logits and end points. Images are float
      [batch, height, width, channels], at least `NETWORKS[name].smallest_image_size` a side;
      `reuse=True` takes the variables of an earlier call. Logits are float
      [batch, num_classes]; what a network gives for each place of a large image is averaged.
      The end points are the network's own, and of each network `Logits`, `Predictions` (float
      [batch, num_classes], probabilities) and, where it has that head and `is_training`,
      `AuxLogits` (float [batch, num_classes]). `default_image_size` is its attribute.

    Raises:
      BadInput: there is no such network.
    """
    network = find_network(name)
    # Imported here because it brings TensorFlow, which takes seconds.
    from nets.network_fn import make_network_fn

    return make_network_fn(
        network, num_classes, weight_decay, is_training, batch_norm_decay, freeze_batch_norm
    )

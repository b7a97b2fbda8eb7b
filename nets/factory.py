"""The table of networks, and slim's `get_network_fn`.

    network_fn = factory.get_network_fn("inception_resnet_v2", num_classes=5, is_training=True)
    logits, end_points = network_fn(images)

A network is one row of `NETWORKS`. Reading the table imports no TensorFlow, so that flags are
checked before it is loaded.
"""

import difflib
from dataclasses import dataclass

from bad_input import BadInput
from nets.checkpoints import CHECKPOINTS


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
      preprocessing: the scheme it was published with, a name of `preprocessing.factory`.
      head_scopes: the variable scopes of its classifiers, which a warm start leaves out because
        they depend on the classes.
      checkpoint: its published weights, a name of `checkpoints.CHECKPOINTS`, or None.
      labels_offset: 1 where the published weights know 1,000 classes of ImageNet, 0 where they
        know 1,001, of which the first is none of them, the background.
      channels: those of the images it was published for, 3 for colours, 1 for grey.
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
    labels_offset: int = 0
    channels: int = 3
    has_dropout: bool = True

    @property
    def published_classes(self):
        """How many classes of ImageNet its published weights know."""
        return 1001 - self.labels_offset

    @property
    def published(self):
        """The `Checkpoint` of its published weights: address, ImageNet accuracy; or None."""
        return CHECKPOINTS.get(self.checkpoint)


_HEAD_AND_AUXILIARY_HEAD = ("Logits", "AuxLogits")


def _inception(name, date, scope, image_size, smallest_image_size, heads=("Logits",), room=None):
    """A row of an Inception; `room` is the package its module stands in, tf_slim's by default."""
    return Network(
        module=f"{room or 'tf_slim.nets'}.{name}",
        function=name,
        arg_scope=f"{name}_arg_scope",
        image_size=image_size,
        smallest_image_size=smallest_image_size,
        preprocessing="inception",
        head_scopes=tuple(f"{scope}/{head}" for head in heads),
        checkpoint=f"{name}_{date}",
    )


def _mobilenet(version, function, checkpoint):
    return Network(
        module=f"nets.mobilenet_v{version}",
        function=function,
        arg_scope=f"mobilenet_v{version}_arg_scope",
        image_size=224,
        smallest_image_size=1,
        preprocessing="inception",
        head_scopes=(f"MobilenetV{version}/Logits",),
        checkpoint=checkpoint,
    )


def _searched(name, image_size, auxiliary_head, checkpoint):
    """A row of a network whose cells a search has found: NASNet, PNASNet."""
    return Network(
        module=f"nets.{name.partition('_')[0]}",
        function=name,
        arg_scope=f"{name}_arg_scope",
        image_size=image_size,
        smallest_image_size=3,
        preprocessing="inception",
        head_scopes=("final_layer", auxiliary_head),
        checkpoint=checkpoint,
    )


def _resnet(version, layers, date, **published):
    name = f"resnet_v{version}_{layers}"
    return Network(
        module=f"tf_slim.nets.resnet_v{version}",
        function=name,
        arg_scope="resnet_arg_scope",
        smallest_image_size=1,
        head_scopes=(f"{name}/logits",),
        checkpoint=f"{name}_{date}",
        has_dropout=False,
        **published,
    )


def _resnet_v1(layers):
    return _resnet(1, layers, "2016_08_28", image_size=224, preprocessing="vgg", labels_offset=1)


def _resnet_v2(layers):
    # Its code says 224; its published accuracy was measured at 299.
    return _resnet(2, layers, "2017_04_14", image_size=299, preprocessing="inception")


def _convolutional(name, module, image_size, smallest_image_size, date=None):
    """A row of a network whose fully connected layers are convolutions: AlexNet, OverFeat, VGG."""
    return Network(
        module=f"tf_slim.nets.{module}",
        function=name,
        arg_scope=f"{module if module != 'alexnet' else name}_arg_scope",
        image_size=image_size,
        smallest_image_size=smallest_image_size,
        preprocessing="vgg",
        head_scopes=(f"{name}/fc8",),
        checkpoint=f"{name}_{date}" if date else None,
        labels_offset=1,
    )


NETWORKS: dict[str, Network] = {
    "inception_resnet_v2": _inception(
        "inception_resnet_v2",
        "2016_08_30",
        "InceptionResnetV2",
        299,
        75,
        heads=_HEAD_AND_AUXILIARY_HEAD,
        room="nets",
    ),
    "inception_v4": _inception(
        "inception_v4",
        "2016_09_09",
        "InceptionV4",
        299,
        75,
        heads=_HEAD_AND_AUXILIARY_HEAD,
        room="nets",
    ),
    "inception_v3": _inception(
        "inception_v3", "2016_08_28", "InceptionV3", 299, 107, heads=_HEAD_AND_AUXILIARY_HEAD
    ),
    "inception_v2": _inception("inception_v2", "2016_08_28", "InceptionV2", 224, 1),
    "inception_v1": _inception("inception_v1", "2016_08_28", "InceptionV1", 224, 193),
    "mobilenet_v1": _mobilenet(1, "mobilenet_v1", "mobilenet_v1_1.0_224"),
    "mobilenet_v1_075": _mobilenet(1, "mobilenet_v1_075", "mobilenet_v1_0.75_224"),
    "mobilenet_v1_050": _mobilenet(1, "mobilenet_v1_050", "mobilenet_v1_0.5_224"),
    "mobilenet_v1_025": _mobilenet(1, "mobilenet_v1_025", "mobilenet_v1_0.25_224"),
    "mobilenet_v2": _mobilenet(2, "mobilenet_v2", "mobilenet_v2_1.0_224"),
    "mobilenet_v2_140": _mobilenet(2, "mobilenet_v2_140", "mobilenet_v2_1.4_224"),
    "mobilenet_v2_130": _mobilenet(2, "mobilenet_v2_130", "mobilenet_v2_1.3_224"),
    "mobilenet_v2_075": _mobilenet(2, "mobilenet_v2_075", "mobilenet_v2_0.75_224"),
    "mobilenet_v2_050": _mobilenet(2, "mobilenet_v2_050", "mobilenet_v2_0.5_224"),
    "mobilenet_v2_035": _mobilenet(2, "mobilenet_v2_035", "mobilenet_v2_0.35_224"),
    "mobilenet_v3_large": _mobilenet(3, "mobilenet_v3_large", "v3-large_224_1.0_float"),
    "mobilenet_v3_large_075": _mobilenet(3, "mobilenet_v3_large_075", "v3-large_224_0.75_float"),
    "mobilenet_v3_large_minimalistic": _mobilenet(
        3, "mobilenet_v3_large_minimalistic", "v3-large-minimalistic_224_1.0_float"
    ),
    "mobilenet_v3_large_minimalistic_075": _mobilenet(
        3, "mobilenet_v3_large_minimalistic_075", None
    ),
    "mobilenet_v3_small": _mobilenet(3, "mobilenet_v3_small", "v3-small_224_1.0_float"),
    "mobilenet_v3_small_075": _mobilenet(3, "mobilenet_v3_small_075", "v3-small_224_0.75_float"),
    "mobilenet_v3_small_minimalistic": _mobilenet(
        3, "mobilenet_v3_small_minimalistic", "v3-small-minimalistic_224_1.0_float"
    ),
    "mobilenet_v3_small_minimalistic_075": _mobilenet(
        3, "mobilenet_v3_small_minimalistic_075", None
    ),
    "nasnet_mobile": _searched("nasnet_mobile", 224, "aux_7", "nasnet-a_mobile_04_10_2017"),
    "nasnet_large": _searched("nasnet_large", 331, "aux_11", "nasnet-a_large_04_10_2017"),
    "pnasnet_mobile": _searched("pnasnet_mobile", 224, "aux_5", "pnasnet-5_mobile_2017_12_13"),
    "pnasnet_large": _searched("pnasnet_large", 331, "aux_7", "pnasnet-5_large_2017_12_13"),
    "resnet_v1_50": _resnet_v1(50),
    "resnet_v1_101": _resnet_v1(101),
    "resnet_v1_152": _resnet_v1(152),
    "resnet_v2_50": _resnet_v2(50),
    "resnet_v2_101": _resnet_v2(101),
    "resnet_v2_152": _resnet_v2(152),
    "vgg_a": _convolutional("vgg_a", "vgg", 224, 224),
    "vgg_16": _convolutional("vgg_16", "vgg", 224, 224, "2016_08_28"),
    "vgg_19": _convolutional("vgg_19", "vgg", 224, 224, "2016_08_28"),
    "alexnet_v2": _convolutional("alexnet_v2", "alexnet", 224, 195),
    "overfeat": _convolutional("overfeat", "overfeat", 231, 231),
    "cifarnet": Network(
        module="nets.cifarnet",
        function="cifarnet",
        arg_scope="cifarnet_arg_scope",
        image_size=32,
        smallest_image_size=4,
        preprocessing="cifarnet",
        head_scopes=("CifarNet/logits",),
    ),
    "lenet": Network(
        module="nets.lenet",
        function="lenet",
        arg_scope="lenet_arg_scope",
        image_size=28,
        smallest_image_size=4,
        preprocessing="lenet",
        head_scopes=("LeNet/fc4",),
        channels=1,
    ),
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

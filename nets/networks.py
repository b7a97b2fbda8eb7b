"""The table of networks, `NETWORKS`: one row per network, readable without TensorFlow.

`nets_factory` builds a network by its name.
"""

import difflib
from dataclasses import dataclass

from system.errors import BadInput


@dataclass(frozen=True)
class Network:
    """A row of the table.

    Attributes:
      module: the module that defines `function` and `arg_scope`.
      function: name of the function of (images, num_classes, is_training, ...).
      arg_scope: name of the function of (weight_decay, ...) that returns the arg_scope.
      image_size: the published height and width of its images, in pixels.
      smallest_image_size: the smallest height and width that can be trained on, in pixels; 1 if all
        its layers pad.
      preprocessing: the published preprocessing, a name of `preprocessing.schemes`.
      head_scopes: variable scopes of its classifiers. Their shapes depend on the number of classes,
        so a warm start excludes them.
      checkpoint: its published checkpoint, a name of `checkpointing.published`, or None.
      labels_offset: 1 if the checkpoint has the 1,000 classes of ImageNet; 0 if it has 1,001, with
        a background class before them.
      channels: channels of the images it was published for, 3 for color, 1 for grayscale.
      flattens: whether a fully connected layer takes the flattened grid, so that the shapes of its
        variables depend on the image size.
      has_depthwise: whether it has depthwise convolutions, which bfloat16 slows down on a CPU.
      has_dropout: whether the network uses dropout. Without it, its argument `is_training` controls
        batch norm only.
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
    flattens: bool = False
    has_depthwise: bool = False
    has_dropout: bool = True

    @property
    def published_classes(self):
        """Number of classes of the published checkpoint."""
        return 1001 - self.labels_offset


def _inception(name, date, scope, image_size, smallest_image_size, heads, package="tf_slim.nets"):
    return Network(
        module=f"{package}.{name}",
        function=name,
        arg_scope=f"{name}_arg_scope",
        image_size=image_size,
        smallest_image_size=smallest_image_size,
        preprocessing="inception",
        head_scopes=tuple(f"{scope}/{head}" for head in heads),
        checkpoint=f"{name}_{date}",
    )


def _mobilenet(version, name, checkpoint):
    return Network(
        module=f"nets.mobilenet_v{version}",
        function=name,
        arg_scope=f"mobilenet_v{version}_arg_scope",
        image_size=224,
        smallest_image_size=1,
        preprocessing="inception",
        head_scopes=(f"MobilenetV{version}/Logits",),
        checkpoint=checkpoint,
        has_depthwise=True,
    )


def _nasnet(module, name, image_size, auxiliary_head, checkpoint):
    return Network(
        module=f"nets.{module}",
        function=name,
        arg_scope=f"{name}_arg_scope",
        image_size=image_size,
        smallest_image_size=3,
        preprocessing="inception",
        head_scopes=("final_layer", auxiliary_head),
        checkpoint=checkpoint,
        has_depthwise=True,
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
    # tf_slim's default_image_size is 224, but the published accuracy was measured at 299.
    return _resnet(2, layers, "2017_04_14", image_size=299, preprocessing="inception")


def _vgg(name, module, arg_scope, image_size, smallest_image_size, checkpoint=None):
    """VGG, AlexNet, OverFeat: the fully connected layers are convolutions, the last one is fc8."""
    return Network(
        module=f"tf_slim.nets.{module}",
        function=name,
        arg_scope=arg_scope,
        image_size=image_size,
        smallest_image_size=smallest_image_size,
        preprocessing="vgg",
        head_scopes=(f"{name}/fc8",),
        checkpoint=checkpoint,
        labels_offset=1,
    )


_ONE_HEAD = ("Logits",)
_TWO_HEADS = ("Logits", "AuxLogits")
_ROWS = (
    _inception(
        "inception_resnet_v2", "2016_08_30", "InceptionResnetV2", 299, 75, _TWO_HEADS, "nets"
    ),
    _inception("inception_v4", "2016_09_09", "InceptionV4", 299, 75, _TWO_HEADS, "nets"),
    _inception("inception_v3", "2016_08_28", "InceptionV3", 299, 107, _TWO_HEADS),
    _inception("inception_v2", "2016_08_28", "InceptionV2", 224, 1, _ONE_HEAD),
    _inception("inception_v1", "2016_08_28", "InceptionV1", 224, 193, _ONE_HEAD),
    _mobilenet(1, "mobilenet_v1", "mobilenet_v1_1.0_224"),
    _mobilenet(1, "mobilenet_v1_075", "mobilenet_v1_0.75_224"),
    _mobilenet(1, "mobilenet_v1_050", "mobilenet_v1_0.5_224"),
    _mobilenet(1, "mobilenet_v1_025", "mobilenet_v1_0.25_224"),
    _mobilenet(2, "mobilenet_v2", "mobilenet_v2_1.0_224"),
    _mobilenet(2, "mobilenet_v2_140", "mobilenet_v2_1.4_224"),
    _mobilenet(2, "mobilenet_v2_130", "mobilenet_v2_1.3_224"),
    _mobilenet(2, "mobilenet_v2_075", "mobilenet_v2_0.75_224"),
    _mobilenet(2, "mobilenet_v2_050", "mobilenet_v2_0.5_224"),
    _mobilenet(2, "mobilenet_v2_035", "mobilenet_v2_0.35_224"),
    _mobilenet(3, "mobilenet_v3_large", "v3-large_224_1.0_float"),
    _mobilenet(3, "mobilenet_v3_large_075", "v3-large_224_0.75_float"),
    _mobilenet(3, "mobilenet_v3_large_minimalistic", "v3-large-minimalistic_224_1.0_float"),
    _mobilenet(3, "mobilenet_v3_large_minimalistic_075", None),
    _mobilenet(3, "mobilenet_v3_small", "v3-small_224_1.0_float"),
    _mobilenet(3, "mobilenet_v3_small_075", "v3-small_224_0.75_float"),
    _mobilenet(3, "mobilenet_v3_small_minimalistic", "v3-small-minimalistic_224_1.0_float"),
    _mobilenet(3, "mobilenet_v3_small_minimalistic_075", None),
    _nasnet("nasnet", "nasnet_mobile", 224, "aux_7", "nasnet-a_mobile_04_10_2017"),
    _nasnet("nasnet", "nasnet_large", 331, "aux_11", "nasnet-a_large_04_10_2017"),
    _nasnet("pnasnet", "pnasnet_mobile", 224, "aux_5", "pnasnet-5_mobile_2017_12_13"),
    _nasnet("pnasnet", "pnasnet_large", 331, "aux_7", "pnasnet-5_large_2017_12_13"),
    _resnet_v1(50),
    _resnet_v1(101),
    _resnet_v1(152),
    _resnet_v2(50),
    _resnet_v2(101),
    _resnet_v2(152),
    _vgg("vgg_a", "vgg", "vgg_arg_scope", 224, 224),
    _vgg("vgg_16", "vgg", "vgg_arg_scope", 224, 224, "vgg_16_2016_08_28"),
    _vgg("vgg_19", "vgg", "vgg_arg_scope", 224, 224, "vgg_19_2016_08_28"),
    _vgg("alexnet_v2", "alexnet", "alexnet_v2_arg_scope", 224, 195),
    _vgg("overfeat", "overfeat", "overfeat_arg_scope", 231, 231),
    Network(
        module="nets.cifarnet",
        function="cifarnet",
        arg_scope="cifarnet_arg_scope",
        image_size=32,
        smallest_image_size=4,
        preprocessing="cifarnet",
        head_scopes=("CifarNet/logits",),
        flattens=True,
    ),
    Network(
        module="nets.lenet",
        function="lenet",
        arg_scope="lenet_arg_scope",
        image_size=28,
        smallest_image_size=4,
        preprocessing="lenet",
        head_scopes=("LeNet/fc4",),
        channels=1,
        flattens=True,
    ),
)
NETWORKS: dict[str, Network] = {row.function: row for row in _ROWS}


def find_network(name):
    """Returns the row of `NETWORKS` for `name`.

    Raises:
      BadInput: there is no such network; the message suggests similar names.
    """
    if name in NETWORKS:
        return NETWORKS[name]
    similar = difflib.get_close_matches(str(name), NETWORKS)
    hint = (
        f"did you mean {' or '.join(similar)}?" if similar else f"use one of {', '.join(NETWORKS)}"
    )
    raise BadInput(f"--model_name: there is no network {name!r}; {hint}")


def check_image_size(name, size):
    """Checks that the network `name` accepts images of `size` x `size` pixels.

    There is no upper limit: the logits of a large image are averaged over space.

    Raises:
      BadInput: `size` is too small, or there is no such network.
    """
    smallest = find_network(name).smallest_image_size
    if size < smallest:
        raise BadInput(
            f"--image_size: {name} needs at least {smallest} pixels per side, got {size}"
        )

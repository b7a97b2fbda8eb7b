"""Maps every layer of keras.applications to the variables of slim's networks.

    for layer in APPLICATIONS["resnet_v1_50"].layers():
        print(layer.name, layer.variables)  # conv1_conv ('resnet_v1_50/conv1/weights',) ...

Names and numbers only, without TensorFlow; `weights.py` and `models.py` convert the weights.

In its Inception networks, Keras numbers most layers in the order of their creation: conv2d,
conv2d_1 and so on. It is the order in which slim lists them.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

from system.errors import BadInput

_BATCH_NORM = ("gamma", "beta", "moving_mean", "moving_variance")


@dataclass(frozen=True)
class KerasLayer:
    """A Keras layer that has weights.

    Attributes:
      name: its name, with Keras's numbers counted from the model's first layer of that kind.
      variables: slim's names of its weights, in the order of Keras's `get_weights`.
      folded_bias: the slim variable, a moving mean, that absorbs the bias of Keras's convolution;
        None if slim's layer has the same weights. The bias follows the weights of `variables`.
      window: the kernel size, if Keras's layer is dense and slim's a convolution.
      in_head: whether `include_top=False` leaves it out.
    """

    name: str
    variables: tuple[str, ...]
    folded_bias: str | None = None
    window: int | None = None
    in_head: bool = False

    @property
    def num_arrays(self):
        """The number of its weight arrays in Keras."""
        return len(self.variables) + bool(self.folded_bias)


@dataclass(frozen=True)
class Application:
    """A network of keras.applications, and how it differs from the slim network.

    Attributes:
      function: its name in keras.applications.
      layers: a function that returns an iterator over its `KerasLayer`s.
      parameters: the number of its parameters without the head, for RGB images.
      features: the number of features that its last layer classifies.
      head_parameters: the number of parameters in the head before its last layer.
      options: keyword arguments of `function`.
      epsilon: the epsilon of slim's batch norm.
      is_bgr: whether its published weights take BGR images.
      zero_padding: name prefixes of Keras's explicit zero-padding layers; slim pads with SAME in
        the next layer.
      same_padding: name prefixes of those next layers.
      smallest_image_size: the smallest image that Keras accepts, in pixels.
      largest_image_size: the largest image that Keras accepts; None if there is no limit.
      last_window: the kernel size of slim's last average pooling; None if it averages over all
        positions, as Keras always does.
    """

    function: str
    layers: Callable[[], Iterator[KerasLayer]]
    parameters: int
    features: int
    head_parameters: int = 0
    options: dict = field(default_factory=dict)
    epsilon: float = 0.001
    is_bgr: bool = False
    zero_padding: tuple[str, ...] = ()
    same_padding: tuple[str, ...] = ()
    smallest_image_size: int = 32
    largest_image_size: int | None = None
    last_window: int | None = None


def _conv(name, scope, bias=False, **options):
    leaves = ("weights", "biases") if bias else ("weights",)
    return KerasLayer(name, tuple(f"{scope}/{leaf}" for leaf in leaves), **options)


def _depthwise(name, scope):
    return KerasLayer(name, (f"{scope}/depthwise_weights",))


def _separable(name, scope):
    return KerasLayer(name, (f"{scope}/depthwise_weights", f"{scope}/pointwise_weights"))


def _batch_norm(name, scope, leaves=_BATCH_NORM):
    return KerasLayer(name, tuple(f"{scope}/{leaf}" for leaf in leaves))


def _head(scope, name="predictions", window=None):
    return _conv(name, scope, bias=True, window=window, in_head=True)


def _numbered(name, number):
    """Returns the default name of the layer with that number: conv2d, conv2d_1, ..."""
    return f"{name}_{number}" if number else name


def _unnamed_convs(scopes):
    """Yields convolutions with default names, each with its batch norm, which has no gamma."""
    for number, scope in enumerate(scopes):
        yield _conv(_numbered("conv2d", number), scope)
        yield _batch_norm(
            _numbered("batch_normalization", number), f"{scope}/BatchNorm", _BATCH_NORM[1:]
        )


def _mixed(scope, *branches):
    """Returns the scopes of the convolutions in an Inception block; a branch is a str of names."""
    return [
        f"{scope}/Branch_{number}/Conv{leaf}"
        for number, branch in enumerate(branches)
        for leaf in branch.split()
    ]


def _inception_v3_scopes():
    for leaf in ("1a_3x3", "2a_3x3", "2b_3x3", "3b_1x1", "4a_3x3"):
        yield f"Conv2d_{leaf}"
    double_3x3 = "2d_0a_1x1 2d_0b_3x3 2d_0c_3x3"
    for scope, to_5x5 in (
        ("Mixed_5b", "2d_0a_1x1 2d_0b_5x5"),
        ("Mixed_5c", "2d_0b_1x1 _1_0c_5x5"),
        ("Mixed_5d", "2d_0a_1x1 2d_0b_5x5"),
    ):
        yield from _mixed(scope, "2d_0a_1x1", to_5x5, double_3x3, "2d_0b_1x1")
    yield from _mixed("Mixed_6a", "2d_1a_1x1", "2d_0a_1x1 2d_0b_3x3 2d_1a_1x1")
    to_7x7 = "2d_0a_1x1 2d_0b_1x7 2d_0c_7x1"
    double_7x7 = "2d_0a_1x1 2d_0b_7x1 2d_0c_1x7 2d_0d_7x1 2d_0e_1x7"
    for scope in ("Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"):
        yield from _mixed(scope, "2d_0a_1x1", to_7x7, double_7x7, "2d_0b_1x1")
    yield from _mixed("Mixed_7a", "2d_0a_1x1 2d_1a_3x3", f"{to_7x7} 2d_1a_3x3")
    split_3x3 = "2d_0a_1x1 2d_0b_3x3 2d_0c_1x3 2d_0d_3x1"
    for scope, fork in (("Mixed_7b", "2d_0b_3x1"), ("Mixed_7c", "2d_0c_3x1")):
        yield from _mixed(scope, "2d_0a_1x1", f"2d_0a_1x1 2d_0b_1x3 {fork}", split_3x3, "2d_0b_1x1")


def _inception_v3():
    yield from _unnamed_convs(f"InceptionV3/{scope}" for scope in _inception_v3_scopes())
    yield _head("InceptionV3/Logits/Conv2d_1c_1x1", window=1)


def _residual_blocks():
    """Yields Keras's name, slim's scope and the branches of each residual block."""
    block35 = ("2d_1x1", "2d_0a_1x1 2d_0b_3x3", "2d_0a_1x1 2d_0b_3x3 2d_0c_3x3")
    block17 = ("2d_1x1", "2d_0a_1x1 2d_0b_1x7 2d_0c_7x1")
    block8 = ("2d_1x1", "2d_0a_1x1 2d_0b_1x3 2d_0c_3x1")
    for repeat, times, name, branches in (
        ("Repeat", 10, "block35", block35),
        ("Repeat_1", 20, "block17", block17),
        ("Repeat_2", 9, "block8", block8),
    ):
        for number in range(1, times + 1):
            yield f"{name}_{number}", f"{repeat}/{name}_{number}", branches
    yield "block8_10", "Block8", block8


def _inception_resnet_v2():
    root, blocks = "InceptionResnetV2", list(_residual_blocks())
    scopes = [f"Conv2d_{leaf}" for leaf in ("1a_3x3", "2a_3x3", "2b_3x3", "3b_1x1", "4a_3x3")]
    scopes += _mixed(
        "Mixed_5b",
        "2d_1x1",
        "2d_0a_1x1 2d_0b_5x5",
        "2d_0a_1x1 2d_0b_3x3 2d_0c_3x3",
        "2d_0b_1x1",
    )
    reductions = {
        "block35_10": _mixed("Mixed_6a", "2d_1a_3x3", "2d_0a_1x1 2d_0b_3x3 2d_1a_3x3"),
        "block17_20": _mixed(
            "Mixed_7a",
            "2d_0a_1x1 2d_1a_3x3",
            "2d_0a_1x1 2d_1a_3x3",
            "2d_0a_1x1 2d_0b_3x3 2d_1a_3x3",
        ),
    }
    for name, scope, branches in blocks:
        scopes += _mixed(scope, *branches) + reductions.get(name, [])
    yield from _unnamed_convs(f"{root}/{scope}" for scope in scopes)
    for name, scope, _ in blocks:
        yield _conv(f"{name}_conv", f"{root}/{scope}/Conv2d_1x1", bias=True)
    last = f"{root}/Conv2d_7b_1x1"
    yield _conv("conv_7b", last)
    yield _batch_norm("conv_7b_bn", f"{last}/BatchNorm", _BATCH_NORM[1:])
    yield _head(f"{root}/Logits/Logits")


def _mobilenet_v1():
    root = "MobilenetV1"
    yield _conv("conv1", f"{root}/Conv2d_0")
    yield _batch_norm("conv1_bn", f"{root}/Conv2d_0/BatchNorm")
    for number in range(1, 14):
        for make, name, kind in (
            (_depthwise, "conv_dw", "depthwise"),
            (_conv, "conv_pw", "pointwise"),
        ):
            scope = f"{root}/Conv2d_{number}_{kind}"
            yield make(f"{name}_{number}", scope)
            yield _batch_norm(f"{name}_{number}_bn", f"{scope}/BatchNorm")
    yield _head(f"{root}/Logits/Conv2d_1c_1x1", "conv_preds")


def _mobilenet_v2():
    root = "MobilenetV2"
    yield _conv("Conv1", f"{root}/Conv")
    yield _batch_norm("bn_Conv1", f"{root}/Conv/BatchNorm")
    for number in range(17):
        # The first block has no expansion, and the same name in Keras and slim.
        name = f"block_{number}" if number else "expanded_conv"
        for make, part in (
            (_conv, "expand"),
            (_depthwise, "depthwise"),
            (_conv, "project"),
        )[0 if number else 1 :]:
            scope = f"{root}/{_numbered('expanded_conv', number)}/{part}"
            yield make(f"{name}_{part}", scope)
            yield _batch_norm(f"{name}_{part}_BN", f"{scope}/BatchNorm")
    yield _conv("Conv_1", f"{root}/Conv_1")
    yield _batch_norm("Conv_1_bn", f"{root}/Conv_1/BatchNorm")
    yield _head(f"{root}/Logits/Conv2d_1c_1x1", window=1)


def _units(root, version, units):
    """Yields Keras's name and slim's scope of each bottleneck; whether it is its block's first."""
    for block, count in enumerate(units, start=1):
        for unit in range(1, count + 1):
            scope = f"{root}/block{block}/unit_{unit}/bottleneck_v{version}"
            yield f"conv{block + 1}_block{unit}", scope, unit == 1


def _conv_with_folded_bias(name, scope):
    """Yields a convolution of ResNet V1 and its batch norm."""
    yield _conv(f"{name}_conv", scope, folded_bias=f"{scope}/BatchNorm/moving_mean")
    yield _batch_norm(f"{name}_bn", f"{scope}/BatchNorm")


def _resnet_v1(root, units):
    yield from _conv_with_folded_bias("conv1", f"{root}/conv1")
    for name, scope, is_first in _units(root, 1, units):
        if is_first:
            yield from _conv_with_folded_bias(f"{name}_0", f"{scope}/shortcut")
        for number in (1, 2, 3):
            yield from _conv_with_folded_bias(f"{name}_{number}", f"{scope}/conv{number}")
    yield _head(f"{root}/logits", window=1)


def _resnet_v2(root, units):
    yield _conv("conv1_conv", f"{root}/conv1", bias=True)
    for name, scope, is_first in _units(root, 2, units):
        yield _batch_norm(f"{name}_preact_bn", f"{scope}/preact")
        if is_first:
            yield _conv(f"{name}_0_conv", f"{scope}/shortcut", bias=True)
        for number in (1, 2):
            yield _conv(f"{name}_{number}_conv", f"{scope}/conv{number}")
            yield _batch_norm(f"{name}_{number}_bn", f"{scope}/conv{number}/BatchNorm")
        yield _conv(f"{name}_3_conv", f"{scope}/conv3", bias=True)
    yield _batch_norm("post_bn", f"{root}/postnorm")
    yield _head(f"{root}/logits", window=1)


def _vgg(root, convolutions):
    for block, count in enumerate(convolutions, start=1):
        for number in range(1, count + 1):
            scope = f"{root}/conv{block}/conv{block}_{number}"
            yield _conv(f"block{block}_conv{number}", scope, bias=True)
    yield _head(f"{root}/fc6", "fc1", window=7)
    yield _head(f"{root}/fc7", "fc2", window=1)
    yield _head(f"{root}/fc8", window=1)


# The separable convolutions of a NASNet-A cell, each applied twice: suffix of Keras's name, slim's
# scope, kernel size.
_NORMAL_CELL = (
    ("left1", "comb_iter_0/left", 5),
    ("right1", "comb_iter_0/right", 3),
    ("left2", "comb_iter_1/left", 5),
    ("right2", "comb_iter_1/right", 3),
    ("left5", "comb_iter_4/left", 3),
)
_REDUCTION_CELL = (
    ("left1", "comb_iter_0/left", 5),
    ("right1", "comb_iter_0/right", 7),
    ("right2", "comb_iter_1/right", 7),
    ("right3", "comb_iter_2/right", 5),
    ("left4", "comb_iter_4/left", 3),
)


def _nasnet_cells(blocks):
    """Yields Keras's name and slim's scope of each cell; whether it is a reduction cell."""
    yield "stem_1", "cell_stem_0", True
    yield "stem_2", "cell_stem_1", True
    for stage in range(3):
        if stage:
            yield f"reduce_{stage * blocks}", f"reduction_cell_{stage - 1}", True
        for number in range(stage * blocks, (stage + 1) * blocks):
            yield str(number + bool(stage)), f"cell_{number}", False


def _adjustment(name, scope, blocks):
    """Yields the layers that adjust the output of the second-to-last cell to a cell's input."""
    if scope == "cell_stem_0":
        return
    # After a reduction that output is twice as large.
    if scope in ("cell_stem_1", "cell_0", f"cell_{blocks}", f"cell_{2 * blocks}"):
        yield _conv(f"adjust_conv_1_{name}", f"{scope}/path1_conv")
        yield _conv(f"adjust_conv_2_{name}", f"{scope}/path2_conv")
        yield _batch_norm(f"adjust_bn_{name}", f"{scope}/final_path_bn")
    else:
        yield _conv(f"adjust_conv_projection_{name}", f"{scope}/prev_1x1")
        yield _batch_norm(f"adjust_bn_{name}", f"{scope}/prev_bn")


def _nasnet(blocks):
    yield _conv("stem_conv1", "conv0")
    yield _batch_norm("stem_bn1", "conv0_bn")
    for name, scope, is_reduction in _nasnet_cells(blocks):
        yield from _adjustment(name, scope, blocks)
        kind = "reduction" if is_reduction else "normal"
        yield _conv(f"{kind}_conv_1_{name}", f"{scope}/1x1")
        yield _batch_norm(f"{kind}_bn_1_{name}", f"{scope}/beginning_bn")
        for suffix, branch, size in _REDUCTION_CELL if is_reduction else _NORMAL_CELL:
            for number in (1, 2):
                layer, window = f"{kind}_{suffix}_{name}", f"{size}x{size}_{number}"
                yield _separable(
                    f"separable_conv_{number}_{layer}", f"{scope}/{branch}/separable_{window}"
                )
                yield _batch_norm(
                    f"separable_conv_{number}_bn_{layer}", f"{scope}/{branch}/bn_sep_{window}"
                )
    yield _head("final_layer/FC")


def _mobilenet_v1_row(width, parameters):
    return Application(
        "MobileNet",
        _mobilenet_v1,
        parameters,
        features=int(1024 * width),
        options={"alpha": width},
        zero_padding=("conv_pad_",),
        same_padding=("conv_dw_",),
    )


def _mobilenet_v2_row(width, parameters, features=1280):
    return Application("MobileNetV2", _mobilenet_v2, parameters, features, options={"alpha": width})


def _resnet_row(version, depth, units, parameters):
    walk = {1: _resnet_v1, 2: _resnet_v2}[version]
    return Application(
        f"ResNet{depth}" + {1: "", 2: "V2"}[version],
        partial(walk, f"resnet_v{version}_{depth}", units),
        parameters,
        features=2048,
        epsilon=0.00001,
        is_bgr=version == 1,
        zero_padding=("pool1_pad",),
        same_padding=("pool1_pool",),
    )


def _vgg_row(depth, convolutions, parameters):
    walk = partial(_vgg, f"vgg_{depth}", convolutions)
    fc6, fc7 = 7 * 7 * 512 * 4096 + 4096, 4096 * 4096 + 4096
    return Application(
        f"VGG{depth}",
        walk,
        parameters,
        features=4096,
        head_parameters=fc6 + fc7,
        is_bgr=True,
        # Its head is dense and expects a 7 x 7 grid after the last pooling.
        smallest_image_size=7 * 32,
        largest_image_size=8 * 32 - 1,
    )


def _nasnet_row(function, blocks, parameters, features):
    return Application(
        function,
        partial(_nasnet, blocks),
        parameters,
        features,
        zero_padding=("reduction_pad_",),
        same_padding=("reduction_left2_", "reduction_left3_", "reduction_right5_"),
    )


APPLICATIONS: dict[str, Application] = {
    "inception_resnet_v2": Application(
        "InceptionResNetV2",
        _inception_resnet_v2,
        54_336_736,
        features=1536,
        smallest_image_size=75,
    ),
    "inception_v3": Application(
        "InceptionV3",
        _inception_v3,
        21_802_784,
        features=2048,
        smallest_image_size=75,
        last_window=8,
    ),
    "mobilenet_v1": _mobilenet_v1_row(1.0, 3_228_864),
    "mobilenet_v1_075": _mobilenet_v1_row(0.75, 1_832_976),
    "mobilenet_v1_050": _mobilenet_v1_row(0.5, 829_536),
    "mobilenet_v1_025": _mobilenet_v1_row(0.25, 218_544),
    "mobilenet_v2": _mobilenet_v2_row(1.0, 2_257_984),
    "mobilenet_v2_140": _mobilenet_v2_row(1.4, 4_363_712, 1792),
    "mobilenet_v2_130": _mobilenet_v2_row(1.3, 3_766_048, 1664),
    "mobilenet_v2_075": _mobilenet_v2_row(0.75, 1_382_064),
    "mobilenet_v2_050": _mobilenet_v2_row(0.5, 706_224),
    "mobilenet_v2_035": _mobilenet_v2_row(0.35, 410_208),
    "resnet_v1_50": _resnet_row(1, 50, (3, 4, 6, 3), 23_587_712),
    "resnet_v1_101": _resnet_row(1, 101, (3, 4, 23, 3), 42_658_176),
    "resnet_v1_152": _resnet_row(1, 152, (3, 8, 36, 3), 58_370_944),
    "resnet_v2_50": _resnet_row(2, 50, (3, 4, 6, 3), 23_564_800),
    "resnet_v2_101": _resnet_row(2, 101, (3, 4, 23, 3), 42_626_560),
    "resnet_v2_152": _resnet_row(2, 152, (3, 8, 36, 3), 58_331_648),
    "vgg_16": _vgg_row(16, (2, 2, 3, 3, 3), 14_714_688),
    "vgg_19": _vgg_row(19, (2, 2, 4, 4, 4), 20_024_384),
    "nasnet_mobile": _nasnet_row("NASNetMobile", 4, 4_269_716, 1056),
    "nasnet_large": _nasnet_row("NASNetLarge", 6, 84_916_818, 4032),
}


def find_application(model_name):
    """Returns the row of `APPLICATIONS` for the slim network `model_name`.

    Raises:
      BadInput: keras.applications has no such network.
    """
    if model_name in APPLICATIONS:
        return APPLICATIONS[model_name]
    raise BadInput(
        f"--model_name: keras.applications has no counterpart of {model_name!r}; it has those of "
        f"{', '.join(APPLICATIONS)}"
    )


def identify_application(num_arrays, num_parameters):
    """Finds the networks that have this many weights, by Keras's count.

    Args:
      num_arrays: the number of weight arrays in a file or a model.
      num_parameters: the number of their elements.

    Returns:
      A dict from slim's name to the number of classes, None for a network without a head; empty if
      no network matches.
    """
    found = {}
    for name, application in APPLICATIONS.items():
        layers = list(application.layers())
        body = sum(layer.num_arrays for layer in layers if not layer.in_head)
        total = sum(layer.num_arrays for layer in layers)
        classifier = num_parameters - application.parameters - application.head_parameters
        num_classes, rest = divmod(classifier, application.features + 1)
        if (num_arrays, num_parameters) == (body, application.parameters):
            found[name] = None
        elif num_arrays == total and num_classes > 0 and not rest:
            found[name] = num_classes
    return found

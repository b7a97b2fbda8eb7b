from pathlib import Path

import golden_nets
import numpy as np
import pytest

from bad_input import BadInput
from nets.keras_layers import APPLICATIONS, find_application, identify

GOLDEN = sorted(
    name
    for name in APPLICATIONS
    if Path(__file__).with_name("golden").joinpath(f"{name}.json").is_file()
)


def shapes_of(name):
    """Variable -> shape of the published slim network, without the auxiliary head."""
    variables = golden_nets.read(name)["variables"]
    return {v: shape for v, shape, _ in variables if "AuxLogits/" not in v and "aux_" not in v}


@pytest.mark.parametrize("name", GOLDEN)
def test_each_variable_of_slim_is_in_one_layer_of_keras(name):
    layers = list(APPLICATIONS[name].layers())
    variables = [variable for layer in layers for variable in layer.variables]
    assert sorted(variables) == sorted(shapes_of(name))
    assert len({layer.name for layer in layers}) == len(layers)


@pytest.mark.parametrize("name", GOLDEN)
def test_a_network_is_known_by_the_numbers_in_it(name):
    shapes, head = shapes_of(name), []
    arrays = parameters = 0
    for layer in APPLICATIONS[name].layers():
        sizes = [np.prod(shapes[variable], dtype=int) for variable in layer.variables]
        if layer.folded_bias:
            sizes.append(shapes[layer.folded_bias][0])
        if layer.in_head:
            head.append(sizes)
        else:
            arrays, parameters = arrays + len(sizes), parameters + sum(sizes)
    assert parameters == APPLICATIONS[name].parameters
    assert identify(arrays, parameters) == {name: None}

    with_head = arrays + sum(map(len, head)), parameters + sum(map(sum, head))
    assert identify(*with_head) == {name: 5}


def test_the_published_sizes():  # as keras.io lists them, for 1000 classes
    assert identify(320, 25_636_712) == {"resnet_v1_50": 1000}
    assert identify(32, 138_357_544) == {"vgg_16": 1000}
    assert identify(262, 3_538_984) == {"mobilenet_v2": 1000}
    assert identify(320, 25_636_713) == identify(319, 25_636_712) == {}


def test_kerass_numbers_begin_at_none():
    names = [layer.name for layer in APPLICATIONS["inception_v3"].layers()]
    assert names[:4] == ["conv2d", "batch_normalization", "conv2d_1", "batch_normalization_1"]
    assert names[-3:] == ["conv2d_93", "batch_normalization_93", "predictions"]


def test_networks_that_keras_lacks_are_bad_input():
    assert find_application("vgg_19").function == "VGG19"
    with pytest.raises(BadInput, match="no counterpart of 'pnasnet_large'; .*nasnet_mobile"):
        find_application("pnasnet_large")

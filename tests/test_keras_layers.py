from pathlib import Path

import golden_nets
import numpy as np
import pytest

from keras_conversion.layers import APPLICATIONS, find_application, identify_application
from system.errors import BadInput

GOLDEN = sorted(
    name
    for name in APPLICATIONS
    if Path(__file__).with_name("golden").joinpath(f"{name}.json").is_file()
)


def shapes_of(name):
    """Returns variable -> shape of the published slim network, without the auxiliary head."""
    variables = golden_nets.read(name)["variables"]
    return {v: shape for v, shape, _ in variables if "AuxLogits/" not in v and "aux_" not in v}


@pytest.mark.parametrize("name", GOLDEN)
def test_each_slim_variable_is_in_one_keras_layer(name):
    layers = list(APPLICATIONS[name].layers())
    variables = [variable for layer in layers for variable in layer.variables]
    assert sorted(variables) == sorted(shapes_of(name))
    assert len({layer.name for layer in layers}) == len(layers)


@pytest.mark.parametrize("name", GOLDEN)
def test_network_is_identified_by_its_number_of_parameters(name):
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
    assert identify_application(arrays, parameters) == {name: None}

    with_head = arrays + sum(map(len, head)), parameters + sum(map(sum, head))
    assert identify_application(*with_head) == {name: 5}


def test_published_sizes():  # from keras.io, for 1000 classes
    assert identify_application(320, 25_636_712) == {"resnet_v1_50": 1000}
    assert identify_application(32, 138_357_544) == {"vgg_16": 1000}
    assert identify_application(262, 3_538_984) == {"mobilenet_v2": 1000}
    assert identify_application(320, 25_636_713) == identify_application(319, 25_636_712) == {}


def test_first_layer_of_a_kind_has_no_number():
    names = [layer.name for layer in APPLICATIONS["inception_v3"].layers()]
    assert names[:4] == ["conv2d", "batch_normalization", "conv2d_1", "batch_normalization_1"]
    assert names[-3:] == ["conv2d_93", "batch_normalization_93", "predictions"]


def test_network_without_keras_counterpart_is_refused():
    assert find_application("vgg_19").function == "VGG19"
    with pytest.raises(BadInput, match="no counterpart of 'pnasnet_large'; .*nasnet_mobile"):
        find_application("pnasnet_large")

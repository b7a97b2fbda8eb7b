from types import SimpleNamespace

import pytest

from model_stats.layer_names import LayerNames


def names(readers):
    """Returns `LayerNames` for a dict from the name of an operation to the variable it reads."""
    return LayerNames(
        [
            SimpleNamespace(name=operation, variables=(variable,) if variable else ())
            for operation, variable in readers.items()
        ]
    )


NET = {
    "net/net/conv1/Conv2D": "net/conv1/weights",
    "net/net/conv1/BatchNorm/batchnorm/mul_1": "net/conv1/BatchNorm/gamma",
    "net/net/conv1/Relu": None,
    "net/net/pool1/MaxPool": None,
    "net/fc_1/MatMul": "net/fc/weights",
    "bare": "bare_weights",
}


@pytest.mark.parametrize(
    ("operation", "layer"),
    [
        ("net/net/conv1/Conv2D", "net/conv1"),
        ("net/net/conv1/BiasAdd", "net/conv1"),
        ("net/net/conv1/hard_swish/Relu6", "net/conv1"),
        ("net/net/conv1/BatchNorm/batchnorm/add_1", "net/conv1/BatchNorm"),
        ("net/fc_1/Relu", "net/fc"),
        ("net/net/pool1/MaxPool", "net/pool1/MaxPool"),
        ("net/net/conv10/add", "net/conv10/add"),
        ("net/Mean", "net/Mean"),
        ("elsewhere/Mean", "elsewhere/Mean"),
        ("bare", "bare"),
    ],
)
def test_operation_belongs_to_the_innermost_scope_that_reads_variables(operation, layer):
    assert names(NET).layer_of(operation) == layer


def test_layer_used_twice_has_one_name():
    twice = names({"net/fc/MatMul": "net/fc/weights", "net_1/fc/MatMul": "net/fc/weights"})
    assert twice.layer_of("net/fc/BiasAdd") == twice.layer_of("net_1/fc/BiasAdd") == "net/fc"
    assert twice.layer_of("net_1/pool/MaxPool") == "net/pool/MaxPool"

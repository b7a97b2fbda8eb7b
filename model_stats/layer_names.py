"""Assigns the operations of a graph to layers.

A layer is a variable scope. An operation belongs to the innermost enclosing scope in which
variables are read: a convolution, its bias and its activation are one layer, and its batch norm is
another. An operation outside such a scope (pooling, a residual sum) is a layer of its own.
"""

import re


class LayerNames:
    """Maps the name of an operation to the name of its layer.

    Operations and variables have different scopes: TensorFlow repeats or numbers the scope of
    operations when a variable scope is entered again, so that `LeNet/LeNet/conv1/Conv2D` reads
    `LeNet/conv1/weights`. The operations that read variables give the correspondence.
    """

    def __init__(self, operations):
        """Initializes the mapping from a list of `forward_graph.ForwardOperation`."""
        # Both map a scope of operations to its variable scope.
        self._layers = {}  # scopes in which variables are read
        self._parents = {}  # scopes around those
        for operation in operations:
            if operation.variables:
                self._add(operation.name, operation.variables[0])

    def _add(self, operation, variable):
        scope, variable_scope = operation.split("/")[:-1], variable.split("/")[:-1]
        while scope and variable_scope and not _matches(scope[-1], variable_scope[-1]):
            scope.pop()  # a scope inside the layer, such as the last in BatchNorm/batchnorm/add_1
        known = self._layers
        while scope and variable_scope and _matches(scope[-1], variable_scope[-1]):
            known.setdefault("/".join(scope), "/".join(variable_scope))
            known = self._parents
            scope.pop()
            variable_scope.pop()

    def layer_of(self, operation):
        """Returns the name of the layer to which the operation with a given name belongs.

        That is a variable scope, or the operation's own name where it is a layer of its own. In the
        latter the scopes that also hold variables are replaced with their variable scopes.
        """
        for scope, _ in _enclosing_scopes(operation):
            if scope in self._layers:
                return self._layers[scope]
        for scope, rest in _enclosing_scopes(operation):
            if scope in self._parents:
                return f"{self._parents[scope]}/{rest}"
        return operation


def _matches(scope, variable_scope):
    """Whether `scope` is `variable_scope`, possibly numbered: `conv1_2` for `conv1`."""
    return re.fullmatch(rf"{re.escape(variable_scope)}(_\d+)?", scope) is not None


def _enclosing_scopes(name):
    """Yields (scope, rest of the name), the innermost scope first."""
    parts = name.split("/")
    for length in range(len(parts) - 1, 0, -1):
        yield "/".join(parts[:length]), "/".join(parts[length:])

"""The layers of a graph: which operations make up one, and what it is called.

A layer is a variable scope. An operation belongs to the innermost scope around it in which
variables are read: so a convolution, its bias and its activation are one layer, and its batch norm
is another. An operation in no such scope (pooling, a residual sum) is a layer by itself.
"""

import re


class LayerNames:
    """Knows the layer of each operation by its name.

    The scopes of operations are not those of their variables: TensorFlow repeats or numbers a scope
    that is entered again (`LeNet/LeNet/conv1/Conv2D` reads `LeNet/conv1/weights`). What reads a
    variable shows how the one translates to the other.
    """

    def __init__(self, operations):
        """Learns the scopes of `operations`, a list of `forward_graph.ForwardOperation`."""
        self._layers = {}  # scope of operations -> variable scope that is a layer
        self._around = {}  # the same of the scopes around layers
        for operation in operations:
            if operation.variables:
                self._learn(operation.name, operation.variables[0])

    def _learn(self, operation, variable):
        scope, variable_scope = operation.split("/")[:-1], variable.split("/")[:-1]
        while scope and variable_scope and not _is_entered_as(scope[-1], variable_scope[-1]):
            scope.pop()  # a scope within the layer's, as the last one of BatchNorm/batchnorm/add_1
        known = self._layers
        while scope and variable_scope and _is_entered_as(scope[-1], variable_scope[-1]):
            known.setdefault("/".join(scope), "/".join(variable_scope))
            known = self._around
            scope.pop()
            variable_scope.pop()

    def layer_of(self, operation):
        """The name of the layer of an operation, which is given by its own name.

        Returns:
          A variable scope; or, of an operation that is a layer by itself, its name, with the
          scopes that it shares with variables named as theirs are.
        """
        for scope, _ in _scopes_around(operation):
            if scope in self._layers:
                return self._layers[scope]
        for scope, rest in _scopes_around(operation):
            if scope in self._around:
                return f"{self._around[scope]}/{rest}"
        return operation


def _is_entered_as(scope, variable_scope):
    return re.fullmatch(rf"{re.escape(variable_scope)}(_\d+)?", scope) is not None


def _scopes_around(name):
    """The pairs of a scope of `name` and what follows it, the innermost first."""
    parts = name.split("/")
    for length in range(len(parts) - 1, 0, -1):
        yield "/".join(parts[:length]), "/".join(parts[length:])

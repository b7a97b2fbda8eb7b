"""The graph of imports, late ones included: downward only, without a circle."""

import ast
import graphlib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# From the top down; packages of one row do not import each other.
LAYERS = (
    {"convert_flowers", "train_flowers", "predict_flowers", "export_flowers", "demo", "benchmarks"},
    {"eval_flowers"},  # train_flowers.py and export_flowers.py evaluate too
    {"train_flags", "eval_flags"},
    {"serving"},
    {"evaluation"},
    {"training"},
    {"checkpointing"},
    {"keras_conversion"},
    {"model_stats"},
    {"nets", "preprocessing", "datasets"},
    {"system"},
    {"slim_on_tf2"},
)


def modules():
    """Returns the project's modules: name -> path."""
    files = [*ROOT.glob("*.py"), *(file for layer in LAYERS for p in layer for file in search(p))]
    names = {".".join(f.relative_to(ROOT).with_suffix("").parts): f for f in files}
    return {name.removesuffix(".__init__"): path for name, path in names.items()}


def search(package):
    return (ROOT / package).rglob("*.py")


def imported(path, known):
    """Returns the project's modules that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            candidates = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            candidates = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        found.update(name for name in candidates if name in known)
    return found


def graph():
    known = modules()
    return {name: imported(path, known) - {name} for name, path in known.items()}


def layer_of(module):
    package = module.partition(".")[0]
    (index,) = (i for i, layer in enumerate(LAYERS) if package in layer)
    return index, package


def test_graph_holds_known_imports():
    edges = graph()
    assert {"slim_on_tf2", "nets.networks"} <= edges["nets.nets_factory"]
    assert "training.run_record" in edges["eval_flowers"]
    assert len(edges) > 100


def test_every_module_lies_in_one_layer():
    assert {layer_of(module)[1] for module in graph()} == set().union(*LAYERS)


def test_imports_run_downward():
    upward = []
    for module, targets in graph().items():
        for target in targets:
            (here, package), (there, other) = layer_of(module), layer_of(target)
            if there < here or (there == here and package != other):
                upward.append(f"{module} imports {target}")
    assert sorted(upward) == []


def test_imports_have_no_circle():
    tuple(graphlib.TopologicalSorter(graph()).static_order())  # raises CycleError with the circle


def test_upward_import_and_circle_would_be_found():
    assert layer_of("training.session") > layer_of("evaluation.plots")
    circle = {"nets.a": {"nets.b"}, "nets.b": {"nets.a"}}
    try:
        tuple(graphlib.TopologicalSorter(circle).static_order())
    except graphlib.CycleError as error:
        assert set(error.args[1]) == {"nets.a", "nets.b"}
    else:
        raise AssertionError("no circle was found")


def test_only_scripts_have_late_imports():
    late = []
    for name, path in modules().items():
        if "__main__" in path.read_text() or name.endswith("__main__"):
            continue  # a script answers its flags before it imports TensorFlow
        tree = ast.parse(path.read_text())
        functions = (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef))
        for function in functions:
            inside = (n for n in ast.walk(function) if isinstance(n, ast.Import | ast.ImportFrom))
            late += [f"{name}:{node.lineno}" for node in inside]
    assert sorted(set(late)) == []

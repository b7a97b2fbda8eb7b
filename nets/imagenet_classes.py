"""The names of ImageNet's classes (ILSVRC 2012), readable without TensorFlow.

`imagenet_classes.txt` has one line per class in the order of the labels: the WordNet id and a short
name, such as `n01440764 tench`. A network with a background class has it before them, as label 0.
"""

import difflib
import re
from collections import Counter
from functools import cache
from pathlib import Path

from nets.networks import find_network
from system.errors import BadInput

FILE = Path(__file__).with_name("imagenet_classes.txt")
BACKGROUND = "background"
_UNKNOWN_SHOWN = 3  # labels in an error message
_WORDNET_ID = re.compile(r"(n\d{8})(?![0-9A-Za-z])")


def class_names(model_name):
    """Returns the names of the classes of a network's published checkpoint.

    Args:
      model_name: a key of `networks.NETWORKS`.

    Returns:
      A list of `Network.published_classes` distinct str, in the order of the logits. A short name
      of two classes is followed by the WordNet id: `crane (n02012849)`.

    Raises:
      BadInput: there is no network of that name.
    """
    background = [BACKGROUND] if find_network(model_name).labels_offset == 0 else []
    return background + [name for _, name in _classes()]


def find_classes(labels, model_name):
    """Finds the classes of a network's published checkpoint that the labels of a dataset mean.

    Args:
      labels: a list of str: names as of `class_names`; WordNet ids; or a WordNet id followed by
        any name, such as `n01440764 tench` or `n01440764_tench`.
      model_name: a key of `networks.NETWORKS`.

    Returns:
      A list of int: for each label the index of its class in the logits.

    Raises:
      BadInput: a label means no class, or two; the message has the closest names.
    """
    names = class_names(model_name)
    indices = {name: index for index, name in enumerate(names)}
    offset = len(names) - len(_classes())
    indices |= {wordnet_id: index for index, (wordnet_id, _) in enumerate(_classes(), offset)}
    found, unknown = [], []
    for label in labels:
        wordnet_id = _WORDNET_ID.match(label)
        index = indices.get(label, indices.get(wordnet_id and wordnet_id[1]))
        (unknown if index is None else found).append(label if index is None else index)
    if unknown:
        shown = ", ".join(_with_closest(label, names) for label in unknown[:_UNKNOWN_SHOWN])
        if len(unknown) > _UNKNOWN_SHOWN:
            shown += f", and {len(unknown) - _UNKNOWN_SHOWN} more"
        raise BadInput(
            f"expected names or WordNet ids of ImageNet's classes as labels, got {shown}; "
            f"{FILE.parent.name}/{FILE.name} lists them"
        )
    return found


def _with_closest(label, names):
    """Returns a label that means no class, or two, with the closest names."""
    plain = label.replace("_", " ")
    close = [name for name in names if name.startswith(f"{plain} (")]  # a name of two classes
    close = close or difflib.get_close_matches(plain, names, n=3)
    return f"{label!r} (closest: {', '.join(close)})" if close else repr(label)


@cache
def _classes():
    """Returns the 1,000 classes, a tuple of (WordNet id, distinct name)."""
    lines = FILE.read_text(encoding="utf-8").splitlines()
    rows = [line.split(" ", 1) for line in lines]
    count = Counter(name for _, name in rows)
    return tuple(
        (wordnet_id, name if count[name] == 1 else f"{name} ({wordnet_id})")
        for wordnet_id, name in rows
    )

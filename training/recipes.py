"""Recipes: flags of train_flowers.py that belong together, with a word of why for each.

A flag that is given wins over the recipe. docs/recipes.md measures each ingredient.
"""

from checkpointing.checkpoint_path import NONE
from preprocessing.schemes import is_distorted

# Recipe -> flag -> (value, why).
RECIPES = {
    # The defaults: Adam from its full rate down a staircase, for 70 epochs.
    "tutorial": {},
    "quick": {
        "head_init": ("fit", "a logistic regression of the frozen features, in one pass"),
        "max_number_of_steps": (0, "nothing else is trained"),
    },
    "best": {
        "head_init": ("zeros", "the first steps do not disturb the pretrained layers"),
        "learning_rate": (0.001, "Adam's usual rate, which the warmup makes harmless"),
        "learning_rate_decay_type": ("cosine", "the rate is high for long and ends at zero"),
        "warmup_epochs": (0.5, "the head adapts before the layers below it move far"),
        "batch_size": (32, "batch norm's statistics vary less than with 10 images"),
        "num_epochs": (17, "the time of ten epochs without smaller crops"),
        "augmentation": ("light", "crops of at least a quarter of the area"),
        "train_image_scale": (0.75, "crops enlarge objects; smaller ones are also faster"),
        "label_smoothing": (0.1, "the network is less sure of wrong labels"),
        "moving_average_decay": (0.99, "the average of the last hundred steps varies less"),
    },
}


def apply_recipe(flags, given, network):
    """Sets the flags of `flags.recipe`, except those that are given or cannot apply.

    A network that nothing is restored into has no head to fit; images whose published training does
    not distort them, such as digits, stay as they are; and some networks take no smaller crops.

    Args:
      flags: the flags of train_flowers.py.
      given: the names of the flags that were given.
      network: the `Network`.
    """
    recipe = {name: value for name, (value, _) in RECIPES[flags.recipe].items()}
    length = {"max_number_of_steps", "num_epochs", "max_minutes"}
    if given & length:
        recipe = {name: value for name, value in recipe.items() if name not in length}
    is_from_scratch = flags.checkpoint_path == NONE or (
        flags.checkpoint_path is None and network.checkpoint is None
    )
    if is_from_scratch and recipe.get("head_init") == "fit":
        del recipe["head_init"]
    if not is_distorted(flags.preprocessing_name):
        recipe.pop("augmentation", None)
    smaller = flags.image_size * recipe.get("train_image_scale", 1)
    if network.flattens or smaller < network.smallest_image_size:
        recipe.pop("train_image_scale", None)
    for name, value in recipe.items():
        if name not in given:
            setattr(flags, name, value)

"""Recipes: flags of train_flowers.py that belong together, with a word of why for each.

A flag that is given wins over the recipe. docs/recipes.md measures each ingredient.
"""

from checkpointing.checkpoint_path import NONE
from preprocessing.schemes import is_distorted
from system.errors import BadInput
from training.flag_rules import HEAD

# Recipe -> flag -> (value, why).
RECIPES = {
    # The defaults: Adam from its full rate down a staircase, for 70 epochs.
    "tutorial": {},
    "quick": {
        "head_init": ("fit", "a logistic regression of the frozen features, in one pass"),
        "max_number_of_steps": (0, "nothing else is trained, unless a length is given; then:"),
        "batch_size": (32, "the noise of small batches moves the head from its optimum"),
        "learning_rate": (0.00003, "larger steps destroy the fitted head"),
        "learning_rate_decay_type": ("cosine", "the rate ends at zero"),
        "freeze_batch_norm": (True, "the head was fitted with the restored averages"),
    },
    "best": {
        "head_init": ("zeros", "the first steps do not disturb the pretrained layers"),
        "learning_rate": (0.001, "Adam's usual rate, which the warmup makes harmless"),
        "learning_rate_decay_type": ("cosine", "the rate is high for long and ends at zero"),
        "warmup_epochs": (0.5, "the head adapts before the layers below it move far"),
        "batch_size": (32, "batch norm's statistics vary less than with 10 images"),
        "num_epochs": (14, "the time of ten epochs without smaller crops"),
        "augmentation": ("light", "crops of at least a quarter of the area"),
        "mixup_alpha": (0.2, "mixed images are harder to learn by heart"),
        "train_image_scale": (0.75, "crops enlarge objects; smaller ones are also faster"),
        "label_smoothing": (0.1, "the network is less sure of wrong labels"),
        "moving_average_decay": (0.99, "the average of the last hundred steps varies less"),
    },
}


def recipe_value(recipe, flag):
    """Returns the value of a flag in a recipe; None if the recipe does not set it."""
    return RECIPES[recipe].get(flag, (None,))[0]


# Ingredients of the images that are augmented, which cached features are not.
_OF_IMAGES = ("augmentation", "mixup_alpha", "train_image_scale", "freeze_batch_norm")


def apply_recipe(flags, given, network):
    """Sets the flags of `flags.recipe`, except those that are given or cannot apply.

    Images whose published training does not distort them, such as digits, stay as they are; some
    networks take no smaller crops; and a continued run has its head.

    Args:
      flags: the flags of train_flowers.py.
      given: the names of the flags that were given.
      network: the `Network`.

    Raises:
      BadInput: the recipe fits a head to pretrained weights, and there are none.
    """
    recipe = {name: value for name, (value, _) in RECIPES[flags.recipe].items()}
    if recipe.get("head_init") == "fit" and (flags.checkpoint_path == NONE or flags.continue_from):
        raise BadInput(
            f"--recipe {flags.recipe} fits a new head to pretrained weights, which are not given; "
            "give --recipe best"
        )
    if given & {"max_number_of_steps", "num_epochs"}:
        for name in ("max_number_of_steps", "num_epochs"):
            recipe.pop(name, None)
    if flags.continue_from:
        recipe.pop("head_init", None)
    if flags.trainable_scopes == HEAD:
        for name in _OF_IMAGES:
            recipe.pop(name, None)
    if not is_distorted(flags.preprocessing_name):
        for name in ("augmentation", "mixup_alpha"):
            recipe.pop(name, None)
    augmentation = flags.augmentation if "augmentation" in given else recipe.get("augmentation")
    smaller = flags.image_size * recipe.get("train_image_scale", 1)
    if augmentation in (None, "none") or network.flattens or smaller < network.smallest_image_size:
        recipe.pop("train_image_scale", None)
    for name, value in recipe.items():
        if name not in given:
            setattr(flags, name, value)

"""The table of augmentations, readable without TensorFlow.

An augmentation replaces the training preprocessing of a scheme by random crops, flips and
distortions that are the same for every scheme. `preprocessing.augment` carries it out.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Augmentation:
    """What happens to a training image, in this order, each with its own random numbers.

    Attributes:
      crop_area: least and greatest area of the random crop, as fractions of the image's area.
      crop_aspect_ratio: least and greatest width / height of the crop, which is then resized to the
        network's input.
      flips: whether half of the images are flipped horizontally.
      color: whether brightness and saturation are adjusted, as in the fast mode of
        `preprocessing.inception`.
      trivial_augment: whether one operation of `preprocessing.trivial_augment` is applied.
      erasing: probability of random erasing, in [0, 1].
    """

    crop_area: tuple[float, float]
    crop_aspect_ratio: tuple[float, float]
    flips: bool
    color: bool
    trivial_augment: bool
    erasing: float


PUBLISHED = "published"
NONE = "none"

# Name -> augmentation. The names with None use a function of the scheme instead: `published` its
# preprocess_for_train, `none` its preprocess_for_eval.
AUGMENTATIONS: dict[str, Augmentation | None] = {
    # What the pretrained weights were trained with, so that published results can be reproduced.
    PUBLISHED: None,
    # The baseline that shows what an augmentation is worth, and for images whose position, size
    # and colors tell the classes apart.
    NONE: None,
    # For fine-tuning: Inception's crops go down to 5 % of the area, which often misses the object,
    # and a short training does not average that out.
    "light": Augmentation(
        crop_area=(0.25, 1.0),
        crop_aspect_ratio=(3 / 4, 4 / 3),
        flips=True,
        color=True,
        trivial_augment=False,
        erasing=0.0,
    ),
    # For many epochs on few images, where the network would learn them by heart. TrivialAugment
    # includes changes of color, so there are no others.
    "strong": Augmentation(
        crop_area=(0.25, 1.0),
        crop_aspect_ratio=(3 / 4, 4 / 3),
        flips=True,
        color=False,
        trivial_augment=True,
        erasing=0.25,
    ),
}

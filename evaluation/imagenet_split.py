"""Images labeled with ImageNet's classes, for the evaluation of a published network.

They come from TFRecords, or from a folder of photos with one folder per class. Their labels, such
as `tench`, `n01440764` or `n01440764 tench`, are replaced by the classes of the network, of which
they may be a part.
"""

import contextlib
import copy
import itertools
import tempfile
from pathlib import Path

from datasets.description import shard_file, write_labels
from datasets.examples import make_example, make_shape_decoder, write_examples
from datasets.parallel import in_parallel
from datasets.photo_lists import find_photos
from datasets.photos import BadPhoto, read_photo
from datasets.splits import get_split
from evaluation.imagenet_labels import holds_records
from nets.imagenet_classes import find_classes
from slim_on_tf2 import slim, tf
from system.errors import BadInput

PHOTOS = "photos"  # the name of the dataset and of the split that a folder of photos becomes
SKIPPED_SHOWN = 5


@contextlib.contextmanager
def open_imagenet_split(run, dataset_dir, split_name="validation"):
    """Opens images to evaluate a published network on, for the duration of a `with` block.

    Args:
      run: the `Run` of the network; its labels are the names of the classes.
      dataset_dir: a folder of TFRecords, or of photos, which are copied into temporary TFRecords.
      split_name: the split of the TFRecords; photos are one split.

    Yields:
      A `slim.dataset.Dataset` as from `get_split`, whose labels are the classes of the network.

    Raises:
      BadInput: there is no such folder or split, a label is not a class of ImageNet, or no photo is
        usable.
    """
    if holds_records(dataset_dir):
        yield _with_classes(get_split(split_name, dataset_dir), run)
        return
    with tempfile.TemporaryDirectory(prefix="imagenet-") as folder:
        _write_photos(dataset_dir, Path(folder))
        yield _with_classes(get_split(PHOTOS, folder), run)


def _with_classes(dataset, run):
    """Returns a split whose labels are the classes of the network instead of the dataset's."""
    labels = [dataset.labels_to_names[label] for label in range(dataset.num_classes)]
    classes = find_classes(labels, run.model_name)
    relabeled = copy.copy(dataset)
    relabeled.decoder = _RelabelingDecoder(dataset.decoder, classes)
    relabeled.num_classes = len(run.labels)
    relabeled.labels_to_names = dict(enumerate(run.labels))
    return relabeled


class _RelabelingDecoder(slim.data_decoder.DataDecoder):
    """A decoder that replaces the label i by classes[i]."""

    def __init__(self, decoder, classes):
        self._decoder, self._classes = decoder, classes

    def list_items(self):
        return self._decoder.list_items()

    def decode(self, data, items):
        classes = tf.constant(self._classes, tf.int64)
        return [
            tf.gather(classes, value) if item == "label" else value
            for item, value in zip(items, self._decoder.decode(data, items))
        ]


def _write_photos(photos_dir, folder):
    """Writes all usable photos as one split of TFRecords, and prints which were skipped."""
    listed = find_photos(photos_dir)
    labels, skipped = list(listed.classes), []
    decoded_shape = make_shape_decoder()

    def read(photo):
        try:
            content = read_photo(photo.path)
            if decoded_shape(content.jpeg) is None:
                raise BadPhoto("TensorFlow cannot decode it")
            return photo, content
        except BadPhoto as error:
            return photo, error

    def examples():
        photos = itertools.chain.from_iterable(listed.classes.values())
        for photo, content in in_parallel(read, photos):
            if isinstance(content, BadPhoto):
                skipped.append(f"{photo.file}: {content}")
                continue
            number = labels.index(photo.label)
            yield make_example(
                content.jpeg, content.height, content.width, number, photo.label, photo.file
            )

    try:
        write_labels(folder, labels)
        write_examples(folder / shard_file(PHOTOS, PHOTOS, 0, 1), examples())
    except OSError as error:
        raise BadInput(
            f"{folder}: cannot write the photos as TFRecords ({error.strerror or error}); set "
            "TMPDIR to a folder with more space"
        ) from error
    if len(skipped) == sum(map(len, listed.classes.values())):
        raise BadInput(f"{photos_dir}: has no usable photo ({skipped[0]}); add photos")
    skipped += [f"{photo.file}: not in a class folder" for photo in listed.strays]
    for line in skipped[:SKIPPED_SHOWN]:
        print(f"Skipped {line}")
    if len(skipped) > SKIPPED_SHOWN:
        print(f"Skipped {len(skipped) - SKIPPED_SHOWN:,} more photos")

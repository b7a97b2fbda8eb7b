"""The records of a shard as Python sees them: written, counted, and looked at one by one.

Training and evaluation read them through `batches.load_batch`, much faster, but TensorFlow's input
pipeline does not say which record of which shard it stumbled over. `read_examples` does.
"""

import itertools

from google.protobuf.message import DecodeError

from bad_input import BadInput
from datasets.photos import thumbnail
from slim_on_tf2 import tf

LONGEST_SIDE = 512  # pixels of a photo that is shown
CURE = "convert the photos again, or copy the shard again from where it is whole"


def make_example(encoded, height, width, label, label_name, filename, image_format="jpeg"):
    """Returns a serialized `tf.train.Example` of one photo, with the features of slim's flowers.

    Args:
      encoded: the photo's bytes.
      height: of the photo in pixels.
      width: of the photo in pixels.
      label: int, from 0.
      label_name: str, the class.
      filename: str, where the photo came from: `daisy/5.jpg`.
      image_format: str, what `encoded` is: `jpeg` or `png`.
    """

    def feature(value):
        if isinstance(value, int):
            return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))

    features = {
        "image/encoded": encoded,
        "image/format": image_format.encode(),
        "image/height": height,
        "image/width": width,
        "image/class/label": label,
        "image/class/text": label_name.encode(),
        "image/filename": filename.encode(),
    }
    features = {key: feature(value) for key, value in features.items()}
    example = tf.train.Example(features=tf.train.Features(feature=features))
    # Features are a map, whose order would differ from process to process.
    return example.SerializeToString(deterministic=True)


def write_examples(path, examples):
    """Writes serialized examples into a new TFRecord file.

    Raises:
      OSError: what TensorFlow says of a disk that is full, read-only or gone.
    """
    try:
        with tf.python_io.TFRecordWriter(str(path)) as writer:
            for example in examples:
                writer.write(example)
    except tf.errors.OpError as error:
        raise OSError(error.message.rpartition("; ")[2]) from error  # it begins with the path


def read_examples(shard, num_classes):
    """Yields the records of the file `shard` as `tf.train.Example`, checked.

    Raises:
      BadInput: names the shard and the index of the first record that is corrupt or truncated, is
        no Example, holds no photo, or whose label is not in 0 to `num_classes` - 1.
    """
    index = 0
    try:
        for serialized in tf.python_io.tf_record_iterator(str(shard)):
            example = tf.train.Example.FromString(serialized)
            _check_features(shard, index, example.features.feature, num_classes)
            yield example
            index += 1
    except (tf.errors.OpError, DecodeError) as error:
        reason = getattr(error, "message", "no tf.train.Example")
        raise BadInput(
            f"{shard}: record {index} (counted from 0) cannot be read: {reason}; {CURE}"
        ) from error


def _check_features(shard, index, features, num_classes):
    if len(features["image/encoded"].bytes_list.value) != 1:
        raise BadInput(
            f"{shard}: record {index} (counted from 0) has no photo in image/encoded, expected "
            f"slim's features; {CURE}"
        )
    labels = list(features["image/class/label"].int64_list.value)
    if len(labels) != 1 or not 0 <= labels[0] < num_classes:
        found = f"the label {labels[0]}" if len(labels) == 1 else "no label"
        raise BadInput(
            f"{shard}: record {index} (counted from 0) has {found} in image/class/label, expected "
            f"0 to {num_classes - 1} as in labels.txt; add the class there or convert again"
        )


def make_decoder():
    """Returns a function that decodes an encoded image (bytes) as TensorFlow does in training.

    The function returns the shape (height, width, 3), or None for what TensorFlow cannot decode.
    It may be called from several threads at once.
    """
    with tf.Graph().as_default() as graph:
        encoded = tf.placeholder(tf.string, [])
        shape = tf.shape(tf.image.decode_image(encoded, channels=3, expand_animations=False))
    # The graphics card, if there is one, belongs to the training.
    session = tf.Session(graph=graph, config=tf.ConfigProto(device_count={"GPU": 0}))

    def decode(image):
        try:
            return tuple(session.run(shape, {encoded: image}).tolist())
        except tf.errors.InvalidArgumentError:
            return None

    return decode


def encoded_at(dataset, indices):
    """Reads the photos at some places of a split, counted as evaluation reads it.

    Args:
      dataset: a `slim.dataset.Dataset` from `get_split`.
      indices: places from 0, in any order.

    Returns:
      A list of bytes, the encoded photo for each of `indices`, in their order.
    """
    shards = (read_examples(shard, dataset.num_classes) for shard in dataset.data_sources)
    wanted, found = {int(index) for index in indices}, {}
    for place, example in enumerate(itertools.chain.from_iterable(shards)):
        if place in wanted:
            found[place] = example.features.feature["image/encoded"].bytes_list.value[0]
    return [found[int(index)] for index in indices]


def photos_at(dataset, indices, longest_side=LONGEST_SIDE):
    """Decodes the photos that `encoded_at` reads, each shrunk to `longest_side` pixels at most.

    Returns:
      A list of uint8 [height, width, 3] arrays, one for each of `indices`, in their order.
    """
    return [thumbnail(encoded, longest_side) for encoded in encoded_at(dataset, indices)]

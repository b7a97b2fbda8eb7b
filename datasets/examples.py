"""The records of a shard in Python: written, and read one by one.

`batches.load_batch`, which training and evaluation use, is much faster, but TensorFlow's input
pipeline does not tell which record of which shard causes an error; `read_examples` does.
"""

import itertools

from google.protobuf.message import DecodeError

from datasets.photos import thumbnail
from slim_on_tf2 import tf
from system.errors import BadInput

REPORT_SIDE = 512  # pixels of an image in a report
CURE = "convert the photos again, or copy the shard again from an intact dataset"


def make_example(encoded, height, width, label, label_name, filename, image_format="jpeg"):
    """Returns a serialized `tf.train.Example` of an image, with the features of slim's flowers.

    Args:
      encoded: the encoded image, bytes.
      height: in pixels.
      width: in pixels.
      label: int, from 0.
      label_name: str, the name of the class.
      filename: str, the photo's path in the original folder: `daisy/5.jpg`.
      image_format: str, the format of `encoded`: `jpeg` or `png`.
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
    """Writes serialized examples to a new TFRecord file.

    Raises:
      OSError: the file cannot be written, with TensorFlow's reason.
    """
    try:
        with tf.python_io.TFRecordWriter(str(path)) as writer:
            for example in examples:
                writer.write(example)
    except tf.errors.OpError as error:
        raise OSError(error.message.rpartition("; ")[2]) from error  # it starts with the path


def read_examples(shard, num_classes):
    """Yields the records of the file `shard` as `tf.train.Example`, checked.

    Raises:
      BadInput: names the shard and the index of the first record that is corrupt, truncated, not a
        `tf.train.Example`, without an image, or without a label from 0 to `num_classes` - 1.
    """
    index = 0
    try:
        for serialized in tf.python_io.tf_record_iterator(str(shard)):
            example = tf.train.Example.FromString(serialized)
            _check_features(shard, index, example.features.feature, num_classes)
            yield example
            index += 1
    except (tf.errors.OpError, DecodeError) as error:
        reason = getattr(error, "message", "not a tf.train.Example")
        raise BadInput(
            f"{shard}: record {index} (counted from 0) cannot be read: {reason}; {CURE}"
        ) from error


def _check_features(shard, index, features, num_classes):
    if len(features["image/encoded"].bytes_list.value) != 1:
        raise BadInput(
            f"{shard}: record {index} (counted from 0) has no image in image/encoded, expected "
            f"slim's features; {CURE}"
        )
    labels = list(features["image/class/label"].int64_list.value)
    if len(labels) != 1 or not 0 <= labels[0] < num_classes:
        found = f"the label {labels[0]}" if len(labels) == 1 else "no label"
        raise BadInput(
            f"{shard}: record {index} (counted from 0) has {found} in image/class/label, expected "
            f"0 to {num_classes - 1} as in labels.txt; add the class there or convert again"
        )


def make_shape_decoder():
    """Returns a function that decodes an image as training does and returns its shape.

    The function takes bytes and returns (height, width, 3), or None if TensorFlow cannot decode
    them. It may be called from several threads at once.
    """
    with tf.Graph().as_default() as graph:
        encoded = tf.placeholder(tf.string, [])
        shape = tf.shape(tf.image.decode_image(encoded, channels=3, expand_animations=False))
    # On the CPU: a GPU, if there is one, belongs to the training.
    session = tf.Session(graph=graph, config=tf.ConfigProto(device_count={"GPU": 0}))

    def decoded_shape(image):
        try:
            return tuple(session.run(shape, {encoded: image}).tolist())
        except tf.errors.InvalidArgumentError:
            return None

    return decoded_shape


def encoded_at(dataset, indices):
    """Reads encoded images of a split by index.

    Args:
      dataset: a `slim.dataset.Dataset` from `get_split`.
      indices: positions in the order of the evaluation, from 0; in any order.

    Returns:
      A list of bytes, the encoded image for each of `indices`.
    """
    shards = (read_examples(shard, dataset.num_classes) for shard in dataset.data_sources)
    wanted, found = {int(index) for index in indices}, {}
    for index, example in enumerate(itertools.chain.from_iterable(shards)):
        if index in wanted:
            found[index] = example.features.feature["image/encoded"].bytes_list.value[0]
    return [found[int(index)] for index in indices]


def images_at(dataset, indices, longest_side=REPORT_SIDE):
    """Reads images of a split by index, as `encoded_at` does, shrunk to `longest_side` pixels.

    Returns:
      A list of uint8 [height, width, 3] arrays, the image for each of `indices`.
    """
    return [thumbnail(encoded, longest_side) for encoded in encoded_at(dataset, indices)]

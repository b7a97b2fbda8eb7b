"""Batch norm that cannot learn: layers that normalize one or two values only."""

from slim_on_tf2 import tf

FEW = 2  # of one value the normalized one is 0, of two they are 1 and -1, whatever the image


def describe_normalization(batch_size):
    """Returns the lines about layers of the current graph that normalize too few values, a list.

    In training, batch norm takes the mean and the variance of each channel over the images of a
    batch and the positions of the map (Ioffe & Szegedy 2015, "Batch Normalization", section 3.2).

    Args:
      batch_size: the images of a batch.
    """
    counts = {}
    for operation in tf.get_default_graph().get_operations():
        if operation.type == "FusedBatchNormV3" and operation.get_attr("is_training"):
            images, height, width, _ = operation.inputs[0].shape.as_list()
            if None not in (height, width):
                counts[operation.name] = (images or batch_size) * height * width
    few = [name for name, count in counts.items() if count <= FEW]
    if not few:
        return []
    least = min(counts.values())
    values = "one value" if least == 1 else f"{least} values"
    return [
        f"Batch norm: {len(few)} of {len(counts)} layers normalize {values} per channel, so that "
        f"little or nothing can be learned through them ({few[0].rpartition('/')[0]}, ...); give a "
        "larger --batch_size or --image_size, or --freeze_batch_norm"
    ]

"""The values of --mixed_precision, readable without TensorFlow."""

AUTO, OFF, BFLOAT16, FLOAT16 = "auto", "off", "bfloat16", "float16"
PRECISIONS = (AUTO, OFF, BFLOAT16, FLOAT16)


def is_mixed(precision):
    """Whether a value stands for a 16-bit format."""
    return precision in (BFLOAT16, FLOAT16)

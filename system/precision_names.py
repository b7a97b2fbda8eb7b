"""The values of --mixed_precision, readable without TensorFlow."""

AUTO, OFF, BFLOAT16, FLOAT16 = "auto", "off", "bfloat16", "float16"
PRECISIONS = (AUTO, OFF, BFLOAT16, FLOAT16)

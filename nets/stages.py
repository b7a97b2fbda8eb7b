"""Builds a network body as a sequence of named stages, up to a given end point."""


def build_stages(net, stages, final_endpoint):
    """Applies `stages` one after another, up to `final_endpoint`.

    Args:
      net: input tensor of the first stage.
      stages: ordered dict from end point name to a function of (net, scope) that returns the next
        tensor.
      final_endpoint: name of the last end point to build.

    Returns:
      The tensor of `final_endpoint`, and a dict from the names of the end points to their tensors.

    Raises:
      ValueError: there is no such end point.
    """
    if final_endpoint not in stages:
        raise ValueError(
            f"final_endpoint: expected one of {', '.join(stages)}, got {final_endpoint!r}"
        )
    end_points = {}
    for name, stage in stages.items():
        net = end_points[name] = stage(net, scope=name)
        if name == final_endpoint:
            break
    return net, end_points

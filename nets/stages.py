"""A network's body as a sequence of named stages, built up to the one that is asked for."""


def build_stages(net, stages, final_endpoint):
    """Builds `stages` one after the other, up to `final_endpoint`.

    Args:
      net: the tensor that the first stage takes.
      stages: end point -> function of (net, scope) that makes it from the one before, in order.
      final_endpoint: the last end point to build.

    Returns:
      The tensor of `final_endpoint`, and a dict from the name of each end point up to it to its
      tensor.

    Raises:
      ValueError: there is no such end point.
    """
    if final_endpoint not in stages:
        raise ValueError(f"final_endpoint: {final_endpoint!r} is none of {', '.join(stages)}")
    end_points = {}
    for name, stage in stages.items():
        net = end_points[name] = stage(net, scope=name)
        if name == final_endpoint:
            break
    return net, end_points

"""Variable scopes, as the flags name them."""


def split_scopes(flag):
    """Returns the scopes in a comma-separated flag, a list; empty if the flag is None or empty."""
    return [scope.strip().strip("/") for scope in (flag or "").split(",") if scope.strip()]


def in_scopes(name, scopes):
    """Whether the variable `name` lies in one of `scopes`; a/b contains a/b/c, but not a/bc."""
    return any(name == scope or name.startswith(f"{scope}/") for scope in scopes)

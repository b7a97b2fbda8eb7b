"""Preprocessing: encoded images -> network inputs; one module per scheme, one table of them."""

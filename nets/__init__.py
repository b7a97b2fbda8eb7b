"""Networks: one module a family, and `factory.NETWORKS`, the table of all that is known of each."""

"""Networks: one module per family, one table of them (`networks.NETWORKS`)."""

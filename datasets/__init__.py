"""Photos to shards, shards to splits, splits to batches; one module a dataset."""

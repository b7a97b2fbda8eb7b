"""From images to shards, splits and batches; one module per dataset."""

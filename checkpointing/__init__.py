"""Checkpoints: published ones, --checkpoint_path, inspection, warm start, evaluation's restorer."""

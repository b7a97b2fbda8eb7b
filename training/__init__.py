"""What a training needs around its loop: run folder, session, optimization, logs, validation."""

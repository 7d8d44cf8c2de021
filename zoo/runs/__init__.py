"""A run folder: its record, lock, metrics log, weights back as a model, and input pictures in its shape."""

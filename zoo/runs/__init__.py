"""Run folders: record, lock, metrics log, the trained model, and its input pictures."""

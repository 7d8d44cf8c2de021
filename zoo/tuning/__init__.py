"""Tuning: an entry's search space, a study that outlives its process, and Ray Tune as the engine."""

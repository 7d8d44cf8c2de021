"""Metrics of a run: evaluate, predict, judges and galleries, comparisons."""

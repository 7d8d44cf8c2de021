"""Evaluation of runs: metrics, predictions, judges, galleries and comparisons."""

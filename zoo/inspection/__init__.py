"""Inspection of data before training: duplicates, leaks between splits, blank and odd pictures, doubtful labels."""

"""The search space of an entry: which options vary, and within which limits."""

"""Judging: who looks at what a generator makes, what is hung before them, and what they see."""

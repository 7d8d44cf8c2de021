"""Examine whether the zoo can work here, what is missing, and what to do about it."""

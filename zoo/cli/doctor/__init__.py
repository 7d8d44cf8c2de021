"""Check whether the zoo works here, what is missing, and how to fix it."""

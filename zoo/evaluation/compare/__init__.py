"""Compare variants of an entry, trained alike, side by side."""

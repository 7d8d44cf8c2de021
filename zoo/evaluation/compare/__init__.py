"""Train variants of an entry and compare their evaluations."""

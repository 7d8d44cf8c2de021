"""Training: the only loop, its options, and what makes it resumable."""

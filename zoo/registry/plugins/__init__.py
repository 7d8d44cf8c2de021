"""Discover and load plugins; third-party ones are first probed in separate processes."""

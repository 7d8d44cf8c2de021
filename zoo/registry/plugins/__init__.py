"""Discover plugins one at a time; third parties are probed in processes of their own."""

"""The skeleton of a plugin package, for `zoo new-plugin`."""

"""Write the skeleton of a plugin package."""

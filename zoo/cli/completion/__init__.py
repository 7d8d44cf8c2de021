"""Complete commands, options and names in a shell."""

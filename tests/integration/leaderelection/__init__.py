"""Leader election on an API server."""

"""Events on an API server."""

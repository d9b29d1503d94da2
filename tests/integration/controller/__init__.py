"""The cache on an API server."""

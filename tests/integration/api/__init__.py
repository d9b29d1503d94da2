"""The generated files on a real API server."""

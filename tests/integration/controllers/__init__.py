"""The controllers on a real API server."""

"""Helpers of reconcilers against a real API server."""

"""The embedded API server, part by part."""

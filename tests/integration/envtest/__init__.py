"""The control plane itself, and make run on it."""

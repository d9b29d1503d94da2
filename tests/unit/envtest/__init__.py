"""Lookup, key and flag rules of envtest and of make run."""

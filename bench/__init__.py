"""Benchmarks: each prints its figures and checks its own answers."""

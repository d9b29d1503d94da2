"""Operators in one file each, to start from; tests run them."""

"""Rules that kinds share."""

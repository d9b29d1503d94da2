"""The soak's own instruments: what they find, and what they let pass."""

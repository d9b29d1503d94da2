"""The cache, on virtual time and an API server in memory."""

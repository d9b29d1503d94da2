"""`boot-operator standalone` as a process, with the API server that it starts."""

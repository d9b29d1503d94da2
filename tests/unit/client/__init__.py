"""The client against transports that are small functions, and its HTTP transport against loopback servers."""

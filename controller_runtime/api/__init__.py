"""The kinds of Kubernetes itself that the library and operators on it use, one module per API group."""

"""Tests of manager without sockets to an API server."""

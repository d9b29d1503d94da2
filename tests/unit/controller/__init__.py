"""Tests of controller without sockets to an API server."""

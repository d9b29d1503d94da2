"""Tests of boot_operator without sockets to an API server."""

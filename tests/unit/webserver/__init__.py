"""Tests of the room webserver."""

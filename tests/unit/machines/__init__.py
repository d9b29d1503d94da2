"""Tests of the room machines."""

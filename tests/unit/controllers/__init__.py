"""The controllers, on a cluster in memory."""

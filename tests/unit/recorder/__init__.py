"""Behaviour of controller_runtime.recorder, without sockets."""

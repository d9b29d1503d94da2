"""Behaviour of controller_runtime.leaderelection, without sockets."""

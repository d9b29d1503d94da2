"""Behaviour of controller_runtime.leaderelection on virtual time, without sockets."""

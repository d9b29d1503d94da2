"""Behaviour of controller_runtime.workqueue, without sockets."""

"""Clients that others wrote, on a server of ours: each does its ordinary work, in a process of its own.

`programs` holds what runs there. A program gets KUBECONFIG and the name of a namespace; its exit code, or what others
see of its work, is what a test looks at.
"""

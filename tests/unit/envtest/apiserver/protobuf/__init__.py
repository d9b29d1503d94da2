"""Bodies in protobuf.

`bodies.json` holds what kubectl 1.36 sends, and an object of each kind with all fields set: in protobuf, and in JSON as
Go writes the same objects.
"""

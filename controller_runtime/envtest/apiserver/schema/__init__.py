"""Structural schemas: what objects look like, and what becomes of those that look otherwise.

`compile` reads a schema once, as it stands in a CustomResourceDefinition or describes a built-in kind, and makes of it
a `Schema` that removes unknown fields, fills in defaults and lists what is wrong with a value, in that order. All
three follow kube-apiserver: fields and messages are the same, quirks included; where that server goes through fields in
random order, this one goes through them as they are listed.

What is not done: rules in CEL (x-kubernetes-validations) are not evaluated, `Schema.has_cel` says that there are some.

`object_meta` knows the metadata that all kinds share, `field_errors` the wording of errors, `re2` Go's regular
expressions.
"""

from __future__ import annotations

from controller_runtime.envtest.apiserver.schema.go_structs import CoercionError
from controller_runtime.envtest.apiserver.schema.schema import Schema, compile_schema

compile = compile_schema  # noqa: A001 - as in `re.compile`

__all__ = ["CoercionError", "Schema", "compile", "compile_schema"]

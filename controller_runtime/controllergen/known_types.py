"""Types of apimachinery whose schema Kubernetes fixes, whatever the Python class says.

The Python classes are lenient because they read what is there; the limits of metav1.Condition are those that every CRD
with conditions has.
"""

from __future__ import annotations

from typing import Any, Final

from controller_runtime.apimachinery import Condition, ObjectMeta

_CONDITION: Final[dict[str, Any]] = {
    "description": "One observed aspect of the object's state.",
    "type": "object",
    "required": ["lastTransitionTime", "message", "reason", "status", "type"],
    "properties": {
        "type": {
            "description": "Which aspect: a name in CamelCase, with or without the domain of its owner in front.",
            "type": "string",
            "maxLength": 316,
            "pattern": r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?"
            r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$",
        },
        "status": {
            "description": "Whether the condition holds: True, False, or Unknown.",
            "type": "string",
            "enum": ["True", "False", "Unknown"],
        },
        "observedGeneration": {
            "description": "The metadata.generation that was looked at. If that of the object is higher, the condition "
            "is out of date.",
            "type": "integer",
            "format": "int64",
            "minimum": 0,
        },
        "lastTransitionTime": {
            "description": "When the status changed last.",
            "type": "string",
            "format": "date-time",
        },
        "reason": {
            "description": "Why, for programs: a word in CamelCase.",
            "type": "string",
            "minLength": 1,
            "maxLength": 1024,
            "pattern": "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
        },
        "message": {"description": "Why, for people; may be empty.", "type": "string", "maxLength": 32768},
    },
}

KNOWN_SCHEMAS: Final[dict[type, dict[str, Any]]] = {
    ObjectMeta: {"type": "object"},  # the API server knows it and allows nothing to be said about it
    Condition: _CONDITION,
}
"""Schemas by class."""

TYPE_META: Final[dict[str, Any]] = {
    "apiVersion": {"description": "Group and version of this representation of the object.", "type": "string"},
    "kind": {"description": "Kind of the object, in CamelCase. It cannot be changed.", "type": "string"},
}
"""The two fields of every kind that are no fields of its Python class."""

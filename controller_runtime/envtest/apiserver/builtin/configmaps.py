"""ConfigMaps: texts and bytes by key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from controller_runtime.envtest.apiserver.builtin.core_meta import validate_core_meta, validate_core_meta_update
from controller_runtime.envtest.apiserver.builtin.secrets import frozen
from controller_runtime.envtest.apiserver.builtin.sizes import DATA_LIMIT, octets
from controller_runtime.envtest.apiserver.errors import FieldError
from controller_runtime.envtest.apiserver.strategy import Strategy
from controller_runtime.envtest.apiserver.validation.fields import invalid, too_long
from controller_runtime.envtest.apiserver.validation.names import config_key


class ConfigMapStrategy(Strategy):
    """Keys, sizes, and what `immutable` forbids."""

    def validate_create(self, obj: dict[str, Any]) -> list[FieldError]:
        """Metadata, keys (each in one of the two maps) and total size."""
        found = validate_core_meta(obj["metadata"], name_rule=self.name_rule)
        texts: Mapping[str, str] = obj.get("data") or {}
        binary: Mapping[str, str] = obj.get("binaryData") or {}
        for key in sorted(texts):
            found += [invalid(f"data[{key}]", key, text) for text in config_key(key)]
            if key in binary:
                found.append(invalid(f"data[{key}]", key, "duplicate of key present in binaryData"))
        for key in sorted(binary):
            found += [invalid(f"binaryData[{key}]", key, text) for text in config_key(key)]
        size = sum(len((value or "").encode()) for value in texts.values()) + sum(map(octets, binary.values()))
        if size > DATA_LIMIT:
            found.append(too_long("[]", DATA_LIMIT))
        return found

    def validate_update(self, obj: dict[str, Any], old: dict[str, Any]) -> list[FieldError]:
        """The data stays once it is immutable."""
        return [
            *validate_core_meta_update(obj["metadata"], old["metadata"]),
            *frozen(obj, old, "data", "binaryData"),
            *self.validate_create(obj),
        ]

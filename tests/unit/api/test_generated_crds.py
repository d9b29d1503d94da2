"""The generated CRDs compared with those of the reference operator, whose objects they must accept and refuse alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from hack.manifests import KINDS, ROOT

REFERENCE = ROOT.parent / "shared" / "reference-crds"
BASES = ROOT / "config" / "crd" / "bases"
FILES = [f"{kind.resource.group}_{kind.resource.plural}.yaml" for kind in KINDS]


def read(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return document


def without_descriptions(value: Any) -> Any:
    """Drops descriptions, which are texts; a property of that name would be a map and stays."""
    if isinstance(value, dict):
        kept = {name: field for name, field in value.items() if not (name == "description" and isinstance(field, str))}
        return {name: without_descriptions(field) for name, field in kept.items()}
    if isinstance(value, list):
        return [without_descriptions(item) for item in value]
    return value


@pytest.mark.parametrize("file", FILES)
def test_generated_crd_equals_the_reference_but_for_its_words(file: str) -> None:
    if not REFERENCE.is_dir():
        pytest.skip("the reference's CRDs are not beside this checkout (../shared/reference-crds)")
    reference = without_descriptions(read(REFERENCE / file))
    del reference["metadata"]["annotations"]["controller-gen.kubebuilder.io/version"]
    assert reference["metadata"].pop("annotations") == {}
    assert without_descriptions(read(BASES / file)) == reference


def undescribed(schema: dict[str, Any], path: str) -> list[str]:
    missing = [] if schema.get("description", "").strip() else [path]
    for name, field in schema.get("properties", {}).items():
        missing += undescribed(field, f"{path}.{name}")
    return missing


@pytest.mark.parametrize("file", FILES)
def test_every_field_is_explained(file: str) -> None:
    crd = read(BASES / file)
    (version,) = crd["spec"]["versions"]
    kind = crd["spec"]["names"]["kind"]
    # The API server describes metadata itself and allows nothing to be said about it here.
    assert undescribed(version["schema"]["openAPIV3Schema"], kind) == [f"{kind}.metadata"]


def test_the_kustomization_lists_exactly_the_generated_crds() -> None:
    listed = read(BASES.parent / "kustomization.yaml")["resources"]
    assert sorted(listed) == sorted(f"bases/{file}" for file in FILES)
    assert sorted(path.name for path in BASES.iterdir()) == sorted(FILES)

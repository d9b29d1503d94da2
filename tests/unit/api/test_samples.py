"""config/samples: what a newcomer applies first must be whole and right."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import pytest
import yaml

from api.v1alpha1 import BootConfig, HTTPBootConfig, IPXEBootConfig, SecretKey
from controller_runtime.apimachinery import decode, encode
from hack.manifests import ROOT

DIRECTORY = ROOT / "config" / "samples"
CLASSES: dict[str, type[BootConfig]] = {"IPXEBootConfig": IPXEBootConfig, "HTTPBootConfig": HTTPBootConfig}


def documents(path: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(path.read_text(encoding="utf-8")))


(KUSTOMIZATION,) = documents(DIRECTORY / "kustomization.yaml")
DOCUMENTS = [document for name in KUSTOMIZATION["resources"] for document in documents(DIRECTORY / name)]
SECRETS = {
    document["metadata"]["name"]: document["stringData"] for document in DOCUMENTS if document["kind"] == "Secret"
}


def typed(document: dict[str, Any]) -> BootConfig:
    return decode(CLASSES[document["kind"]], json.dumps(document).encode())


CONFIGS = [(document, typed(document)) for document in DOCUMENTS if document["kind"] in CLASSES]
EACH_CONFIG = pytest.mark.parametrize(
    ("document", "config"), [pytest.param(*pair, id=pair[1].metadata.name) for pair in CONFIGS]
)


def test_the_kustomization_lists_every_sample() -> None:
    files = {path.name for path in DIRECTORY.iterdir()} - {"kustomization.yaml"}
    assert sorted(KUSTOMIZATION["resources"]) == sorted(files)


def test_every_secret_is_referred_to_and_no_reference_dangles() -> None:
    referenced = [name for _, config in CONFIGS for name in config.secret_names]
    assert sorted(referenced) == sorted(SECRETS)


@EACH_CONFIG
def test_a_sample_has_no_field_that_its_type_lacks(document: dict[str, Any], config: BootConfig) -> None:
    assert json.loads(encode(config)) == document


@EACH_CONFIG
def test_a_sample_names_a_machine_and_absolute_urls(document: dict[str, Any], config: BootConfig) -> None:
    assert str(UUID(config.spec.system_uuid)) == config.spec.system_uuid
    urls = [urlsplit(value) for name, value in document["spec"].items() if name.endswith("URL")]
    assert urls
    assert all(url.scheme == "http" and url.hostname == "boot.example.com" and url.path for url in urls)


@pytest.mark.parametrize("name", [config.ignition_secret_name for _, config in CONFIGS if config.ignition_secret_name])
def test_a_referenced_ignition_is_json_of_version_3_4(name: str) -> None:
    ignition = json.loads(SECRETS[name][SecretKey.IGNITION])
    assert ignition["ignition"] == {"version": "3.4.0"}
    assert [file["path"] for file in ignition["storage"]["files"]] == ["/etc/hostname"]


def test_the_custom_script_is_an_ipxe_script() -> None:
    names = [config.ipxe_script_secret_name for _, config in CONFIGS if isinstance(config, IPXEBootConfig)]
    (script,) = [SECRETS[name][SecretKey.IPXE_SCRIPT] for name in names if name]
    assert script.startswith("#!ipxe\n")

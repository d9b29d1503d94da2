"""Files of manifests are read as kubectl reads them, and what is wrong with one is said in one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from boot_operator.standalone.manifests import ManifestError, ObjectKey, manifest_files, read_manifests

SECRET = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n"
CONFIG = "apiVersion: boot.ironcore.dev/v1alpha1\nkind: IPXEBootConfig\nmetadata: {name: c, namespace: lab}\n"


def written(tmp_path: Path, text: str, name: str = "file.yaml") -> Path:
    (tmp_path / name).write_text(text)
    return tmp_path / name


@pytest.mark.parametrize(
    ("name", "text"),
    [
        pytest.param("file.yaml", f"{SECRET}---\n{CONFIG}", id="two documents"),
        pytest.param("file.yml", f"---\n# first\n{SECRET}--- # second\n{CONFIG}---\n", id="empty ones between"),
        pytest.param(
            "file.yaml",
            "kind: List\napiVersion: v1\nitems:\n- {apiVersion: v1, kind: Secret, metadata: {name: s}}\n- {apiVersion: "
            "boot.ironcore.dev/v1alpha1, kind: IPXEBootConfig, metadata: {name: c, namespace: lab}}\n",
            id="a list",
        ),
        pytest.param(
            "file.json",
            '\t{"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "v1", "kind": "Secret", "metadata": '
            '{"name": "s"}}, {"apiVersion": "boot.ironcore.dev/v1alpha1", "kind": "IPXEBootConfig", "metadata": '
            '{"name": "c", "namespace": "lab"}}]}',
            id="JSON with a tab",
        ),
    ],
)
def test_all_objects_of_a_file_are_found_in_their_order(name: str, text: str, tmp_path: Path) -> None:
    assert [manifest.key for manifest in read_manifests(written(tmp_path, text, name))] == [
        ObjectKey("", "Secret", "default", "s"),
        ObjectKey("boot.ironcore.dev", "IPXEBootConfig", "lab", "c"),
    ]


def test_a_mac_address_without_quotation_marks_stays_one(tmp_path: Path) -> None:
    """To YAML 1.1 it would be a number to the base of 60."""
    (manifest,) = read_manifests(written(tmp_path, f"{SECRET}data: {{mac: 02:00:00:00:00:03, day: 2024-01-01}}\n"))
    assert manifest.body["data"] == {"mac": "02:00:00:00:00:03", "day": "2024-01-01"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("a: [\n", "document 1 is no YAML: ", id="no YAML"),
        pytest.param(
            f"{SECRET}---\n{{a: 1, a: 2}}", 'document 2 is ambiguous: .*line 5: key "a" already set', id="twice"
        ),
        pytest.param("- 1\n", "document 1 is no object: it is a list", id="a list"),
        pytest.param("kind: Secret\n", "document 1 has no apiVersion", id="no apiVersion"),
        pytest.param("apiVersion: v1\n", "document 1 has no kind", id="no kind"),
        pytest.param(
            "apiVersion: v1\nkind: Secret\nmetadata: {generateName: s-}\n",
            r"document 1 \(Secret\) has no metadata\.name",
            id="no name",
        ),
        pytest.param(
            "apiVersion: v1\nkind: Secret\nmetadata: {name: ../../nodes}\n",
            r"metadata\.name that cannot be one: '\.\./\.\./nodes'",
            id="a name that leads elsewhere",
        ),
        pytest.param(
            "apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: ..}\n",
            r"metadata\.namespace that cannot be one: '\.\.'",
            id="a namespace that leads elsewhere",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=message):
        read_manifests(written(tmp_path, text))


def test_broken_json_is_said_to_be_that(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="it is no JSON: "):
        read_manifests(written(tmp_path, "{", "file.json"))


def test_a_file_that_cannot_be_read_is_an_error_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="it cannot be read: "):
        read_manifests(tmp_path / "gone.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"\xe4")
    with pytest.raises(ManifestError, match=r"it cannot be read: .*utf-8"):
        read_manifests(tmp_path / "latin.yaml")


def test_what_is_hidden_for_kustomize_or_no_manifest_is_passed_over(tmp_path: Path) -> None:
    for name in ("b.yml", "a.yaml", "c.json", ".#a.yaml", "kustomization.yaml", "notes.txt", "a.yaml.bak"):
        (tmp_path / name).touch()
    (tmp_path / "directory.yaml").mkdir()
    assert [file.name for file in manifest_files(tmp_path)] == ["a.yaml", "b.yml", "c.json"]

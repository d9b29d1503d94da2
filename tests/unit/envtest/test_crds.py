"""Reading CustomResourceDefinitions from files."""

from pathlib import Path

import pytest

from controller_runtime.envtest import CRDError
from controller_runtime.envtest.crds import read_crds

CRD = "kind: CustomResourceDefinition\nmetadata: {name: %s}\n"


def names(paths: list[Path]) -> list[str]:
    return [crd["metadata"]["name"] for crd in read_crds(paths)]


def test_files_may_hold_several_documents_and_empty_ones(tmp_path: Path) -> None:
    file = tmp_path / "all.yaml"
    file.write_text("---\n" + CRD % "a" + "---\n" + CRD % "b" + "---\n")
    assert names([file]) == ["a", "b"]


def test_a_directory_stands_for_its_yaml_files_by_name(tmp_path: Path) -> None:
    (tmp_path / "b.yml").write_text(CRD % "b")
    (tmp_path / "a.yaml").write_text(CRD % "a")
    (tmp_path / "README.md").write_text("not yaml: [")
    assert names([tmp_path]) == ["a", "b"]


def test_paths_keep_their_order(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(CRD % "a")
    (tmp_path / "b.yaml").write_text(CRD % "b")
    assert names([tmp_path / "b.yaml", tmp_path / "a.yaml"]) == ["b", "a"]


@pytest.mark.parametrize(
    "text", [pytest.param("kind: Secret\n", id="another kind"), pytest.param("- a list\n", id="no object")]
)
def test_what_is_no_crd_is_refused_by_the_name_of_its_file(text: str, tmp_path: Path) -> None:
    file = tmp_path / "secret.yaml"
    file.write_text(text)
    with pytest.raises(CRDError, match=r"secret\.yaml holds a document that is not a CustomResourceDefinition"):
        read_crds([file])


def test_a_path_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CRDError, match=r"missing does not exist"):
        read_crds([tmp_path / "missing"])


def test_a_directory_without_crds_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CRDError, match=r"there is no CustomResourceDefinition in"):
        read_crds([tmp_path])


def test_an_empty_list_of_paths_is_refused() -> None:
    with pytest.raises(CRDError, match=r"empty list of paths"):
        read_crds([])

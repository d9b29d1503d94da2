"""The document around the schema: names, scope, columns, the status subresource."""

from __future__ import annotations

from typing import Any, ClassVar

from controller_runtime.apimachinery import Object, Resource
from controller_runtime.apimachinery.meta import APIStruct
from controller_runtime.controllergen import AGE, PrinterColumn, custom_resource_definition, open_api_schema


class BucketStatus(APIStruct, frozen=True):
    size: int = 0


class Bucket(Object, frozen=True):
    """A place for objects."""

    resource: ClassVar[Resource] = Resource(group="example.com", version="v1beta2", kind="Bucket", plural="buckets")
    status: BucketStatus = BucketStatus()


class Policy(Object, frozen=True):
    """Needs no status, and belongs to no namespace."""

    resource: ClassVar[Resource] = Resource(
        group="example.com", version="v1", kind="Policy", plural="policies", namespaced=False
    )


def version_of(crd: dict[str, Any]) -> dict[str, Any]:
    (version,) = crd["spec"]["versions"]
    assert isinstance(version, dict)
    return version


def test_a_namespaced_kind_with_status() -> None:
    assert custom_resource_definition(Bucket) == {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "buckets.example.com"},
        "spec": {
            "group": "example.com",
            "names": {"kind": "Bucket", "listKind": "BucketList", "plural": "buckets", "singular": "bucket"},
            "scope": "Namespaced",
            "versions": [
                {
                    "name": "v1beta2",
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": open_api_schema(Bucket)},
                    "subresources": {"status": {}},
                }
            ],
        },
    }


def test_a_cluster_scoped_kind_without_status() -> None:
    crd = custom_resource_definition(Policy)
    assert crd["metadata"]["name"] == "policies.example.com"
    assert crd["spec"]["scope"] == "Cluster"
    assert "subresources" not in version_of(crd)
    assert "additionalPrinterColumns" not in version_of(crd)


def test_short_names_and_categories_are_names() -> None:
    names = custom_resource_definition(Bucket, short_names=("bkt",), categories=("all", "storage"))["spec"]["names"]
    assert names["shortNames"] == ["bkt"]
    assert names["categories"] == ["all", "storage"]


def test_columns_keep_their_order_and_leave_out_what_is_not_said() -> None:
    size = PrinterColumn(name="Size", type="integer", json_path=".status.size", description="Bytes in use.", priority=1)
    assert version_of(custom_resource_definition(Bucket, columns=(size, AGE)))["additionalPrinterColumns"] == [
        {
            "name": "Size",
            "type": "integer",
            "jsonPath": ".status.size",
            "description": "Bytes in use.",
            "priority": 1,
        },
        {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
    ]

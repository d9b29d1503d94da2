"""Writes the Kubernetes YAML that follows from Python code: CRDs from types, RBAC roles from declared rules.

Docstrings of types and fields become the descriptions; the rest is said with `msgspec.Meta`:

    Name = Annotated[str, msgspec.Meta(min_length=1, max_length=63)]

    class BucketSpec(APIStruct, frozen=True, kw_only=True):
        owner: Name
        \"\"\"Who pays.\"\"\"
        region: Annotated[str, msgspec.Meta(extra_json_schema={"default": "eu"})] = "eu"
        \"\"\"Where the bytes are kept.\"\"\"

    class Bucket(Object, frozen=True, kw_only=True):
        \"\"\"A place for objects.\"\"\"
        resource: ClassVar[Resource] = Resource(group="example.com", version="v1", kind="Bucket", plural="buckets")
        spec: BucketSpec

    print(to_yaml(custom_resource_definition(Bucket, columns=(AGE,))))

Guarantees:
- The schema is structural, as apiextensions.k8s.io/v1 demands. What has no structural form (recursive types, unions of
  several types, maps with keys other than strings) is a `GenerationError` that names the field.
- The same input gives the same bytes, so a check in CI is a comparison of files.

Not promised: defaults are not taken from Python (a default in the schema is stored with each object, one in Python only
spares a None), and nothing is validated that the API server validates anyway when the CRD is created.

Needs the sources of the types, where their docstrings are. Imports apimachinery alone.
"""

from controller_runtime.controllergen.crd import AGE, PrinterColumn, custom_resource_definition
from controller_runtime.controllergen.errors import GenerationError
from controller_runtime.controllergen.output import stale_files, to_yaml, write_files
from controller_runtime.controllergen.rbac import PolicyRule, cluster_role_yaml, role_yaml
from controller_runtime.controllergen.schema import open_api_schema

__all__ = [
    "AGE",
    "GenerationError",
    "PolicyRule",
    "PrinterColumn",
    "cluster_role_yaml",
    "custom_resource_definition",
    "open_api_schema",
    "role_yaml",
    "stale_files",
    "to_yaml",
    "write_files",
]

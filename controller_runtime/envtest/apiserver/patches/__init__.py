"""Patches: JSON Patch (RFC 6902), JSON Merge Patch (RFC 7396) and Kubernetes' strategic merge patch.

Each function takes a document and a patch, both JSON values, and returns the patched document. Neither argument is
changed; the result may share parts with both.

Guarantees: what is refused is refused with kube-apiserver's code and text (its 422 for a JSON Patch says nothing about
the reason, so ours says nothing either). Results are kube-apiserver's, oddities included: `replace` in a map adds what
is missing, negative positions count from the end.

Not promised: that the result is a valid object. Custom kinds know no strategic merge; their callers refuse it.
"""

from controller_runtime.envtest.apiserver.patches.json_patch import json_patch
from controller_runtime.envtest.apiserver.patches.merge_patch import merge_patch
from controller_runtime.envtest.apiserver.patches.strategic import strategic_merge_patch

__all__ = ["json_patch", "merge_patch", "strategic_merge_patch"]

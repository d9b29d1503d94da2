"""Schemas of meta.k8s.io: what all kinds share."""

from __future__ import annotations

from typing import Final

from controller_runtime.envtest.apiserver.builtin.components.terms import (
    API_VERSION,
    KIND,
    META,
    Schema,
    boolean,
    boolean_or_zero,
    embedded,
    integer,
    items,
    optional,
    struct,
    text,
    text_map,
    text_or_zero,
    texts,
    time,
)

_RAW: Final = "io.k8s.apimachinery.pkg.runtime.RawExtension"

COMPONENTS: Final[dict[str, Schema]] = {
    f"{META}.Time": {"type": "string", "format": "date-time", "description": "RFC 3339 time, to the second."},
    f"{META}.MicroTime": {
        "type": "string",
        "format": "date-time",
        "description": "RFC 3339 time, to the microsecond.",
    },
    f"{META}.FieldsV1": {"type": "object", "description": "A set of fields, as a trie in JSON."},
    f"{META}.Patch": {"type": "object", "description": "A change to an object; its form is in the Content-Type."},
    _RAW: {"type": "object", "description": "An object of any kind."},
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": {
        "oneOf": [{"type": "integer"}, {"type": "string"}],
        "format": "int-or-string",
        "description": "A number or a name.",
    },
    f"{META}.ObjectMeta": struct(
        "What every stored object has: identity, labels, owners and the server's records.",
        {
            "annotations": text_map("Free notes by key; they select nothing."),
            "creationTimestamp": time("When the object was created; set by the server."),
            "deletionGracePeriodSeconds": integer("Seconds granted to an orderly end; set by a deletion.", 64),
            "deletionTimestamp": time("When a deletion was asked for; finalizers still hold the object."),
            "finalizers": texts("Who must act before the object goes away.", list_type="set", patch_strategy="merge"),
            "generateName": text("Prefix of a name that the server completes when `name` is empty."),
            "generation": integer("Counts the changes of what is wanted; set by the server.", 64),
            "labels": text_map("Keys and values by which objects are selected."),
            "managedFields": items(f"{META}.ManagedFieldsEntry", "Which field was set by whom."),
            "name": text("Name, unique among the kind's objects in the namespace; never changes."),
            "namespace": text("The space in which the name is unique; empty for cluster-wide kinds."),
            "ownerReferences": items(
                f"{META}.OwnerReference",
                "Objects on which this one depends; it goes when they all are gone.",
                keys=("uid",),
                merge_key="uid",
            ),
            "resourceVersion": text("Opaque revision of the object; an update that names an old one conflicts."),
            "selfLink": text("No longer set."),
            "uid": text("Unique in space and time; set by the server."),
        },
    ),
    f"{META}.ManagedFieldsEntry": struct(
        "The fields that one manager set in one way.",
        {
            "apiVersion": text("Version of the kind in which the fields are named."),
            "fieldsType": text("Form of the set; `FieldsV1`."),
            "fieldsV1": optional(f"{META}.FieldsV1", "The fields."),
            "manager": text("Name of the manager."),
            "operation": text("`Apply` or `Update`."),
            "subresource": text("Through which subresource the fields were set, if any."),
            "time": time("When the manager last changed its fields."),
        },
    ),
    f"{META}.OwnerReference": struct(
        "Names an owner in the same namespace, or a cluster-wide one.",
        {
            "apiVersion": text_or_zero("Group and version of the owner."),
            "blockOwnerDeletion": boolean("Whether a foreground deletion of the owner waits for this object."),
            "controller": boolean("Whether the owner manages the object; at most one does."),
            "kind": text_or_zero("Kind of the owner."),
            "name": text_or_zero("Name of the owner."),
            "uid": text_or_zero("UID of the owner."),
        },
        required=("apiVersion", "kind", "name", "uid"),
        atomic=True,
    ),
    f"{META}.Condition": struct(
        "One aspect of an object's state, as last observed.",
        {
            "lastTransitionTime": time("When the status last changed."),
            "message": text_or_zero("Details, for people."),
            "observedGeneration": integer("Generation of the object to which the condition refers.", 64),
            "reason": text_or_zero("Why, in one CamelCase word, for programs."),
            "status": text_or_zero("`True`, `False` or `Unknown`."),
            "type": text_or_zero("Which aspect, in CamelCase."),
        },
        required=("type", "status", "lastTransitionTime", "reason", "message"),
    ),
    f"{META}.ListMeta": struct(
        "What lists have in place of ObjectMeta.",
        {
            "continue": text("Token with which the next page is fetched; empty on the last page."),
            "remainingItemCount": integer("How many objects the following pages hold, if known.", 64),
            "resourceVersion": text("Revision at which the list was read."),
            "selfLink": text("No longer set."),
            "shardInfo": optional(f"{META}.ShardInfo", "Which part of the collection this is, if it is not all."),
        },
    ),
    f"{META}.ShardInfo": struct(
        "Which part of a collection a list holds.",
        {"selector": text_or_zero("The selector that was applied.")},
        required=("selector",),
    ),
    f"{META}.Status": struct(
        "How a request ended that returns no object.",
        {
            "apiVersion": text(API_VERSION),
            "code": integer("HTTP status."),
            "details": optional(f"{META}.StatusDetails", "What programs may want to know."),
            "kind": text(KIND),
            "message": text("What happened, for people."),
            "metadata": embedded(f"{META}.ListMeta", "As of a list."),
            "reason": text("What happened, in one CamelCase word."),
            "status": text("`Success` or `Failure`."),
        },
    ),
    f"{META}.StatusDetails": struct(
        "The object that a Status is about, and the causes.",
        {
            "causes": items(f"{META}.StatusCause", "What was wrong, one by one."),
            "group": text("Group of the object."),
            "kind": text("Kind or resource of the object."),
            "name": text("Name of the object."),
            "retryAfterSeconds": integer("After how many seconds another attempt may succeed."),
            "uid": text("UID of the object."),
        },
    ),
    f"{META}.StatusCause": struct(
        "One thing that was wrong.",
        {
            "field": text("Path of the field."),
            "message": text("What is wrong, for people."),
            "reason": text("What is wrong, in one CamelCase word."),
        },
    ),
    f"{META}.Preconditions": struct(
        "What must hold for an operation to be carried out.",
        {
            "resourceVersion": text("Revision that the object must have."),
            "uid": text("UID that the object must have."),
        },
    ),
    f"{META}.DeleteOptions": struct(
        "How to delete.",
        {
            "apiVersion": text(API_VERSION),
            "dryRun": texts("`All` checks everything and stores nothing."),
            "gracePeriodSeconds": integer("Seconds before the object goes; 0 means now.", 64),
            "ignoreStoreReadErrorWithClusterBreakingPotential": boolean(
                "Deletes objects that cannot be read any more, past all safeguards."
            ),
            "kind": text(KIND),
            "orphanDependents": boolean("Older form of `propagationPolicy`."),
            "preconditions": optional(f"{META}.Preconditions", "Else the answer is a conflict."),
            "propagationPolicy": text("What becomes of dependents: `Orphan`, `Background` or `Foreground`."),
        },
    ),
    f"{META}.WatchEvent": struct(
        "One change, as a watch reports it.",
        {
            "object": optional(_RAW, "The object after the change, or its last state, or a Status."),
            "type": text_or_zero("`ADDED`, `MODIFIED`, `DELETED`, `BOOKMARK` or `ERROR`."),
        },
        required=("type", "object"),
    ),
    f"{META}.APIResourceList": struct(
        "The resources of one group and version.",
        {
            "apiVersion": text(API_VERSION),
            "groupVersion": text_or_zero("Group and version."),
            "kind": text(KIND),
            "resources": items(f"{META}.APIResource", "The resources."),
        },
        required=("groupVersion", "resources"),
    ),
    f"{META}.APIResource": struct(
        "A resource as discovery describes it.",
        {
            "categories": texts("Groups of resources to which this one belongs (`all`)."),
            "group": text("Group, where it differs from the list's."),
            "kind": text_or_zero("Kind of the objects."),
            "name": text_or_zero("Plural name, with the subresource after a slash."),
            "namespaced": boolean_or_zero("Whether the objects live in namespaces."),
            "shortNames": texts("Abbreviations for the command line."),
            "singularName": text_or_zero("Singular name."),
            "storageVersionHash": text("Hash of the version that is stored."),
            "verbs": texts("What can be done.", list_type=None),
            "version": text("Version, where it differs from the list's."),
        },
        required=("name", "singularName", "namespaced", "kind", "verbs"),
    ),
}

"""Schemas of authorization.k8s.io/v1: who may do what."""

from __future__ import annotations

from typing import Final

from controller_runtime.envtest.apiserver.builtin.components.terms import (
    META,
    Schema,
    boolean,
    boolean_or_zero,
    embedded,
    items,
    kind,
    optional,
    struct,
    text,
    texts,
    texts_map,
)

GROUP: Final = "authorization.k8s.io"
AUTHORIZATION: Final = "io.k8s.api.authorization.v1"


def _review(name: str, description: str, spec: str, status: str) -> Schema:
    properties = {
        "spec": embedded(f"{AUTHORIZATION}.{spec}", "The question."),
        "status": embedded(f"{AUTHORIZATION}.{status}", "The answer."),
    }
    return kind(GROUP, "v1", name, description, properties, required=("spec",))


_QUESTION: Final[dict[str, Schema]] = {
    "nonResourceAttributes": optional(f"{AUTHORIZATION}.NonResourceAttributes", "The path in question."),
    "resourceAttributes": optional(f"{AUTHORIZATION}.ResourceAttributes", "The resource in question."),
}
_RAW: Final = text("The selector as it stands in a URL; instead of `requirements`.")

COMPONENTS: Final[dict[str, Schema]] = {
    f"{AUTHORIZATION}.SubjectAccessReview": _review(
        "SubjectAccessReview",
        "Asks whether somebody may do something.",
        "SubjectAccessReviewSpec",
        "SubjectAccessReviewStatus",
    ),
    f"{AUTHORIZATION}.LocalSubjectAccessReview": _review(
        "LocalSubjectAccessReview",
        "Asks whether somebody may do something in one namespace.",
        "SubjectAccessReviewSpec",
        "SubjectAccessReviewStatus",
    ),
    f"{AUTHORIZATION}.SelfSubjectAccessReview": _review(
        "SelfSubjectAccessReview",
        "Asks whether the caller may do something.",
        "SelfSubjectAccessReviewSpec",
        "SubjectAccessReviewStatus",
    ),
    f"{AUTHORIZATION}.SelfSubjectRulesReview": _review(
        "SelfSubjectRulesReview",
        "Asks what the caller may do.",
        "SelfSubjectRulesReviewSpec",
        "SubjectRulesReviewStatus",
    ),
    f"{AUTHORIZATION}.SubjectAccessReviewSpec": struct(
        "Who may do what?",
        {
            **_QUESTION,
            "extra": texts_map("What else is known about the user."),
            "groups": texts("Groups to which the user belongs."),
            "uid": text("The user's uid."),
            "user": text("Name of the user."),
        },
    ),
    f"{AUTHORIZATION}.SelfSubjectAccessReviewSpec": struct("What may the caller do?", _QUESTION),
    f"{AUTHORIZATION}.SelfSubjectRulesReviewSpec": struct(
        "Where may the caller do what?", {"namespace": text("The namespace in question.")}
    ),
    f"{AUTHORIZATION}.SubjectAccessReviewStatus": struct(
        "Whether somebody may do something.",
        {
            "allowed": boolean_or_zero("Whether it is allowed."),
            "denied": boolean("Whether it is forbidden whatever else allows it."),
            "evaluationError": text("What could not be considered."),
            "reason": text("Why."),
        },
        required=("allowed",),
    ),
    f"{AUTHORIZATION}.SubjectRulesReviewStatus": struct(
        "What somebody may do.",
        {
            "evaluationError": text("What could not be considered."),
            "incomplete": boolean_or_zero("Whether something may be missing."),
            "nonResourceRules": items(f"{AUTHORIZATION}.NonResourceRule", "What is allowed on paths."),
            "resourceRules": items(f"{AUTHORIZATION}.ResourceRule", "What is allowed on resources."),
        },
        required=("resourceRules", "nonResourceRules", "incomplete"),
    ),
    f"{AUTHORIZATION}.ResourceRule": struct(
        "Verbs on resources.",
        {
            "apiGroups": texts("API groups of the resources; `*` for all."),
            "resourceNames": texts("Names of the objects; none for all of them."),
            "resources": texts("Plurals of the resources; `*` for all."),
            "verbs": texts("The verbs; `*` for all."),
        },
        required=("verbs",),
    ),
    f"{AUTHORIZATION}.NonResourceRule": struct(
        "Verbs on paths.",
        {
            "nonResourceURLs": texts("The paths; a last `*` stands for anything."),
            "verbs": texts("The verbs; `*` for all."),
        },
        required=("verbs",),
    ),
    f"{AUTHORIZATION}.ResourceAttributes": struct(
        "A request for a resource.",
        {
            "fieldSelector": optional(f"{AUTHORIZATION}.FieldSelectorAttributes", "Limits the request by fields."),
            "group": text("API group of the resource; `*` for all."),
            "labelSelector": optional(f"{AUTHORIZATION}.LabelSelectorAttributes", "Limits the request by labels."),
            "name": text("Name of the object; none for all of them."),
            "namespace": text("Namespace of the object; none for all of them."),
            "resource": text("Plural of the resource; `*` for all."),
            "subresource": text("The subresource, if it is about one."),
            "verb": text("What is to be done; `*` for everything."),
            "version": text("Version of the group; `*` for all."),
        },
    ),
    f"{AUTHORIZATION}.NonResourceAttributes": struct(
        "A request for a path.", {"path": text("The path."), "verb": text("Its HTTP method, in small letters.")}
    ),
    f"{AUTHORIZATION}.FieldSelectorAttributes": struct(
        "A field selector.",
        {
            "rawSelector": _RAW,
            "requirements": items(f"{META}.FieldSelectorRequirement", "The terms; all of them have to be met."),
        },
    ),
    f"{AUTHORIZATION}.LabelSelectorAttributes": struct(
        "A label selector.",
        {
            "rawSelector": _RAW,
            "requirements": items(f"{META}.LabelSelectorRequirement", "The terms; all of them have to be met."),
        },
    ),
}

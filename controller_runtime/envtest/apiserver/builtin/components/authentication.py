"""Schemas of authentication.k8s.io/v1: who somebody is, and tokens."""

from __future__ import annotations

from typing import Final

from controller_runtime.envtest.apiserver.builtin.components.terms import (
    Schema,
    boolean,
    embedded,
    integer,
    kind,
    optional,
    struct,
    text,
    text_or_zero,
    texts,
    texts_map,
    time,
)

GROUP: Final = "authentication.k8s.io"
AUTHENTICATION: Final = "io.k8s.api.authentication.v1"

COMPONENTS: Final[dict[str, Schema]] = {
    f"{AUTHENTICATION}.TokenReview": kind(
        GROUP,
        "v1",
        "TokenReview",
        "Asks whose a token is.",
        {
            "spec": embedded(f"{AUTHENTICATION}.TokenReviewSpec", "The token."),
            "status": embedded(f"{AUTHENTICATION}.TokenReviewStatus", "The answer."),
        },
        required=("spec",),
    ),
    f"{AUTHENTICATION}.TokenReviewSpec": struct(
        "A token in question.",
        {
            "audiences": texts("For whom the token should be meant; none for the API server."),
            "token": text("The token."),
        },
        required=("token",),
    ),
    f"{AUTHENTICATION}.TokenReviewStatus": struct(
        "Whose a token is.",
        {
            "audiences": texts("Those of the audiences in question for whom it is meant."),
            "authenticated": boolean("Whether the token is somebody's."),
            "error": text("Why the token is nobody's."),
            "user": embedded(f"{AUTHENTICATION}.UserInfo", "Whose it is."),
        },
    ),
    f"{AUTHENTICATION}.SelfSubjectReview": kind(
        GROUP,
        "v1",
        "SelfSubjectReview",
        "Asks who the caller is.",
        {"status": embedded(f"{AUTHENTICATION}.SelfSubjectReviewStatus", "The answer.")},
    ),
    f"{AUTHENTICATION}.SelfSubjectReviewStatus": struct(
        "Who the caller is.", {"userInfo": embedded(f"{AUTHENTICATION}.UserInfo", "The caller.")}
    ),
    f"{AUTHENTICATION}.UserInfo": struct(
        "A user.",
        {
            "extra": texts_map("What else is known about the user."),
            "groups": texts("Groups to which the user belongs."),
            "uid": text("Tells users apart that have the same name at different times."),
            "username": text("Name of the user."),
        },
    ),
    f"{AUTHENTICATION}.TokenRequest": kind(
        GROUP,
        "v1",
        "TokenRequest",
        "Asks for a token of a ServiceAccount.",
        {
            "spec": embedded(f"{AUTHENTICATION}.TokenRequestSpec", "What kind of token."),
            "status": embedded(f"{AUTHENTICATION}.TokenRequestStatus", "The token."),
        },
    ),
    f"{AUTHENTICATION}.TokenRequestSpec": struct(
        "What kind of token is asked for.",
        {
            "audiences": texts("For whom the token is meant; none for the API server."),
            "boundObjectRef": optional(
                f"{AUTHENTICATION}.BoundObjectReference", "The token is good as long as this object is there."
            ),
            "expirationSeconds": integer("How long it is good; an hour by default, ten minutes at least.", 64),
        },
    ),
    f"{AUTHENTICATION}.TokenRequestStatus": struct(
        "A new token.",
        {
            "expirationTimestamp": time("Until when it is good."),
            "token": text_or_zero("The token, a JWT."),
        },
    ),
    f"{AUTHENTICATION}.BoundObjectReference": struct(
        "An object to which a token is bound.",
        {
            "apiVersion": text("Group and version of its kind."),
            "kind": text("Its kind: Secret."),
            "name": text("Its name."),
            "uid": text("Its uid."),
        },
    ),
}

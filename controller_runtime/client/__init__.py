"""Reading from and writing to the Kubernetes API server.

    transport = AiohttpTransport(await load_config())
    client = Client(transport, field_owner="example")
    secret = await client.get(Secret, NamespacedName("default", "token"))

`Client` reads live and makes all writes, in terms of typed kinds; `client.status` and `client.subresource(name)` do so
for subresources. `load_config` finds kubeconfig or pod, and keeps their credentials fresh. `Transport` is the seam
below: one implementation speaks HTTP, others serve tests.

Where a read goes is written where it is made, and does not depend on the kind or on options: `client.get` is live and
waits for the server; `cache.get` is answered from memory, without waiting, with objects that are shared. So a read that
must see the newest state (a retry after a conflict) can be told from one that need not, and no careless read starts to
cache a kind. The cache is built on the client's `list` and `watch`. What a run has just written it sees a moment later;
`record_writes` tells what to wait for.

Writes that others may cross: `update` and `delete` with a resourceVersion, `merge_patch_from` with `optimistic_lock`,
and apply, which knows whose a field is. `retry_on_conflict` begins again with a fresh read; `patch_status` does so for
the status, and is how conditions are written.

Promised: an answer or an error of one tree (`errors`) that names operation and object; a write is sent at most once
unless the server itself asks for a repetition (`Retry-After`); a fenced write leaves only while its fence holds. Not
promised: what became of a write whose connection broke or timed out.
"""

from controller_runtime.client.aiohttp_transport import AiohttpTransport
from controller_runtime.client.client import Client
from controller_runtime.client.config import (
    SERVICE_ACCOUNT,
    Credential,
    CredentialSource,
    RestConfig,
    default_user_agent,
    in_cluster_namespace,
    load_config,
)
from controller_runtime.client.conflicts import retry_on_conflict
from controller_runtime.client.deleting import PropagationPolicy
from controller_runtime.client.errors import (
    AlreadyExistsError,
    ApiError,
    BadRequestError,
    Cause,
    ClientError,
    ConfigError,
    ConflictError,
    ConnectError,
    ConnectionLostError,
    ForbiddenError,
    GoneError,
    InternalError,
    InvalidError,
    InvalidRequestError,
    InvalidResponseError,
    LeadershipLostError,
    MethodNotAllowedError,
    NotAcceptableError,
    NotFoundError,
    Operation,
    RequestTimeoutError,
    RequestTooLargeError,
    ServerTimeoutError,
    ServiceUnavailableError,
    Status,
    StatusDetails,
    TooManyRequestsError,
    TransportError,
    UnauthorizedError,
    UnsupportedMediaTypeError,
    ignore_already_exists,
    ignore_not_found,
)
from controller_runtime.client.lists import ObjectList, SkippedObject, note_undecodable
from controller_runtime.client.own_writes import OwnWrite, OwnWrites, record_writes
from controller_runtime.client.patches import PatchType, merge_diff, merge_patch_from
from controller_runtime.client.rate_limit import RateLimit
from controller_runtime.client.rest_metrics import enable_rest_client_metrics
from controller_runtime.client.retry import send_with_retries
from controller_runtime.client.sending import FieldValidation
from controller_runtime.client.status import patch_status
from controller_runtime.client.subresources import SubresourceClient
from controller_runtime.client.transport import ApiRequest, ApiResponse, ApiStream, Fence, Transport
from controller_runtime.client.watching import WatchEvent

__all__ = [
    "SERVICE_ACCOUNT",
    "AiohttpTransport",
    "AlreadyExistsError",
    "ApiError",
    "ApiRequest",
    "ApiResponse",
    "ApiStream",
    "BadRequestError",
    "Cause",
    "Client",
    "ClientError",
    "ConfigError",
    "ConflictError",
    "ConnectError",
    "ConnectionLostError",
    "Credential",
    "CredentialSource",
    "Fence",
    "FieldValidation",
    "ForbiddenError",
    "GoneError",
    "InternalError",
    "InvalidError",
    "InvalidRequestError",
    "InvalidResponseError",
    "LeadershipLostError",
    "MethodNotAllowedError",
    "NotAcceptableError",
    "NotFoundError",
    "ObjectList",
    "Operation",
    "OwnWrite",
    "OwnWrites",
    "PatchType",
    "PropagationPolicy",
    "RateLimit",
    "RequestTimeoutError",
    "RequestTooLargeError",
    "RestConfig",
    "ServerTimeoutError",
    "ServiceUnavailableError",
    "SkippedObject",
    "Status",
    "StatusDetails",
    "SubresourceClient",
    "TooManyRequestsError",
    "Transport",
    "TransportError",
    "UnauthorizedError",
    "UnsupportedMediaTypeError",
    "WatchEvent",
    "default_user_agent",
    "enable_rest_client_metrics",
    "ignore_already_exists",
    "ignore_not_found",
    "in_cluster_namespace",
    "load_config",
    "merge_diff",
    "merge_patch_from",
    "note_undecodable",
    "patch_status",
    "record_writes",
    "retry_on_conflict",
    "send_with_retries",
]

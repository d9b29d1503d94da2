"""Reading from and writing to the Kubernetes API server.

    transport = AiohttpTransport(await load_config())
    client = Client(transport, field_owner="example")
    secret = await client.get(Secret, NamespacedName("default", "token"))

`Client` reads live and makes all writes, in terms of typed kinds; the cache, which answers reads from memory, is built
on its `list` and `watch`. `load_config` finds kubeconfig, pod or exec credentials. `Transport` is the seam below: one
implementation speaks HTTP, others serve tests. `patch_status` is how conditions are written.

Promised: an answer or an error of one tree (`errors`) that names operation and object; a write is sent at most once
unless the server itself asks for a repetition; a fenced write leaves only while its fence holds. Not promised: what
became of a write whose connection broke or timed out.
"""

from controller_runtime.client.aiohttp_transport import AiohttpTransport
from controller_runtime.client.client import Client, FieldValidation, PropagationPolicy
from controller_runtime.client.config import (
    SERVICE_ACCOUNT,
    Credential,
    CredentialSource,
    RestConfig,
    default_user_agent,
    in_cluster_namespace,
    load_config,
)
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
    NotFoundError,
    Operation,
    RequestTimeoutError,
    ServerTimeoutError,
    ServiceUnavailableError,
    Status,
    StatusDetails,
    TooManyRequestsError,
    TransportError,
    UnauthorizedError,
)
from controller_runtime.client.lists import ObjectList, SkippedObject, note_undecodable
from controller_runtime.client.patches import PatchType, merge_diff
from controller_runtime.client.retry import send_with_retries
from controller_runtime.client.status import patch_status
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
    "NotFoundError",
    "ObjectList",
    "Operation",
    "PatchType",
    "PropagationPolicy",
    "RequestTimeoutError",
    "RestConfig",
    "ServerTimeoutError",
    "ServiceUnavailableError",
    "SkippedObject",
    "Status",
    "StatusDetails",
    "TooManyRequestsError",
    "Transport",
    "TransportError",
    "UnauthorizedError",
    "WatchEvent",
    "default_user_agent",
    "in_cluster_namespace",
    "load_config",
    "merge_diff",
    "note_undecodable",
    "patch_status",
    "send_with_retries",
]

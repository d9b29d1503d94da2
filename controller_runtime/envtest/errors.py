"""The errors of this package.

EnvtestError
 ├── AssetsMissingError   a program of the control plane is not installed
 ├── ControlPlaneError    its options or its state do not allow what was asked
 ├── CRDError             a file holds no CRD, or the API server does not come to serve one
 ├── KubectlError         kubectl ended with an error
 ├── ProcessError         a program ended, or was not ready in time
 └── RequestError         the API server refused a request
"""


class EnvtestError(Exception):
    """A control plane cannot do what was asked; the message says why and what to do."""


class AssetsMissingError(EnvtestError):
    """A program is in none of the places looked at, which the message lists with the command that builds it."""


class ControlPlaneError(EnvtestError):
    """Something was asked of a control plane that its options or its state do not allow."""


class CRDError(EnvtestError):
    """A file holds no CRD, or the API server does not come to serve one."""


class KubectlError(EnvtestError):
    """A kubectl command ended with an error; the message has the command and what kubectl said."""


class ProcessError(EnvtestError):
    """A program ended, or did not do in time what was expected of it; the message quotes its log."""


class RequestError(EnvtestError):
    """The API server refused a request.

    Attributes:
        status: HTTP status code.
    """

    def __init__(self, method: str, path: str, status: int, message: str) -> None:
        super().__init__(f"{method} {path}: {status} {message}")
        self.status = status

"""A file server on the loopback interface, for whatever kernelURL and initrdURL point to."""

from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import web


@dataclass(frozen=True, slots=True)
class FileRequest:
    """A request that reached the server.

    Attributes:
        method: such as GET.
        path: path and query as sent.
        headers: names in lower case; of a header sent twice, the last value.
        status: what it was answered with.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    status: int


class FileServer:
    """Serves bytes from memory under fixed paths and notes every request; 404 for any other path.

    Attributes:
        contents: bytes per path; may be changed while the server runs.
        requests: all requests so far, in the order in which their answers began.
    """

    def __init__(self, contents: Mapping[str, bytes] | None = None) -> None:
        self.contents = dict(contents or {})
        self.requests: list[FileRequest] = []
        self._origin = ""
        application = web.Application()
        application.router.add_get("/{path:.*}", self._serve)
        self._runner = web.AppRunner(application, access_log=None)

    async def __aenter__(self) -> "FileServer":
        """Listens on a port of 127.0.0.1 that the kernel picks."""
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0]
        self._origin = f"http://{host}:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        """Closes the port and all connections."""
        await self._runner.cleanup()

    def url(self, path: str) -> str:
        """The address of `path` for programs on this host; a guest needs it through `seen_from_guest`."""
        return self._origin + path

    async def _serve(self, request: web.Request) -> web.Response:
        content = self.contents.get(request.path)
        response = web.Response(status=404) if content is None else web.Response(body=content)
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.requests.append(FileRequest(request.method, request.path_qs, headers, response.status))
        return response

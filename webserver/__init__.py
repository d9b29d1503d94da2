"""The boot server: answers firmware, iPXE, Ignition and DHCP servers over HTTP.

- `BootEndpoints` is the logic: a function from `Request` to `Response`, without sockets.
- `BootServer` is the HTTP server around it: addresses, limits, draining.
- `DeliveryRecorder` writes to the status of configurations what machines have been given.

Every answer comes from memory (`machines.Machines`) and never waits for the API server. Clients are firmware, so
answers are plain: a reason phrase, Content-Length, header names in Title-Case, no compression, no chunks, no redirects,
no empty header; a HEAD has the headers of its GET. A body that says what went wrong is one sentence and a newline.
"""

from webserver.deliveries import DeliveryRecorder
from webserver.endpoints import BootEndpoints
from webserver.exchange import Request, Response
from webserver.server import BootServer, ListenAddress

__all__ = ["BootEndpoints", "BootServer", "DeliveryRecorder", "ListenAddress", "Request", "Response"]

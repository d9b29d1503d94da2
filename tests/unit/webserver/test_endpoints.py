"""Every endpoint and every kind of trouble as status, headers and body; without sockets."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.v1alpha1 import HTTPBootConfig, IPXEBootConfig
from controller_runtime.api.core_v1 import Secret
from controller_runtime.envtest import Failure
from machines import Stage
from tests.unit.machines.lab import NAMESPACE, OTHER_UUID, UUID, BootApi, Lab, make_lab, running, settle
from webserver import BootEndpoints, Request, Response

pytestmark = pytest.mark.looptime

TEXT = "text/plain; charset=utf-8"
NO_STORE = ("Cache-Control", "no-store")
RETRY = ("Retry-After", "1")


class Server:
    """The endpoints of a lab; each call is one request."""

    def __init__(self, lab: Lab, **options: Any) -> None:
        self.lab = lab
        self.api = lab.api
        self._endpoints = BootEndpoints(lab.machines, **options)

    def get(self, target: str, *, method: str = "GET", port: int = 8082, **headers: str) -> Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self._endpoints.respond(Request(method, target, {"Host": "boot"} | named, port))


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """A cluster without any configuration."""
    async with running(make_lab(BootApi())) as lab:
        await lab.secrets.wait_ready()  # time is virtual in tests alone, so nothing has settled in a moment of it here
        yield Server(lab)


async def serve(server: Server, what: str, /, **fields: Any) -> None:
    """Creates an object and lets it be known."""
    getattr(server.api, what)(fields.pop("name", "a"), **fields)
    await settle()


def says(response: Response, status: int, text: str, *headers: tuple[str, str]) -> None:
    """The response is one sentence that contains the text."""
    assert response.status == status
    assert text in response.body.decode()
    assert response.body.endswith(b"\n")
    assert response.body.count(b"\n") == 1
    assert response.content_type == TEXT
    assert response.headers == (NO_STORE, *headers)
    assert response.payload is None


# Scripts


@pytest.mark.parametrize("path", ["/ipxe", "/ipxe/", "/ipxe?x=1", "http://proxy:1/ipxe/"])
async def test_the_chain_script_needs_no_machine(server: Server, path: str) -> None:
    response = server.get(path)
    assert response.status == 200
    assert response.body.startswith(b"#!ipxe\nset ipxe-svc http://boot:8082\n")
    assert (response.content_type, response.headers) == (TEXT, (NO_STORE,))
    assert response.payload is None


@pytest.mark.parametrize("path", ["/ipxe/{}", "/ipxe/{}?x=/y", "http://proxy/ipxe/{}"])
async def test_a_machine_gets_its_script(server: Server, path: str) -> None:
    await serve(server, "ipxe", kernelURL="http://images/k")
    response = server.get(path.format(UUID.upper()))
    assert response.status == 200
    assert b"set kernel-url http://images/k\n" in response.body
    assert (response.content_type, response.headers) == (TEXT, (NO_STORE,))
    assert response.payload is not None
    assert response.payload.stage is Stage.IPXE_SCRIPT


async def test_a_percent_encoded_uuid_is_decoded(server: Server) -> None:
    await serve(server, "ipxe", systemUUID="a%b é")
    assert server.get("/ipxe/a%25b%20%C3%A9").status == 200


async def test_a_custom_script_is_a_delivery_too(server: Server) -> None:
    await serve(server, "ipxe", script="t")
    await serve(server, "secret", name="t", ipxe_script=b"#!ipxe\nshell\n")
    response = server.get(f"/ipxe/{UUID}")
    assert (response.status, response.body, response.content_type) == (200, b"#!ipxe\nshell\n", TEXT)
    assert response.payload is not None
    assert response.payload.stage is Stage.IPXE_SCRIPT


@pytest.mark.parametrize(
    ("host", "port", "configured", "url"),
    [
        pytest.param("boot", 8082, "", "http://boot:8082", id="port of the socket"),
        pytest.param("boot:5000", 8082, "", "http://boot:5000", id="port of the header"),
        pytest.param("boot", 8083, "", "http://boot:8083", id="port of another socket"),
        pytest.param("boot", 8082, "https://svc/", "https://svc", id="configured"),
        pytest.param("no host!", 8082, "https://svc", "https://svc", id="configured: Host does not matter"),
    ],
)
async def test_scripts_name_the_server_as_the_client_reaches_it(
    server: Server, host: str, port: int, configured: str, url: str
) -> None:
    await serve(server, "ipxe")
    asked = Server(server.lab, configured_service_url=configured)
    for path in ("/ipxe", f"/ipxe/{UUID}"):
        assert f"set ipxe-svc {url}\n" in asked.get(path, Host=host, port=port).body.decode()


@pytest.mark.parametrize("path", ["/ipxe", f"/ipxe/{UUID}"])
async def test_a_bad_host_is_refused_where_it_is_needed(server: Server, path: str) -> None:
    await serve(server, "ipxe", ignition="s")
    await serve(server, "secret", name="s", ignition=b"{}")
    says(server.get(path, Host="a\tb"), 400, "Host header is no host name")
    says(server.get(path, Host=""), 400, "has no Host header")
    assert server.get(f"/ignition/{UUID}", Host="a\tb").status == 200


async def test_without_ipxe_every_script_is_refused_for_good(server: Server) -> None:
    await serve(server, "ipxe", ignition="s")
    await serve(server, "secret", name="s", ignition=b"{}")
    off = Server(server.lab, ipxe_enabled=False)
    for path in ("/ipxe", "/ipxe/", f"/ipxe/{UUID}", f"/ipxe/{OTHER_UUID}"):
        says(off.get(path), 503, "iPXE is not configured")
    assert off.get(f"/ignition/{UUID}").status == 200


@pytest.mark.parametrize(
    ("spec", "secret", "text"),
    [
        pytest.param(
            {"script": "t"}, None, "the Secret lab/t named by spec.ipxeScriptSecretRef does not exist", id="no"
        ),
        pytest.param({"script": "t"}, {"ignition": b""}, 'has no key "ipxe-script", add it', id="no key"),
        pytest.param({"kernelURL": "http://x\nshell"}, None, "spec.kernelURL contains a newline", id="newline"),
        pytest.param({"initrdURL": ""}, None, "spec.initrdURL is empty", id="empty"),
    ],
)
async def test_a_script_that_cannot_be_had_is_the_servers_fault(
    server: Server, spec: dict[str, str], secret: dict[str, bytes] | None, text: str
) -> None:
    await serve(server, "ipxe", **spec)
    if secret is not None:
        await serve(server, "secret", name="t", **secret)
    says(server.get(f"/ipxe/{UUID}"), 500, text)


# Ignition


@pytest.mark.parametrize("kind", ["ipxe", "http"])
@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        pytest.param(b'{"ignition": {"version": "3.4.0"}}', "application/json", id="object"),
        pytest.param(b' \n{"a": 1}', "application/json", id="object after blanks"),
        pytest.param(b"#cloud-config\n", TEXT, id="anything else"),
        pytest.param(b"", TEXT, id="nothing"),
    ],
)
async def test_a_machine_gets_its_ignition_as_it_is(
    server: Server, kind: str, content: bytes, content_type: str
) -> None:
    await serve(server, kind, ignition="s")
    await serve(server, "secret", name="s", ignition=content)
    response = server.get(f"/ignition/{UUID.upper()}")
    assert (response.status, response.body, response.content_type) == (200, content, content_type)
    assert response.headers == (NO_STORE,)
    assert response.payload is not None
    assert response.payload.stage is Stage.IGNITION


@pytest.mark.parametrize(
    ("spec", "secret", "status", "text"),
    [
        pytest.param({}, None, 404, "it has no Ignition, set spec.ignitionSecretRef", id="no reference"),
        pytest.param({"ignition": "s"}, None, 404, "the Secret lab/s named by spec.ignitionSecretRef", id="no Secret"),
        pytest.param({"ignition": "s"}, {"other": b"x"}, 404, 'has no key "ignition", add it', id="no key"),
        pytest.param({"ignition": "s"}, {"ignition": b"x", "format": b"fcos\n"}, 501, '"fcos" (Butane)', id="Butane"),
    ],
)
@pytest.mark.parametrize("kind", ["ipxe", "http"])
async def test_ignition_that_cannot_be_had(
    server: Server, kind: str, spec: dict[str, str], secret: dict[str, bytes] | None, status: int, text: str
) -> None:
    await serve(server, kind, **spec)
    if secret is not None:
        await serve(server, "secret", name="s", **secret)
    says(server.get(f"/ignition/{UUID}"), status, text)


async def test_the_secret_of_another_namespace_is_never_served(server: Server) -> None:
    await serve(server, "ipxe", ignition="s", script="s")
    await serve(server, "secret", name="s", namespace="other", ignition=b"x", ipxe_script=b"x")
    assert server.get(f"/ignition/{UUID}").status == 404
    assert server.get(f"/ipxe/{UUID}").status == 500


async def test_a_deleted_secret_is_absent_at_once(server: Server) -> None:
    await serve(server, "ipxe", ignition="s")
    await serve(server, "secret", name="s", ignition=b"{}")
    server.api.delete(Secret, "s", NAMESPACE)
    await settle()
    assert server.get(f"/ignition/{UUID}").status == 404


@pytest.mark.parametrize(
    ("path", "spec", "data"),
    [
        pytest.param(f"/ignition/{UUID}", {"ignition": "s"}, {"ignition": b"{}"}, id="ignition"),
        pytest.param(f"/ipxe/{UUID}", {"script": "s"}, {"ipxe_script": b"#!ipxe"}, id="script"),
    ],
)
async def test_what_is_not_known_yet_shall_be_asked_for_again(
    server: Server, path: str, spec: dict[str, str], data: dict[str, bytes]
) -> None:
    await serve(server, "ipxe", **spec)
    server.api.reading.close()
    server.api.net.fail("get", Failure(403, message="line\nbreak"), kind=Secret, name="s")
    await serve(server, "secret", name="s", **data)
    says(server.get(path), 503, "has not been fetched yet", RETRY)
    server.api.reading.open()
    await settle()
    says(server.get(path), 503, "could not be read and is retried: ", RETRY)


# HTTP boot


@pytest.mark.parametrize(
    ("forwarded", "fields"),
    [
        pytest.param(
            "10.0.0.1, AA-BB-CC-DD-EE-01",
            {"ClientIPs": "10.0.0.1,AA-BB-CC-DD-EE-01", "SystemUUID": UUID, "UKIURL": "http://images/uki.efi"},
            id="address and mac",
        ),
        pytest.param(
            "aabb.ccdd.ee01",
            {"ClientIPs": "aabb.ccdd.ee01", "SystemUUID": UUID, "UKIURL": "http://images/uki.efi"},
            id="mac alone",
        ),
        pytest.param(
            "2001:DB8::1",
            {"ClientIPs": "2001:DB8::1", "SystemUUID": UUID, "UKIURL": "http://images/uki.efi"},
            id="address alone",
        ),
        pytest.param(
            " , 10.9.9.9,, 10.0.0.1 ,",
            {"ClientIPs": "10.9.9.9,10.0.0.1", "SystemUUID": UUID, "UKIURL": "http://images/uki.efi"},
            id="unknown and empty parts",
        ),
        pytest.param(
            "10.9.9.9", {"ClientIPs": "10.9.9.9", "UKIURL": "http://images/default.efi"}, id="unknown machine"
        ),
        pytest.param("", {"ClientIPs": "", "UKIURL": "http://images/default.efi"}, id="empty"),
        pytest.param(None, {"ClientIPs": "", "UKIURL": "http://images/default.efi"}, id="no header"),
    ],
)
async def test_the_dhcp_server_gets_the_url_for_the_machine_it_names(
    forwarded: str | None, fields: dict[str, str]
) -> None:
    api = BootApi()
    api.http("a", networkIdentifiers=["10.0.0.1", "aa:bb:cc:dd:ee:01", "2001:db8::1"])
    async with running(make_lab(api, default_uki_url="http://images/default.efi")) as lab:
        server = Server(lab)
        response = (
            server.get("/httpboot", X_Forwarded_For=forwarded) if forwarded is not None else server.get("/httpboot")
        )
        assert (response.status, response.content_type, response.headers) == (200, "application/json", (NO_STORE,))
        assert json.loads(response.body) == fields
        assert response.payload is None


async def test_a_configuration_without_values_still_has_all_names(server: Server) -> None:
    await serve(server, "http", networkIdentifiers=["10.0.0.1"], systemUUID="", ukiURL="")
    response = server.get("/httpboot", X_Forwarded_For="10.0.0.1")
    assert response.body == b'{"ClientIPs":"10.0.0.1","SystemUUID":"","UKIURL":""}'


async def test_without_a_default_an_unknown_machine_is_a_fault(server: Server) -> None:
    says(server.get("/httpboot", X_Forwarded_For="10.0.0.1"), 500, "set --default-httpboot-uki-url")


async def test_too_many_addresses_are_refused(server: Server) -> None:
    says(server.get("/httpboot", X_Forwarded_For=",".join(["10.0.0.1"] * 33)), 400, "more than 32 addresses")


# All endpoints


ALL = ["/ipxe", "/ipxe/", f"/ipxe/{UUID}", f"/ignition/{UUID}", "/httpboot"]


async def test_before_the_first_sync_every_client_shall_ask_again() -> None:
    server = Server(make_lab(BootApi(), default_uki_url="http://images/default.efi"))
    for path in ALL:
        says(server.get(path), 503, "has just started", RETRY)


async def test_before_the_secrets_are_read_every_client_shall_ask_again() -> None:
    api = BootApi()
    api.ipxe("a", ignition="s")
    api.secret("s", ignition=b"{}")
    api.reading.close()
    async with running(make_lab(api, default_uki_url="http://images/default.efi")) as lab:
        server = Server(lab)
        for path in ALL:
            says(server.get(path), 503, "has just started", RETRY)
        api.reading.open()
        await settle()
        assert [server.get(path).status for path in ALL] == [200] * 5


async def test_going_out_of_contact_changes_nothing() -> None:
    api = BootApi()
    api.ipxe("a", ignition="s")
    api.secret("s", ignition=b"{}")
    async with running(make_lab(api, default_uki_url="http://images/default.efi")) as lab:
        server = Server(lab)
        before = [server.get(path) for path in ALL]
        api.net.outage()
        await settle()
        assert [server.get(path) for path in ALL] == before
        assert [response.status for response in before] == [200] * 5


@pytest.mark.parametrize("path", ALL)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "get", "BREW"])
async def test_other_methods_are_refused(server: Server, path: str, method: str) -> None:
    says(server.get(path, method=method), 405, "only GET and HEAD", ("Allow", "GET, HEAD"))


@pytest.mark.parametrize("path", ALL)
async def test_head_has_everything_that_get_has(path: str) -> None:
    api = BootApi()
    api.ipxe("a", ignition="s")
    api.secret("s", ignition=b"{}")
    async with running(make_lab(api, default_uki_url="http://images/default.efi")) as lab:
        server = Server(lab)
        assert server.get(path, method="HEAD") == server.get(path)


@pytest.mark.parametrize("path", [f"/ipxe/{UUID}", f"/ignition/{UUID}"])
async def test_an_unknown_machine_is_absent(server: Server, path: str) -> None:
    says(server.get(path), 404, f"names the machine {UUID}")


@pytest.mark.parametrize("path", [f"/ipxe/{UUID}", f"/ignition/{UUID}", "/httpboot"])
async def test_an_ambiguous_machine_is_a_fault(server: Server, path: str) -> None:
    for name in ("a", "b"):
        await serve(server, "ipxe", name=name, ignition="s")
        await serve(server, "http", name=name, networkIdentifiers=["10.0.0.1"])
    says(server.get(path, X_Forwarded_For="10.0.0.1"), 500, "name this machine, delete all but one: lab/a, lab/b")


@pytest.mark.parametrize("base", ["/ipxe/", "/ignition/"])
@pytest.mark.parametrize(
    ("part", "text"),
    [
        pytest.param("x" * 256, "longer than 255 characters", id="256 characters"),
        pytest.param("x" * 10_000, "longer than 255 characters", id="10 kB"),
        pytest.param("%41" * 256, "longer than 255 characters", id="256 characters, encoded"),
        pytest.param("a/b", "contains a slash", id="slash"),
        pytest.param("a%2Fb", "contains a slash", id="encoded slash"),
        pytest.param(f"{UUID}/", "contains a slash", id="slash at the end"),
        pytest.param("/", "contains a slash", id="two slashes"),
        pytest.param("../../etc/passwd", "contains a slash", id="traversal"),
        pytest.param("..%2f..%2fetc%2fpasswd", "contains a slash", id="encoded traversal"),
        pytest.param("a%0Ab", "control character", id="newline"),
        pytest.param("a%00", "control character", id="null"),
        pytest.param("%", "percent sign", id="percent alone"),
        pytest.param("%4", "percent sign", id="percent and one digit"),
        pytest.param("%zz", "percent sign", id="percent and no digits"),
        pytest.param("%FF", "not UTF-8", id="not UTF-8"),
    ],
)
async def test_a_malformed_uuid_is_refused(server: Server, base: str, part: str, text: str) -> None:
    says(server.get(base + part), 400, text)


@pytest.mark.parametrize("part", ["..", ".", "x" * 255, "%3Cscript%3E", "*", "null", "0"])
@pytest.mark.parametrize("base", ["/ipxe/", "/ignition/"])
async def test_any_other_text_is_an_unknown_machine(server: Server, base: str, part: str) -> None:
    await serve(server, "ipxe", systemUUID="", ignition="s")
    assert server.get(base + part).status == 404


@pytest.mark.parametrize("part", ["%20", "%09", "%0A%20", ""])
@pytest.mark.parametrize("base", ["/ipxe/", "/ignition/"])
async def test_a_blank_uuid_never_matches_a_blank_one(server: Server, base: str, part: str) -> None:
    for kind in ("ipxe", "http"):
        await serve(server, kind, systemUUID=" ", ignition="s")
    await serve(server, "secret", name="s", ignition=b"{}")
    response = server.get(base + part)
    assert response.payload is None
    assert response.status in (400, 404) or (base, part) == ("/ipxe/", "")


async def test_ignition_without_a_uuid_is_malformed(server: Server) -> None:
    says(server.get("/ignition/"), 400, "must end in the UUID")


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/ipxe.txt",
        "/IPXE",
        "//ipxe",
        "/ignition",
        "/httpboot/",
        "/httpboot/x",
        "/image",
        "/favicon.ico",
        "*",
        "x",
        "",
    ],
)
async def test_there_is_nothing_else(server: Server, path: str) -> None:
    says(server.get(path), 404, "there is nothing here")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(
    st.text(max_size=60)
    | st.text(max_size=60).map("/ipxe/{}".format)
    | st.text(max_size=60).map("/ignition/{}".format),
    st.sampled_from(["GET", "HEAD", "POST"]),
    st.text(max_size=60),
    st.text(max_size=60),
)
def test_any_request_has_an_orderly_answer(target: str, method: str, host: str, forwarded: str) -> None:
    endpoints = BootEndpoints(READY.machines)
    headers = {"Host": host, "X-Forwarded-For": forwarded}
    response = endpoints.respond(Request(method, target, headers, 8082))
    assert response.status in (200, 400, 404, 405, 500)
    assert response.body.count(b"\n") == 1 or response.status == 200
    assert all(value for _, value in response.headers)


READY = make_lab(BootApi())
READY.machines._ready = True


# Log lines


@pytest.mark.parametrize(
    ("path", "spec", "level"),
    [
        pytest.param("/ipxe/{}", {"script": "t"}, "warning", id="500"),
        pytest.param("/ignition/{}", {"ignition": "s"}, "warning", id="404 with a reason"),
        pytest.param("/ignition/{}", {}, "warning", id="404 without reference"),
        pytest.param("/httpboot", {}, "warning", id="no default"),
        pytest.param("/ipxe/" + OTHER_UUID, {}, None, id="unknown machine"),
        pytest.param("/ipxe/{}", {}, None, id="200"),
        pytest.param("/nowhere", {}, None, id="unknown path"),
        pytest.param("/ipxe/%zz", {}, None, id="malformed"),
    ],
)
async def test_what_somebody_has_to_mend_is_logged(
    server: Server, path: str, spec: dict[str, str], level: str | None
) -> None:
    await serve(server, "ipxe", **spec)
    with structlog.testing.capture_logs() as logs:
        response = server.get(path.format(UUID))
    if level is None:
        assert [line for line in logs if line["log_level"] != "debug"] == []
    else:
        (line,) = [line for line in logs if line["log_level"] != "debug"]
        assert (line["log_level"], line["status"]) == (level, response.status)
        assert line["reason"]
        assert line["error"] in response.body.decode()


async def test_no_log_line_has_the_content_of_a_secret(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    with structlog.testing.capture_logs() as logs:
        await serve(server, "ipxe", ignition="s", script="s")
        await serve(server, "secret", name="s", ignition=b"hunter2", ipxe_script=b"hunter2", format=b"hunter2")
        responses = [server.get(path) for path in (f"/ipxe/{UUID}", f"/ignition/{UUID}")]
    assert [response.body for response in responses] == [b"hunter2"] * 2
    assert "hunter2" not in str(logs)
    assert len(logs) >= 2


async def test_kinds_are_told_apart(server: Server) -> None:
    await serve(server, "http")
    assert server.get(f"/ipxe/{UUID}").status == 404
    await serve(server, "ipxe")
    assert server.get(f"/ipxe/{UUID}").status == 200
    assert server.lab.config(HTTPBootConfig, "a").key == server.lab.config(IPXEBootConfig, "a").key

"""Where the configuration comes from."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import pytest

from controller_runtime.client import (
    ConfigError,
    Credential,
    RestConfig,
    default_user_agent,
    in_cluster_namespace,
    load_config,
)
from tests.unit.client.loopback import Certificates
from tests.unit.client.users import content


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without any configuration and without proxies."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def kubeconfig(path: Path, server: str, **cluster: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {
        "current-context": "x",
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x", "namespace": "boot"}}],
        "clusters": [{"name": "x", "cluster": {"server": server, **cluster}}],
        "users": [{"name": "x", "user": {"token": "secret"}}],
    }
    path.write_text(json.dumps(document))
    return path


@pytest.fixture
def service_account(tmp_path: Path, certificates: Certificates) -> Path:
    """What the kubelet mounts into a pod."""
    directory = tmp_path / "serviceaccount"
    directory.mkdir()
    (directory / "token").write_text("pod-token\n")
    (directory / "namespace").write_text("boot-system\n")
    (directory / "ca.crt").write_text(Path(certificates.ca).read_text())
    return directory


@pytest.fixture
def pod(service_account: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The surroundings of a pod."""
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    return service_account


async def test_the_argument_comes_first(tmp_path: Path, pod: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig(tmp_path / "env", "https://env")))
    kubeconfig(tmp_path / "home/.kube/config", "https://home")
    flag = kubeconfig(tmp_path / "flag", "https://flag")
    assert (await load_config(str(flag), service_account=pod)).host == "https://flag"


async def test_kubeconfig_comes_second(tmp_path: Path, pod: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path}/missing:{kubeconfig(tmp_path / 'env', 'https://env')}")
    kubeconfig(tmp_path / "home/.kube/config", "https://home")
    assert (await load_config(service_account=pod)).host == "https://env"


async def test_the_pod_comes_third(tmp_path: Path, pod: Path, certificates: Certificates) -> None:
    kubeconfig(tmp_path / "home/.kube/config", "https://home")
    config = await load_config(service_account=pod)
    assert (config.host, config.namespace, config.verify_tls) == ("https://10.96.0.1:443", "boot-system", True)
    assert config.ca_file == str(pod / "ca.crt")
    assert (await config.credentials.current()).authorization == "Bearer pod-token"


async def test_the_home_directory_comes_last(tmp_path: Path, service_account: Path) -> None:
    kubeconfig(tmp_path / "home/.kube/config", "https://home")
    config = await load_config(service_account=service_account)
    assert (config.host, config.namespace) == ("https://home", "boot")
    assert (await config.credentials.current()).authorization == "Bearer secret"


async def test_nothing_found_lists_all_that_was_tried(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        await load_config(service_account=tmp_path)
    assert str(caught.value) == (
        "no Kubernetes configuration: the argument kubeconfig is not given, KUBECONFIG is not set, this is no pod "
        f"(KUBERNETES_SERVICE_HOST is not set), and {tmp_path}/home/.kube/config does not exist or cannot be reached"
    )


async def test_a_home_directory_that_cannot_be_looked_at_is_nothing_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that is too long stands for a directory that may not be entered, which root may."""
    monkeypatch.setenv("HOME", str(tmp_path / ("x" * 300)))
    with pytest.raises(ConfigError, match="does not exist or cannot be reached"):
        await load_config(service_account=tmp_path / ("y" * 300))


async def test_a_pod_without_a_token_is_no_pod(pod: Path) -> None:
    (pod / "token").unlink()
    with pytest.raises(ConfigError, match=re.escape(f"this is no pod (there is no {pod}/token)")):
        await load_config(service_account=pod)


@pytest.mark.parametrize("content", [pytest.param(None, id="missing"), pytest.param("", id="empty")])
async def test_a_pod_without_a_ca_is_an_error_and_not_unverified(pod: Path, content: str | None) -> None:
    (pod / "ca.crt").unlink()
    if content is not None:
        (pod / "ca.crt").write_text(content)
    with pytest.raises(ConfigError, match=re.escape(f"the service account in {pod} cannot be used")):
        await load_config(service_account=pod)


async def test_an_ipv6_service_host_is_bracketed(pod: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    assert (await load_config(service_account=pod)).host == "https://[fd00::1]:443"


@pytest.mark.parametrize(
    ("variable", "source"),
    [pytest.param("flag", "the argument kubeconfig", id="flag"), pytest.param("env", "KUBECONFIG", id="env")],
)
async def test_a_missing_file_is_named_with_where_it_came_from(
    tmp_path: Path, variable: str, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = tmp_path / "missing"
    if variable == "env":
        monkeypatch.setenv("KUBECONFIG", str(missing))
    with pytest.raises(ConfigError, match=re.escape(f"kubeconfig {missing} (from {source}) does not exist")):
        await load_config(str(missing) if variable == "flag" else None)


@pytest.mark.parametrize(
    ("server", "cluster", "message"),
    [
        pytest.param("api.example", {}, "is no http or https URL", id="server without a scheme"),
        pytest.param("https://", {}, "is no http or https URL", id="server without a host"),
        pytest.param("https://x:port", {}, "is no http or https URL", id="a port that is no number"),
        pytest.param("https://x:65536", {}, "is no http or https URL", id="a port that is too large"),
        pytest.param("https://me:hush@x", {}, r"'https://\.\.\.@x': one must not name", id="password in the URL"),
        pytest.param("https://[::1", {}, "is no http or https URL", id="an address without its end"),
        pytest.param(
            "https://x", {"certificate-authority": "/nowhere/ca"}, "No such file .*'/nowhere/ca'", id="missing CA"
        ),
        pytest.param("https://x", {"certificate-authority-data": "%"}, "is no base64", id="CA is no base64"),
        pytest.param("https://x", {"certificate-authority-data": "eA=="}, "holds no certificate", id="CA is no PEM"),
        pytest.param("https://x", {"certificate-authority-data": "/w=="}, "holds no certificate", id="CA is binary"),
        pytest.param(
            "https://x", {"proxy-url": "socks5://me:hush@p:1"}, r"socks5://\.\.\.@p:1' is no http", id="SOCKS"
        ),
    ],
)
async def test_a_cluster_that_cannot_be_used(
    tmp_path: Path, server: str, cluster: dict[str, object], message: str
) -> None:
    path = kubeconfig(tmp_path / "config", server, **cluster)
    with pytest.raises(ConfigError, match=message) as caught:
        await load_config(str(path))
    assert str(path) in str(caught.value)
    assert "hush" not in str(caught.value)


async def test_settings_of_the_cluster(tmp_path: Path, certificates: Certificates) -> None:
    settings = {
        "certificate-authority": certificates.ca,
        "tls-server-name": "kubernetes.default.svc",
        "proxy-url": "http://me:hush@proxy:1",
    }
    config = await load_config(str(kubeconfig(tmp_path / "config", "https://x/prefix/", **settings)), user_agent="me/1")
    assert (config.host, config.ca_file, config.server_name, config.proxy, config.user_agent, config.verify_tls) == (
        *("https://x/prefix", certificates.ca, "kubernetes.default.svc", "http://me:hush@proxy:1", "me/1"),
        True,
    )
    assert "hush" not in repr(config)


async def test_ca_data_count_before_a_ca_file(tmp_path: Path, certificates: Certificates) -> None:
    settings = {
        "certificate-authority": "/nowhere/ca",
        "certificate-authority-data": base64.b64encode(f"# Jürgen\n{content(certificates.ca)}".encode()).decode(),
    }
    config = await load_config(str(kubeconfig(tmp_path / "config", "https://x", **settings)))
    assert (config.ca_file, config.ca_data) == ("", f"# Jrgen\n{content(certificates.ca)}")


async def test_tls_is_unverified_only_where_the_kubeconfig_says_so(tmp_path: Path) -> None:
    path = kubeconfig(tmp_path / "config", "https://x", **{"insecure-skip-tls-verify": True})
    assert not (await load_config(str(path))).verify_tls
    assert RestConfig(host="https://x").verify_tls


async def test_the_environments_proxy_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:1")
    path = kubeconfig(tmp_path / "config", "https://api.example")
    assert (await load_config(str(path))).proxy == "http://proxy:1"
    monkeypatch.setenv("NO_PROXY", "api.example")
    assert (await load_config(str(path))).proxy == ""


def test_the_user_agent_names_program_version_and_platform() -> None:
    assert re.fullmatch(r"[^/ ]+/1\.2 \([a-z0-9]+/[a-z0-9_]+\)", default_user_agent("1.2"))


def test_the_namespace_of_the_pod(service_account: Path, tmp_path: Path) -> None:
    assert in_cluster_namespace(service_account) == "boot-system"
    assert in_cluster_namespace(tmp_path) is None


async def test_a_fixed_credential_is_its_own_source() -> None:
    credential = Credential(authorization="Bearer x")
    credential.reject(credential)
    assert await credential.current() is credential

"""The fixtures of the plug-in, in test runs of their own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration


def run_pytest(directory: Path, test: str, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    (directory / "test_it.py").write_text(test)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:randomly", "-rA", "--tb=short"]
    env = os.environ | environment
    return subprocess.run(
        [*command, *options, directory], cwd=directory, env=env, capture_output=True, text=True, check=False
    )


def test_a_test_fails_with_the_reason_where_the_programs_are_missing(tmp_path: Path) -> None:
    test = "def test_it(control_plane): raise AssertionError('ran')\n"
    done = run_pytest(tmp_path, test, TEST_ASSET_ETCD=str(tmp_path / "missing"), ENVTEST_SERVER="kubernetes")
    assert done.returncode == 1
    assert f"TEST_ASSET_ETCD={tmp_path}/missing is not a program that can be run" in done.stdout
    assert "1 error in" in done.stdout
    assert "Traceback" not in done.stdout


@pytest.mark.parametrize(
    ("options", "conftest"),
    [
        pytest.param(["-p", "controller_runtime.envtest.pytest_plugin"], "", id="-p"),
        pytest.param([], "pytest_plugins = ['controller_runtime.envtest.pytest_plugin']\n", id="pytest_plugins"),
    ],
)
@pytest.mark.parametrize(
    "environment",
    [pytest.param({}, id="installed"), pytest.param({"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}, id="named only")],
)
def test_the_plug_in_may_be_named_by_its_module(
    options: list[str], conftest: str, environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "conftest.py").write_text(conftest)
    done = run_pytest(tmp_path, "def test_it(control_plane_options): pass\n", *options, **environment)
    assert "1 passed in" in done.stdout, done.stderr


def test_nothing_is_started_for_tests_that_do_not_ask_for_it(tmp_path: Path) -> None:
    test = "def test_it(): pass\n"
    done = run_pytest(tmp_path, test, TEST_ASSET_ETCD=str(tmp_path / "missing"))
    assert "1 passed in" in done.stdout


def test_a_session_shares_one_control_plane_with_the_options_of_its_conftest(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(
        "import pytest\n"
        "from controller_runtime.envtest import ControlPlaneOptions\n"
        "@pytest.fixture(scope='session')\n"
        "def control_plane_options():\n"
        "    return ControlPlaneOptions(users={'visitor': ()})\n"
    )
    test = (
        "seen = []\n"
        "def test_first(control_plane, kube_namespace):\n"
        "    control_plane.kubeconfig_for('visitor')\n"
        "    seen.append((control_plane, kube_namespace))\n"
        "def test_second(control_plane, kube_namespace):\n"
        "    (plane, namespace), = seen\n"
        "    assert plane is control_plane\n"
        "    assert namespace != kube_namespace\n"
    )
    done = run_pytest(tmp_path, test)
    assert "2 passed in" in done.stdout, done.stdout


def test_each_test_has_its_own_faults_and_its_own_server_in_memory(tmp_path: Path) -> None:
    test = (
        "import asyncio\n"
        "import pytest\n"
        "from controller_runtime.client import AiohttpTransport, ApiRequest\n"
        "NAMESPACES = ApiRequest(method='GET', path='/api/v1/namespaces')\n"
        "@pytest.mark.parametrize('number', [1, 2])\n"
        "def test_in_memory(number, in_memory_api, interceptor):\n"
        "    in_memory_api.create_namespace('lab')\n"
        "    interceptor.fail('list', 403)\n"
        "    assert asyncio.run(interceptor.send(NAMESPACES)).status == 403\n"
        "    assert len(interceptor.calls) == 1\n"
        "@pytest.mark.parametrize('number', [1, 2])\n"
        "def test_on_sockets(number, fault_proxy):\n"
        "    fault_proxy.fail('list', 403, probability=1.0)\n"
        "    async def ask():\n"
        "        transport = AiohttpTransport(fault_proxy.config)\n"
        "        try:\n"
        "            return (await transport.send(NAMESPACES)).status\n"
        "        finally:\n"
        "            await transport.close()\n"
        "    assert asyncio.run(ask()) == 403\n"
        "    assert len(fault_proxy.calls) == 1\n"
    )
    plugin = ("-p", "controller_runtime.envtest.pytest_plugin")
    done = run_pytest(tmp_path, test, *plugin, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")  # no other plug-in is needed
    assert "4 passed in" in done.stdout, done.stdout


def test_the_plug_in_loads_nothing_for_tests_that_do_not_ask_for_it(tmp_path: Path) -> None:
    test = (
        "import sys\n"
        "def test_it(request):\n"
        "    assert request.getfixturevalue('control_plane_options')\n"
        "    assert not {'aiohttp', 'controller_runtime.client', 'msgspec'} & set(sys.modules)\n"
    )
    done = run_pytest(tmp_path, test)
    assert "1 passed in" in done.stdout, done.stdout

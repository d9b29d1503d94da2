"""What the library's packages export: exactly what they say, and without making the small parts pay for the large."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import controller_runtime

PACKAGES = sorted(module.name for module in pkgutil.iter_modules(controller_runtime.__path__) if module.ispkg)


def names_imported_for_type_checkers(module: ModuleType) -> dict[str, str]:
    """Names under `if TYPE_CHECKING:`, with the modules that they come from."""
    found: dict[str, str] = {}
    for block in ast.parse(inspect.getsource(module)).body:
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING":
            for statement in block.body:
                assert isinstance(statement, ast.ImportFrom)
                found |= {alias.name: str(statement.module) for alias in statement.names}
    return found


def test_the_front_page_exports_what_a_main_needs_and_no_more() -> None:
    assert controller_runtime.__all__ == [
        "APIStruct",
        "AiohttpTransport",
        "Cache",
        "Client",
        "Condition",
        "ControllerBuilder",
        "ControllerOptions",
        "EventRecorder",
        "Group",
        "InformerOptions",
        "LeaderElection",
        "Manager",
        "MetricsServerOptions",
        "NamespacedName",
        "Object",
        "ObjectMeta",
        "Reconciler",
        "Request",
        "Resource",
        "RestConfig",
        "Result",
        "Runnable",
        "Selector",
        "TerminalError",
        "add_finalizer",
        "as_reconciler",
        "load_config",
        "metadata_of",
        "patch_status",
        "remove_finalizer",
        "run_until_signal",
        "set_condition",
        "set_controller_reference",
    ]


@pytest.mark.parametrize("name", controller_runtime.__all__)
def test_each_exported_name_is_that_of_its_package(name: str) -> None:
    home = importlib.import_module(names_imported_for_type_checkers(controller_runtime)[name])
    assert getattr(controller_runtime, name) is getattr(home, name)
    assert name in home.__all__ if hasattr(home, "__all__") else home.__name__ == "controller_runtime.builder"
    assert name in dir(controller_runtime)


def test_type_checkers_see_the_same_names() -> None:
    assert sorted(names_imported_for_type_checkers(controller_runtime)) == sorted(controller_runtime.__all__)


def test_another_name_is_an_ordinary_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'controller_runtime' has no attribute 'Scheme'"):
        _ = controller_runtime.Scheme


@pytest.mark.parametrize("package", PACKAGES)
def test_a_packages_list_of_names_is_exact_and_sorted(package: str) -> None:
    """Where a package has names of its own to offer."""
    module = importlib.import_module(f"controller_runtime.{package}")
    for name in getattr(module, "__all__", ()):
        getattr(module, name)  # some are loaded at their first use
    own = {
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and not inspect.ismodule(value) and name != "annotations"
    }
    assert own == set(getattr(module, "__all__", ()))


def test_the_types_alone_load_neither_an_http_client_nor_a_web_server() -> None:
    program = "import sys, controller_runtime.apimachinery; print(*sys.modules)"
    root = Path(controller_runtime.__path__[0]).parent
    printed = subprocess.run([sys.executable, "-c", program], cwd=root, check=True, capture_output=True, text=True)
    loaded = {name.partition(".")[0] for name in printed.stdout.split()}
    assert loaded.isdisjoint({"aiohttp", "kubernetes", "prometheus_client", "tornado", "uvloop"})

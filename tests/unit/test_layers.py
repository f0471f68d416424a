"""Imports point one way: dialects, transports -> services -> model; the core knows no plugin and no framework."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
CORE = "firstboot"
PLUGINS = "firstboot_plugins"

FRAMEWORKS = frozenset(
    {
        PLUGINS, "starlette", "uvicorn", "amqtt", "tortoise", "aiosqlite", "asyncpg", "aiocoap", "httptools",
        "sqlite3", "websockets",
    }
)  # fmt: skip
FOR_TESTS = frozenset({"pytest", "pytest_asyncio", "hypothesis", "_pytest"})
# The first words: whoever imports them gets no service along with them.
WORDS = frozenset({"model", "errors", "names", "secret", "randomness"})
# On top: they put the services together, or start them.
SHELL = frozenset({"app", "services", "wiring", "process", "core", "cli", "__main__", "testing"})
MQTT = f"{PLUGINS}.transports.mqtt"
MQTT_FOR_DIALECTS = frozenset({f"{MQTT}.config", f"{MQTT}.dialect", f"{MQTT}.packets", f"{MQTT}.rights"})
PAYLOADS = frozenset(
    {"device_json", "typed_values", "provisioning_json", "provisioning_protobuf", "provisioning_request"}
)


@dataclass(frozen=True)
class Import:
    """One imported module, and where."""

    importer: str
    module: str
    line: int
    only_for_types: bool
    lazy: bool

    def __str__(self) -> str:
        return f"{self.importer}:{self.line} imports {self.module}"

    @property
    def top(self) -> str:
        return self.module.partition(".")[0]


class _Imports(ast.NodeVisitor):
    def __init__(self, importer: str, package: str) -> None:
        self._importer = importer
        self._package = package
        self._for_types = False
        self._depth = 0
        self.found: list[Import] = []

    def _add(self, module: str, line: int) -> None:
        self.found.append(Import(self._importer, module, line, self._for_types, self._depth > 0))

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._add(alias.name, node.lineno)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        base = node.module or ""
        if node.level:
            parts = self._package.split(".")
            kept = parts[: len(parts) - node.level + 1]
            base = ".".join([*kept, *filter(None, [base])])
        for alias in node.names:
            dotted = f"{base}.{alias.name}"
            self._add(dotted if _exists(dotted) else base, node.lineno)

    def visit_If(self, node: ast.If) -> None:
        for_types = self._for_types
        self._for_types = for_types or (isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING")
        for child in node.body:
            self.visit(child)
        self._for_types = for_types
        for child in node.orelse:
            self.visit(child)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._depth += 1
        self.generic_visit(node)
        self._depth -= 1

    visit_AsyncFunctionDef = visit_FunctionDef


def _exists(dotted: str) -> bool:
    path = dotted.replace(".", "/")
    return any(
        (TOP / root / end).is_file()
        for root in ("core", "plugins")
        for end in (f"{path}.py", f"{path}/__init__.py")
    )


def _modules(root: str, package: str) -> Iterator[tuple[str, Path]]:
    for file in sorted((TOP / root / package).rglob("*.py")):
        parts = file.relative_to(TOP / root).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), file


def imports_of(source: str, importer: str, *, is_package: bool = False) -> list[Import]:
    visitor = _Imports(importer, importer if is_package else importer.rpartition(".")[0])
    visitor.visit(ast.parse(source))
    return visitor.found


def _all_imports(root: str, package: str) -> list[Import]:
    return [
        each
        for name, file in _modules(root, package)
        for each in imports_of(file.read_text("utf-8"), name, is_package=file.name == "__init__.py")
    ]


@pytest.fixture(scope="module")
def core_imports() -> list[Import]:
    return _all_imports("core", CORE)


@pytest.fixture(scope="module")
def plugin_imports() -> list[Import]:
    return _all_imports("plugins", PLUGINS)


def _part(module: str) -> str:
    """Return the module of the core that this is, or is in: ``app``, ``cli``, ``model``, ..."""
    return module.split(".")[1] if module.startswith(f"{CORE}.") else ""


def _listed(found: Iterator[Import]) -> list[str]:
    return [str(each) for each in found]


# -- the reader of imports itself ------------------------------------------------------------------


def test_every_kind_of_import_is_seen() -> None:
    source = (
        "import starlette.routing as r\n"
        "from firstboot import app\n"
        "from . import dialect\n"
        "from .packets import Connect\n"
        "from .. import http\n"
        "if TYPE_CHECKING:\n    import typer\nelse:\n    import amqtt\n"
        "def later():\n    import uvloop\n"
        "try:\n    import asyncpg\nexcept ImportError:\n    pass\n"
    )

    found = imports_of(source, f"{MQTT}.door")

    assert [each.module for each in found] == [
        "starlette.routing", "firstboot.app", f"{MQTT}.dialect", f"{MQTT}.packets", f"{PLUGINS}.transports.http",
        "typer", "amqtt", "uvloop", "asyncpg",
    ]  # fmt: skip
    assert [each.module for each in found if each.only_for_types] == ["typer"]
    assert [each.module for each in found if each.lazy] == ["uvloop"]


def test_modules_of_both_roots_are_read(core_imports: list[Import], plugin_imports: list[Import]) -> None:
    assert {f"{CORE}.app", f"{CORE}.cli.main", f"{CORE}.testing.memory"} <= {
        each.importer for each in core_imports
    }
    assert {f"{MQTT}.door", f"{PLUGINS}.dialects.thingsboard.http"} <= {each.importer for each in plugin_imports}


# -- the core --------------------------------------------------------------------------------------


def test_the_core_imports_no_plugin_web_framework_broker_or_orm(core_imports: list[Import]) -> None:
    assert _listed(each for each in core_imports if each.top in FRAMEWORKS) == []


def test_only_the_testing_kit_imports_what_tests_need(core_imports: list[Import]) -> None:
    found = (each for each in core_imports if each.top in FOR_TESTS and _part(each.importer) != "testing")

    assert _listed(found) == []


def test_only_the_process_imports_the_fast_event_loop_and_only_when_it_runs(
    core_imports: list[Import],
) -> None:
    found = [each for each in core_imports if each.top == "uvloop"]

    assert {each.importer for each in found} == {f"{CORE}.process"}
    assert all(each.lazy for each in found)


def test_the_words_of_the_domain_import_no_service(core_imports: list[Import]) -> None:
    found = (
        each
        for each in core_imports
        if _part(each.importer) in WORDS and each.top == CORE and _part(each.module) not in WORDS
    )

    assert _listed(found) == []


def test_services_know_neither_the_application_nor_the_command_line(core_imports: list[Import]) -> None:
    found = (
        each
        for each in core_imports
        if _part(each.importer) not in SHELL and _part(each.module) in SHELL and not each.only_for_types
    )

    assert _listed(found) == []


def test_the_running_program_does_not_import_the_testing_kit(core_imports: list[Import]) -> None:
    found = (
        each for each in core_imports if _part(each.module) == "testing" and _part(each.importer) != "testing"
    )

    assert _listed(found) == []


def test_reading_the_hooks_imports_nothing_of_the_server(core_imports: list[Import]) -> None:
    found = (
        each
        for each in core_imports
        if each.importer == f"{CORE}.hookspecs" and each.top == CORE and not each.only_for_types
    )

    assert _listed(found) == []


_IMPORT_THE_CORE = """
import importlib, sys

for name in sys.argv[1:]:
    importlib.import_module(name)
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


def test_importing_all_of_the_core_loads_no_framework() -> None:
    modules = [name for name, _ in _modules("core", CORE) if _part(name) not in ("testing", "__main__")]

    # In a process of its own: in this one the other tests have imported everything.
    done = subprocess.run(
        [sys.executable, "-c", _IMPORT_THE_CORE, *modules], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    assert CORE in loaded
    assert loaded & (FRAMEWORKS | FOR_TESTS | {"uvloop"}) == set()


# -- plugins ---------------------------------------------------------------------------------------


def test_nothing_but_the_mqtt_transport_sees_its_private_modules(plugin_imports: list[Import]) -> None:
    private = (
        each
        for each in plugin_imports
        if (each.module == MQTT or each.module.startswith(f"{MQTT}."))
        and each.module not in MQTT_FOR_DIALECTS
        and not each.importer.startswith(MQTT)
    )

    assert _listed(private) == []


def test_only_dialects_import_what_the_mqtt_transport_shows(plugin_imports: list[Import]) -> None:
    found = (
        each
        for each in plugin_imports
        if each.module in MQTT_FOR_DIALECTS and not each.importer.startswith((MQTT, f"{PLUGINS}.dialects."))
    )

    assert _listed(found) == []


def test_the_payloads_of_a_dialect_know_no_transport(plugin_imports: list[Import]) -> None:
    found = (
        each
        for each in plugin_imports
        if each.importer.startswith(f"{PLUGINS}.dialects.")
        and each.importer.rpartition(".")[2] in PAYLOADS
        and (each.top in FRAMEWORKS - {PLUGINS} or each.module.startswith(f"{PLUGINS}.transports"))
    )

    assert _listed(found) == []


def test_transports_know_no_dialect(plugin_imports: list[Import]) -> None:
    found = (
        each
        for each in plugin_imports
        if each.importer.startswith(f"{PLUGINS}.transports.") and each.module.startswith(f"{PLUGINS}.dialects")
    )

    assert _listed(found) == []


def test_only_the_storage_plugin_imports_database_drivers(plugin_imports: list[Import]) -> None:
    drivers = {"tortoise", "aiosqlite", "asyncpg", "sqlite3"}
    found = (
        each
        for each in plugin_imports
        if each.top in drivers and not each.importer.startswith(f"{PLUGINS}.storage_tortoise")
    )

    assert _listed(found) == []

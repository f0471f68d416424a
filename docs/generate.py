"""Writes the parts of the documentation that the code says already.

``python docs/generate.py`` rewrites what stands between the marks ``<!-- generated: NAME -->`` and
``<!-- /generated -->``; with ``--check`` it only names the pages that are out of date, with status 1. The
column *tested in* of ``explanation/requirements.md`` is filled in from the tests.
"""

from __future__ import annotations

import ast
import dataclasses
import importlib.metadata
import inspect
import re
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import Any

import typer

from firstboot import credentials, events, hookspecs, model, scopes, strategies
from firstboot.app import Transport
from firstboot.cli.main import app
from firstboot.config import Address, PluginsConfig
from firstboot.hookspecs import ANSWERING, DECIDING, OBSERVING, ON_REQUEST, PROJECT
from firstboot.plugin_manager import PluginManager
from firstboot_plugins.admin.operation import ANY_SCOPE, PARAMETER, Access, Operation
from firstboot_plugins.admin.registry import operations

DOCS = Path(__file__).resolve().parent
TOP = DOCS.parent
REQUIREMENTS = DOCS / "explanation" / "requirements.md"

_REGION = re.compile(r"(<!-- generated: ([a-z-]+) -->\n).*?(<!-- /generated -->)", re.DOTALL)
_UNITS = (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1))
_KINDS = {
    "Accent": "colour",
    "AccentDark": "colour",
    "HttpsUrl | None": "address",
    "Image | None": "path",
    "Language": "language",
    "Text": "1 to 500 characters",
    "Texts": "table of texts",
    "CaFile | None": "path",
    "DataTypes": "words with commas between",
    "Mapping[str, Plan]": "table of tables",
    "Port": "number from 1 to 65535",
    "tuple[Site, ...]": "list of sites",
    "Bind": "host and port",
    "tuple[str, ...] | None": "list of texts",
    "tuple[TlsSite, ...]": "list of tables",
    "Bind | None": "host and port",
    "Count": "number above zero",
    "Duration": "duration",
    "Email": "e-mail address",
    "FirstPassword | None": "12 to 72 characters",
    "MemoryKib": "number from 8",
    "Path": "path",
    "Port | None": "number from 1 to 65535",
    "Path | None": "path",
    "Secret | None": "text",
    "ServerKey | None": "64 hexadecimal digits",
    "ShortLife": "duration from 1m to 150m",
    "bool": "`true` or `false`",
    "TimeLimit": "duration above zero",
    "dict[str, Duration]": "table of durations",
    "dict[str, TimeLimit]": "table of durations",
    "int": "number",
    "str": "text",
    "str | None": "text",
    "tuple[str, ...]": "list of texts",
}


# -- from Python to Markdown -----------------------------------------------------------------------


def markdown(text: str) -> str:
    """Return a docstring as Markdown: paragraphs on one line each, literals in single backquotes."""
    paragraphs = re.split(r"\n\s*\n", inspect.cleandoc(text))
    labelled = (re.sub(r"\n(?=(?:Returns|Raises|Outcomes|Plugin API): )", "\n\n", each) for each in paragraphs)
    joined = "\n\n".join(" ".join(line.split()) for each in labelled for line in re.split(r"\n\n", each))
    return re.sub(r"(?m)^(Returns|Raises|Plugin API): ", r"**\1:** ", joined.replace("``", "`"))


def cell(text: str) -> str:
    """Return a text that fits into a cell of a table."""
    return " ".join(markdown(text).split()).replace("|", "\\|")


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def field_texts(kind: type) -> Mapping[str, str]:
    """Return the texts that stand below the fields of a class."""
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    assert isinstance(definition, ast.ClassDef)  # it is a class that was asked for
    texts: dict[str, str] = {}
    for statement, following in zip(definition.body, [*definition.body[1:], None], strict=True):
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            said = following.value if isinstance(following, ast.Expr) else None
            text = said.value if isinstance(said, ast.Constant) and isinstance(said.value, str) else ""
            texts[statement.target.id] = text
    return texts


# -- configuration ---------------------------------------------------------------------------------


def strangers() -> tuple[str, ...]:
    """Return the names of the installed plugins that are not built in."""
    return tuple(
        entry.name
        for entry in importlib.metadata.entry_points(group=PROJECT)
        if entry.dist is None or entry.dist.name != PROJECT
    )


def built_in_plugins() -> PluginManager:
    """Return a plugin manager with the built-in plugins, whatever else is installed."""
    plugins = PluginManager(PluginsConfig(disable=strangers()))
    plugins.load()
    plugins.raise_errors()
    return plugins


def built_in_sections() -> Mapping[str, type]:
    """Return the sections of the core and of the built-in plugins."""
    return built_in_plugins().config_sections()


def toml(value: object) -> str:
    """Return a default as it would stand in the file; *none* where there is none."""
    match value:
        case None:
            return "none"
        case bool():
            return f"`{str(value).lower()}`"
        case int():
            return f"`{value}`"
        case timedelta():
            total = round(value.total_seconds() * 1000)
            unit, size = next((unit, size) for unit, size in _UNITS if total % size == 0)
            return f'`"{total // size}{unit}"`'
        case Address() | Path() | str():
            return f'`"{value}"`'
        case tuple():
            return "`[]`"
        case _:
            return "`{}`"


def _kind(annotation: str) -> str:
    if annotation.startswith("Literal["):
        return ", ".join(f"`{word}`" for word in ast.literal_eval(annotation.removeprefix("Literal")))
    if annotation not in _KINDS:
        raise LookupError(f"say in _KINDS what readers call a {annotation}")
    return _KINDS[annotation]


def configuration() -> str:
    parts: list[str] = []
    for name, kind in built_in_sections().items():
        texts = field_texts(kind)
        rows = [
            (f"`{each.name}`", _kind(str(each.type)), toml(_default(each)), cell(texts[each.name]))
            for each in dataclasses.fields(kind)
        ]
        said = markdown(kind.__doc__ or "").partition(": ")[2]
        parts.append(f"## `[{name}]`\n\n{said[:1].upper()}{said[1:]}\n")
        parts.append(table(("key", "form", "default", "meaning"), rows) + "\n")
    return "\n".join(parts)


def _default(each: dataclasses.Field[Any]) -> object:
    return each.default if each.default_factory is dataclasses.MISSING else each.default_factory()


# -- hooks -----------------------------------------------------------------------------------------


def _hooks(wanted: Callable[[str], bool]) -> str:
    parts: list[str] = []
    for name, hook in vars(hookspecs).items():
        if not name.startswith(f"{PROJECT}_") or not wanted(name):
            continue
        signature = inspect.signature(hook)
        parts.append(f"### `{name}({', '.join(signature.parameters)})`\n")
        types = [f"{each.name}: {each.annotation}" for each in signature.parameters.values()]
        parts.append(f"`({', '.join(types)}) -> {signature.return_annotation}`\n")
        parts.append(markdown(hook.__doc__ or "") + "\n")
    return "\n".join(parts)


def _home(kind: type) -> str:
    """Return the module to import a type from: that of a package, and not the part of it that has the type."""
    return ".".join(kind.__module__.split(".")[:2])


def _records(*kinds: type) -> str:
    parts: list[str] = []
    for kind in kinds:
        texts = field_texts(kind)
        parts.append(f"### `{kind.__name__}`\n\n`{_home(kind)}`. {markdown(kind.__doc__ or '')}\n")
        types = {each.name: str(each.type).replace("|", "\\|") for each in dataclasses.fields(kind)}
        rows = [(f"`{name}`", f"`{types[name]}`", cell(text)) for name, text in texts.items()]
        parts.append(table(("field", "type", "meaning"), rows) + "\n")
    return "\n".join(parts)


def _protocols(*kinds: type) -> str:
    parts: list[str] = []
    for kind in kinds:
        parts.append(f"### `{kind.__name__}`\n\n`{_home(kind)}`. {markdown(kind.__doc__ or '')}\n")
        rows = [(f"`{name}`", cell(text)) for name, text in field_texts(kind).items()]
        for name, member in vars(kind).items():
            if inspect.isfunction(member) and not name.startswith("_"):
                arguments = list(inspect.signature(member).parameters)[1:]
                start = "await " if inspect.iscoroutinefunction(member) else ""
                rows.append((f"`{start}{name}({', '.join(arguments)})`", cell(member.__doc__ or "")))
        parts.append(table(("member", "what it does"), rows) + "\n")
    return "\n".join(parts)


# -- command line ----------------------------------------------------------------------------------


def whole_command() -> Any:
    """Return the command ``firstboot`` with Firstboot's own commands and those of the built-in plugins."""
    command: Any = typer.main.get_command(app)
    of_plugins = typer.Typer(add_completion=False)
    for name, (_, offered) in built_in_plugins().collect_mapping("firstboot_cli_commands").items():
        of_plugins.add_typer(offered, name=name)
    command.commands |= typer.main.get_group(of_plugins).commands
    return command


def commands(command: Any = None, path: str = "firstboot") -> Iterator[tuple[str, Any]]:
    """Walk over the commands: the words to type, and the command."""
    command = command or whole_command()
    inner = getattr(command, "commands", {})
    for name, each in inner.items():
        yield from commands(each, f"{path} {name}")
    if not inner:
        yield path, command


def command_line() -> str:
    parts: list[str] = []
    for path, command in commands():
        arguments = [each for each in command.params if not each.opts[0].startswith("-")]
        shown = "".join(
            f" {each.name.upper()}" if each.required else f" [{each.name.upper()}]{'...' * (each.nargs < 0)}"
            for each in arguments
        )
        parts.append(f"## `{path}{shown}`\n\n{markdown(command.help or '')}\n")
        rows = [(f"`{each.name.upper()}`", "", cell(each.help or "")) for each in arguments]
        rows += [_option(each) for each in command.params if each not in arguments]
        parts.append(table(("option", "default", "meaning"), rows) + "\n")
    return "\n".join(parts)


def _option(option: Any) -> tuple[str, str, str]:
    default = option.default.value if isinstance(option.default, Enum) else option.default
    if isinstance(option.show_default, str):
        default = option.show_default
    shown = "required" if option.required else "" if default in (None, False, "") else f"`{default}`"
    help_ = re.sub(r"\[env: (\w+)\]", r"Or the variable `\1`.", cell(option.help or ""))
    return ", ".join(f"`{name}`" for name in option.opts), shown, help_


# -- REST ------------------------------------------------------------------------------------------

_PEOPLE = {
    model.Authority.SYS_ADMIN: "system",
    model.Authority.TENANT_ADMIN: "tenant",
    model.Authority.CUSTOMER_USER: "customer",
}


def rest_calls() -> str:
    """Return a table of calls for each tag, Firstboot's own calls last."""
    by_tag: dict[str, list[Operation]] = {}
    for each in sorted(operations(), key=lambda each: (each.tag, each.dialect.name == PROJECT)):
        by_tag.setdefault(each.tag, []).append(each)
    parts: list[str] = []
    for tag, calls in by_tag.items():
        rows = [(f"`{rest_call(each)}`", *_who(each.access), cell(_about(each))) for each in calls]
        parts.append(f"### {tag}\n\n{table(('call', 'people', 'API token', 'what it does'), rows)}\n")
    return "\n".join(parts)


def rest_call(call: Operation) -> str:
    """Return method and path as the documentation writes them."""
    path = PARAMETER.sub(r"{\1}", call.path)
    return f"{call.method} {path}"


def _about(call: Operation) -> str:
    return f"{call.summary}. {call.description}".strip()


def _who(access: Access | None) -> tuple[str, str]:
    """Return which people may use a call, and what an API token needs."""
    if access is None:
        return "no login", "no login"
    people = ", ".join(word for authority, word in _PEOPLE.items() if authority in access.authorities)
    return people, "any" if access.scope == ANY_SCOPE else f"`{access.scope}`" if access.scope else "no"


def scopes_of_tokens() -> str:
    filtered = {
        f"{scopes.PUBLISH}<filter>": "publish over MQTT what the topic filter covers",
        f"{scopes.SUBSCRIBE}<filter>": "subscribe over MQTT to what the topic filter covers",
    }
    rows = [(f"`{name}`", text) for name, text in {**scopes.SCOPES, **filtered}.items()]
    return table(("scope", "allows to"), rows) + "\n"


# -- requirements ----------------------------------------------------------------------------------


def tests_of(requirement: str) -> list[str]:
    """Return the files of tests and suites that name a requirement, as ``PV-5`` or, in a name, ``pv_5``."""
    family, _, number = requirement.partition("-")
    named = re.compile(rf"\b{family}-{number}(?!\d)|_{family}_?{number}(?!\d)", re.IGNORECASE)
    files = [*sorted((TOP / "core/firstboot/testing").glob("*.py")), *sorted((TOP / "tests").rglob("test_*.py"))]
    return [file.relative_to(TOP).as_posix() for file in files if named.search(file.read_text("utf-8"))]


def with_tests(page: str) -> str:
    """Return the page of requirements with its last column filled in anew."""

    def row(match: re.Match[str]) -> str:
        files = tests_of(match["id"])
        links = ", ".join(f"[{Path(file).name}](../../{file})" for file in files)
        return f"| {match['id']} | {match['text']} | {links or 'nothing yet'} |"

    return re.sub(r"(?m)^\| (?P<id>[A-Z]{2}-\d+) \| (?P<text>[^|]*?) \|[^|\n]*\|$", row, page)


# -- pages -----------------------------------------------------------------------------------------

REGIONS: Mapping[str, Callable[[], str]] = {
    "configuration": configuration,
    "hooks-offering": lambda: _hooks(lambda name: name not in ON_REQUEST),
    "hooks-deciding": lambda: _hooks(DECIDING.__contains__),
    "hooks-answering": lambda: _hooks(ANSWERING.__contains__),
    "hooks-observing": lambda: _hooks(OBSERVING.__contains__),
    "answers": lambda: _records(hookspecs.Refuse, hookspecs.Change),
    "events": lambda: _records(
        *(kind for kind in vars(events).values() if getattr(kind, "__module__", "") == events.__name__)
    ),
    "records": lambda: _records(
        model.ProvisioningRequest,
        model.WantedCredentials,
        model.Origin,
        model.DeviceProposal,
        model.Attribute,
        model.Credentials,
        strategies.CreateNew,
        strategies.HandOutExisting,
    ),
    "protocols": lambda: _protocols(
        strategies.ProvisioningStrategy, strategies.DeviceFinder, credentials.CredentialGenerator, Transport
    ),
    "command-line": command_line,
    "rest-calls": rest_calls,
    "scopes": scopes_of_tokens,
}


def generated(page: str) -> str:
    """Return a page with its generated regions as the code has them now."""
    return _REGION.sub(lambda match: f"{match[1]}\n{REGIONS[match[2]]()}\n{match[3]}", page)


def stale() -> list[Path]:
    """Return the pages whose generated regions differ from the code."""
    return [page for page in sorted(DOCS.rglob("*.md")) if generated(text := page.read_text("utf-8")) != text]


def main(arguments: Sequence[str]) -> int:
    if list(arguments) == ["--check"]:
        pages = stale()
        for page in pages:
            print(f"{page.relative_to(TOP)} is out of date; run: python docs/generate.py")
        return 1 if pages else 0
    for page in sorted(DOCS.rglob("*.md")):
        text = page.read_text("utf-8")
        new = generated(text)
        if page == REQUIREMENTS:
            new = with_tests(new)
        if new != text:
            page.write_text(new, "utf-8")
            print(page.relative_to(TOP))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

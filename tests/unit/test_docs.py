"""The documentation says what the code does: hooks, settings, codes, commands, examples, links."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import json
import pkgutil
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from docs.generate import REQUIREMENTS, built_in_sections, commands, rest_call, stale, whole_command
from docs.generate import tests_of as files_that_name
from tests.doc_pages import (
    DOCS,
    FRONT,
    GUIDE,
    PAGES,
    TOP,
    blocks,
    plugin_of,
    plugin_of_the_guide,
    rows,
    section_of,
    text_of,
)

import firstboot
import firstboot_plugins
from firstboot import hookspecs
from firstboot.config import ConfigSource
from firstboot.errors import CLAIM_REFUSAL_CODES, REFUSAL_CODES, FirstbootError
from firstboot.json_profile import decode_object
from firstboot.live_events import KINDS
from firstboot_plugins.admin.registry import operations
from firstboot_plugins.dialects.applications import topics as application_topics
from firstboot_plugins.dialects.thingsboard import device_topics, http, mqtt


def test_what_is_generated_from_the_code_is_up_to_date() -> None:
    assert stale() == [], "run: python docs/generate.py"


# -- hooks -----------------------------------------------------------------------------------------

HOOKS = [name for name in vars(hookspecs) if name.startswith("firstboot_")]


@pytest.mark.parametrize("hook", HOOKS)
def test_each_hook_has_a_heading_with_its_arguments(hook: str) -> None:
    arguments = ", ".join(inspect.signature(getattr(hookspecs, hook)).parameters)

    assert f"### `{hook}({arguments})`\n" in text_of("reference/hooks.md")


def test_each_documented_hook_exists() -> None:
    for page in [*PAGES, *FRONT]:
        named = set(re.findall(r"`(firstboot_\w+?)(?:\(.*?\))?`", page.read_text("utf-8")))
        assert named - {"firstboot_plugins", "firstboot_acme"} <= set(HOOKS), page


def test_the_plugin_that_decides_about_claims_can_be_loaded(tmp_path: Path) -> None:
    manager = plugin_of(DOCS / "how-to" / "decide-about-claims.md", "acme_claims", tmp_path)

    (info,) = [info for info in manager.infos() if info.name == "acme_claims"]
    assert set(info.hooks) == {
        "firstboot_device_claimed",
        "firstboot_device_claiming",
        "firstboot_device_releasing",
    }


# -- configuration ---------------------------------------------------------------------------------


@pytest.mark.parametrize("section", built_in_sections())
def test_each_setting_is_described_with_its_default(section: str, tmp_path: Path) -> None:
    kind = built_in_sections()[section]
    described = rows(section_of(text_of("reference/configuration.md"), f"## `[{section}]`"))[2:]
    keys = [key.strip("`") for key, *_ in described]
    written = [f"{key} = {default.strip('`')}" for key, (_, _, default, _) in zip(keys, described, strict=True)]
    file = tmp_path / "defaults.toml"
    file.write_text("\n".join([f"[{section}]", *(line for line in written if not line.endswith(" = none"))]))

    loaded = ConfigSource.read(file, {}).check({section: kind}).section(kind)

    assert keys == [field.name for field in dataclasses.fields(kind)]
    assert loaded == kind()
    assert [key for key, line in zip(keys, written, strict=True) if line.endswith(" = none")] == [
        key for key in keys if getattr(loaded, key) is None
    ]
    assert all(meaning for *_, meaning in described)


def test_each_section_is_described_and_each_described_one_exists() -> None:
    headings = re.findall(r"^## `\[(\w+)\]`$", text_of("reference/configuration.md"), re.MULTILINE)

    assert sorted(headings) == sorted(built_in_sections())


def test_settings_named_elsewhere_exist() -> None:
    known = {
        f"[{section}] {field.name}"
        for section, kind in built_in_sections().items()
        for field in dataclasses.fields(kind)
    }

    for page in [*PAGES, *FRONT]:
        text = page.read_text("utf-8")
        assert set(re.findall(r"`(\[\w+\] \w+)", text)) <= known, page
        for section, key in re.findall(r"\bFIRSTBOOT_([A-Z]+)__([A-Z_]+)\b", text):
            assert f"[{section.lower()}] {key.lower()}" in known, page


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_each_toml_block_is_accepted(page: Path, tmp_path: Path) -> None:
    sections = {
        **built_in_sections(),
        **(plugin_of_the_guide(tmp_path).config_sections() if page == GUIDE else {}),
    }
    for content in blocks(page, "toml"):
        file = tmp_path / "firstboot.toml"
        file.write_text(content)

        ConfigSource.read(file, {}).check(sections)


def test_a_toml_block_that_is_wrong_would_be_noticed(tmp_path: Path) -> None:
    file = tmp_path / "firstboot.toml"
    file.write_text('[server]\ndatadir = "x"\n')

    with pytest.raises(FirstbootError, match="Did you mean data_dir"):
        ConfigSource.read(file, {}).check(built_in_sections())


# -- error codes -----------------------------------------------------------------------------------


def errors(kind: type[FirstbootError] = FirstbootError) -> Iterator[type[FirstbootError]]:
    for package in (firstboot, firstboot_plugins):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.startswith("firstboot.testing") and not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    yield kind
    for inner in kind.__subclasses__():
        yield from errors(inner)


def test_each_refusal_code_is_described_as_the_code_says_it() -> None:
    table = rows(section_of("\n## top\n" + text_of("reference/error-codes.md"), "## top"))[2:]

    assert {code.strip("`"): meaning for code, meaning, *_ in table} == REFUSAL_CODES
    assert all(remedy and told for _, _, remedy, told in table)


def test_each_reason_of_a_refused_claim_is_described_as_the_code_says_it() -> None:
    table = rows(section_of(text_of("reference/claiming.md"), "## Reasons"))[2:]

    assert {code.strip("`"): meaning for code, meaning, *_ in table} == CLAIM_REFUSAL_CODES


def test_each_error_of_the_program_is_described() -> None:
    table = rows(section_of(text_of("reference/error-codes.md"), "## Errors of the program"))[2:]
    described = {(code.strip("`"), name) for code, names, *_ in table for name in re.findall(r"`(\w+)`", names)}
    # Further subclasses that nobody outside tells apart share the code of their base.
    public = {(kind.code, kind.__name__) for kind in errors() if kind.__module__.startswith("firstboot")}

    assert described <= public
    assert {code for code, _ in described} == {code for code, _ in public}
    assert {name for _, name in described} >= {
        kind.__name__ for kind in errors() if kind.__module__ == "firstboot.errors"
    }


# -- topics and paths ------------------------------------------------------------------------------


def test_each_topic_and_path_that_is_served_is_described() -> None:
    page = text_of("reference/topics.md")
    served = {mqtt.REQUEST_TOPIC, mqtt.RESPONSE_TOPIC}
    routes: list[Any] = list(http.routes(_Anything()))
    described = re.findall(r"`([A-Z]+ /api/[^\s`?]+)[^\s`]*`", page)

    methods = [(method, route.path) for route in routes for method in route.methods - {"HEAD"}]
    assert {f"{method} {path.replace('{token}', '<token>')}" for method, path in methods} == set(described)
    assert served == set(re.findall(r"`(/provision/\w+)`", page))
    assert f"`{mqtt.PROVISION_USER}`" in page


@pytest.mark.parametrize("telemetry", ["v1/devices/me/telemetry", "v2/t", "v2/t/j"])
def test_each_topic_of_the_device_api_is_described(telemetry: str) -> None:
    page = text_of("reference/topics.md")
    known = device_topics.published(telemetry)

    assert known is not None
    for topic in known.spelling:
        forms = [f"`{topic}{{id}}`", f"`{topic}+`"] if topic.endswith("/") else [f"`{topic}`"]
        assert any(form in page for form in forms), topic


def test_each_topic_of_applications_and_each_kind_of_event_is_described() -> None:
    topics, rest = text_of("reference/topics.md"), text_of("reference/rest.md")
    shapes = re.findall(r"^``(\$[^`]+)``", inspect.getdoc(application_topics) or "", re.MULTILINE)

    assert len(shapes) == 3
    assert [shape for shape in shapes if f"| `{shape}` |" not in topics] == []
    for kind in KINDS.values():
        assert f"| `{kind}` |" in rest
        assert f"`{kind}`" in topics or f'"kind":"{kind}"' in topics or f"/{kind}/" in topics


def test_each_call_over_rest_is_described_once() -> None:
    calls = text_of("reference/rest.md").partition("## All calls")[2]

    described = re.findall(r"^\| `([A-Z]+ /\S+)` \|", calls, re.MULTILINE)
    assert sorted(described) == sorted(rest_call(each) for each in operations())


class _Anything:
    """Stands in for the services, which routes keep and do not ask before the first request."""

    def __getattr__(self, name: str) -> Any:
        return _Anything()

    def __call__(self, *arguments: object) -> Any:
        return _Anything()


# -- the command line ------------------------------------------------------------------------------


def test_each_command_and_option_is_described() -> None:
    page = text_of("reference/command-line.md")
    headings = re.findall(r"^## `(firstboot[a-z -]*?)(?: \[?[A-Z]+.*)?`$", page, re.MULTILINE)

    assert headings == [path for path, _ in commands()]
    for path, command in commands():
        (heading,) = re.findall(rf"^(## `{path}(?: \[?[A-Z].*)?`)$", page, re.MULTILINE)
        first_cells = [cells[0] for cells in rows(section_of(page, heading))]
        described = {word for cell in first_cells for word in re.findall(r"`(-\S+)`", cell)}
        wanted = {name for option in command.params for name in option.opts if name.startswith("-")}
        assert described == wanted, path


def command_lines() -> Iterator[tuple[Path, str]]:
    for page in [*PAGES, *FRONT]:
        for content in blocks(page, "sh", "console"):
            for line in content.splitlines():
                match = re.match(r"(?:\$ )?(?:sudo -u \w+ )?(?:[A-Z_]+=\S+ )*(?:\S*/)?firstboot (.*)", line)
                if match:
                    yield page, match[1]
        for line in re.findall(r"`firstboot ([a-z][^`]*)`", page.read_text("utf-8")):
            yield page, line


def test_each_command_line_in_the_docs_is_one_that_firstboot_takes() -> None:
    lines, tree = list(command_lines()), whole_command()
    assert len(lines) > 40

    for page, line in lines:
        words = shlex.split(re.split(r" [|>&#]", line)[0])
        command = tree
        while getattr(command, "commands", None) and words:
            assert words[0] in command.commands, f"{page}: {line}"
            command = command.commands[words.pop(0)]
        for option in [word for word in words if word.startswith("-")]:
            known = {name for parameter in command.params for name in parameter.opts}
            assert option in known | {"--help", "-h"}, f"{page}: {line}"
        if page.parent != DOCS / "reference" and len(words) > 1:
            command.make_context("firstboot", list(words))  # raises where arguments do not fit


# -- provisioning requests in the docs -------------------------------------------------------------


def test_each_request_and_answer_in_the_docs_is_json() -> None:
    for page in PAGES:
        # What the shell puts in between, as '$KEY' or '$(cat file)'.
        text = re.sub(r"'\"?\$(\w+|\([^)]*\)|\{[^}]*\})\"?'", "x", page.read_text("utf-8"))
        for found in re.findall(r"-[dm] '(\{.*?\})'", text):
            decode_object(found.encode())
        for found in re.findall(r"^(\{\".*\})$", text, re.MULTILINE):
            json.loads(found)


# -- requirements ----------------------------------------------------------------------------------


def test_each_requirement_names_tests_that_exist_and_name_it() -> None:
    table = [cells for cells in rows(REQUIREMENTS.read_text("utf-8")) if re.fullmatch(r"[A-Z]{2}-\d+", cells[0])]
    families = {"PV", "MQ", "HT", "DA", "AU", "RA", "DP", "LG", "TN", "CM", "CN", "CO", "SE", "OP", "PL", "TG"}
    assert {cells[0][:2] for cells in table} == families

    for requirement, _, where in table:
        named = re.findall(r"\]\(\.\./\.\./(\S+?)\)", where)
        assert set(named) <= set(files_that_name(requirement)), requirement


# -- pages -----------------------------------------------------------------------------------------


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links(page: Path) -> list[str]:
    text = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    return re.findall(r"\]\(([^)\s]+)\)", text)


@pytest.mark.parametrize("page", [*PAGES, *FRONT], ids=lambda page: page.stem)
def test_each_link_leads_somewhere(page: Path) -> None:
    for link in links(page):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


def test_each_page_can_be_reached_from_the_readme() -> None:
    found, waiting = set[Path](), [TOP / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in found or page.suffix != ".md":
            continue
        found.add(page)
        waiting += [(page.parent / link.partition("#")[0]).resolve() for link in links(page) if "://" not in link]

    assert set(PAGES) - found <= {DOCS / "reference" / "benchmarks.md"}


def test_the_readme_has_each_of_its_two_commands_alone_in_a_block() -> None:
    alone = blocks(TOP / "README.md", "sh")

    assert alone == ["sh quickstart.sh\n", "sh tests/run.sh\n"]
    assert all((TOP / line.split()[1]).is_file() for line in alone)


def test_the_changelog_speaks_of_this_version_and_of_the_plugin_api() -> None:
    text = (TOP / "CHANGELOG.md").read_text("utf-8")
    versions = re.findall(r"^## \[(.*?)\]", text, re.MULTILINE)

    assert versions[0] == "Unreleased"
    assert firstboot.__version__ in versions
    assert "### Plugin API" in section_of(text, f"## [{firstboot.__version__}]")


def test_the_package_is_described_by_the_readme() -> None:
    setup = (TOP / "setup.cfg").read_text("utf-8")

    assert "long_description = file: README.md" in setup
    assert f"version = {firstboot.__version__}" in setup


def test_the_json_of_the_ready_file_in_the_guide_is_what_is_written() -> None:
    (shown,) = blocks(DOCS / "how-to" / "run-as-a-service.md", "json")

    assert set(json.loads(shown)) == {"pid", "version", "listeners"}

"""What setup.cfg promises is what stands in the folders."""

import os
import re
from collections.abc import Iterator
from configparser import RawConfigParser
from fnmatch import fnmatch
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

import firstboot

TOP = Path(__file__).parents[2]
ROOTS = [TOP / "core", TOP / "plugins"]

# In brackets, so that the pattern does not find itself.
PACKAGE_INDEX = re.compile(r"pypi[.]\w|pythonhosted[.]\w|https?://[^\s\"']+/simple\b", re.IGNORECASE)


@pytest.fixture(scope="module")
def setup_cfg() -> RawConfigParser:
    config = RawConfigParser()
    # Plain RawConfigParser lowers names; entry points and packages are case sensitive.
    config.optionxform = str  # type: ignore[assignment,method-assign]
    config.read(TOP / "setup.cfg", encoding="utf-8")
    return config


def lines(value: str) -> list[str]:
    return [line.strip() for line in value.splitlines() if line.strip()]


def files_below(root: Path) -> Iterator[Path]:
    """Files of the project: no caches, builds, virtual environments or data of a server."""
    for folder, names, files in os.walk(root):
        names[:] = [
            name
            for name in names
            if (not name.startswith(".") or name == ".ci")
            and name not in {"__pycache__", "build", "dist", "firstboot-data"}
            and not name.endswith(".egg-info")
            and not Path(folder, name, "pyvenv.cfg").exists()
        ]
        yield from (Path(folder, file) for file in files if not file.endswith(".pyc"))


def dotted(root: Path, folder: Path) -> str:
    return ".".join(folder.relative_to(root).parts)


def test_the_package_list_names_every_folder_with_code(setup_cfg: RawConfigParser) -> None:
    on_disk = {dotted(root, file.parent) for root in ROOTS for file in files_below(root) if file.suffix == ".py"}

    listed = lines(setup_cfg["options"]["packages"])

    assert sorted(listed) == sorted(on_disk)


def test_the_source_roots_are_not_packages_themselves() -> None:
    assert [root for root in ROOTS if (root / "__init__.py").exists()] == []


def test_every_data_file_is_packed(setup_cfg: RawConfigParser) -> None:
    patterns = {
        f"{package.replace('.', '/')}/{pattern.strip()}"
        for package, value in setup_cfg["options.package_data"].items()
        for pattern in re.split(r"[,\n]", value)
        if pattern.strip()
    }
    data = [
        file.relative_to(root).as_posix() for root in ROOTS for file in files_below(root) if file.suffix != ".py"
    ]

    assert [file for file in data if not any(fnmatch(file, pattern) for pattern in patterns)] == []


def test_every_entry_point_leads_to_a_module_that_exists(setup_cfg: RawConfigParser) -> None:
    points = [line for value in setup_cfg["options.entry_points"].values() for line in lines(value)]
    assert points

    modules = [point.partition("=")[2].strip().partition(":")[0] for point in points]

    def exists(module: str) -> bool:
        path = module.replace(".", "/")
        return any((root / end).is_file() for root in ROOTS for end in (f"{path}.py", f"{path}/__init__.py"))

    assert [module for module in modules if not exists(module)] == []


def test_every_plugin_has_its_own_entry_point_name(setup_cfg: RawConfigParser) -> None:
    names = [line.partition("=")[0].strip() for line in lines(setup_cfg["options.entry_points"]["firstboot"])]

    assert len(names) == len(set(names))


def test_an_installed_server_reports_the_version_of_setup_cfg(setup_cfg: RawConfigParser) -> None:
    try:
        installed = version("firstboot")
    except PackageNotFoundError:
        pytest.skip("Firstboot is not installed in this environment: the sources alone have no version")

    assert installed == setup_cfg["metadata"]["version"]
    assert firstboot.__version__ == installed


def test_no_file_names_the_host_of_a_package_index() -> None:
    found = [
        f"{file.relative_to(TOP)}: {match[0]}"
        for file in files_below(TOP)
        if file.stat().st_size < 1_000_000
        for match in PACKAGE_INDEX.finditer(file.read_text(encoding="utf-8", errors="replace"))
    ]

    assert found == []


@pytest.mark.parametrize("command", ["sh quickstart.sh", "sh tests/run.sh"])
def test_the_readme_commands_stand_there_and_start_files_that_exist(command: str) -> None:
    readme = (TOP / "README.md").read_text(encoding="utf-8")

    assert command in lines(readme)
    assert (TOP / command.removeprefix("sh ")).is_file()


def test_the_pipeline_runs_the_test_command_of_the_readme() -> None:
    *_, last = lines((TOP / ".ci" / "run").read_text(encoding="utf-8"))

    assert last == "sh tests/run.sh"

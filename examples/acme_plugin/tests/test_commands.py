"""``firstboot acme check-serial`` says which serial numbers are good."""

import pytest
from firstboot_acme.plugin import AcmePlugin
from typer.testing import CliRunner


@pytest.fixture
def run() -> CliRunner:
    return CliRunner()


def test_good_serial_numbers_are_called_good(run: CliRunner) -> None:
    app = AcmePlugin().firstboot_cli_commands()["acme"]

    result = run.invoke(app, ["check-serial", "AC104217-5", "AC100000-9"])

    assert result.exit_code == 0
    assert result.stdout.splitlines() == ["AC104217-5: good", "AC100000-9: good"]


def test_one_bad_serial_number_is_named_and_makes_the_command_fail(run: CliRunner) -> None:
    app = AcmePlugin().firstboot_cli_commands()["acme"]

    result = run.invoke(app, ["check-serial", "AC104217-5", "AC104217-6"])

    assert result.exit_code == 1
    assert "AC104217-6" in result.stderr
    assert result.stdout.splitlines() == ["AC104217-5: good"]

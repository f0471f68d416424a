"""``firstboot openapi``: the OpenAPI document, without a server."""

from __future__ import annotations

import json

import typer

app = typer.Typer(help="Print the OpenAPI document of the REST API.")


@app.callback(invoke_without_command=True)
def openapi() -> None:
    """Print the OpenAPI document of the REST API."""
    from firstboot_plugins.admin.openapi import document
    from firstboot_plugins.admin.registry import operations

    typer.echo(json.dumps(document(operations()), indent=2))

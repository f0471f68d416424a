"""``firstboot thingstream``: profiles, tokens and Things of u-blox Thingstream."""

from __future__ import annotations

import typer

from firstboot_plugins.dialects.thingstream.profile_commands import app as profiles
from firstboot_plugins.dialects.thingstream.thing_commands import app as things
from firstboot_plugins.dialects.thingstream.token_commands import app as tokens

app = typer.Typer(help="Devices of u-blox Thingstream: profiles and Things.", no_args_is_help=True)
profiles.add_typer(tokens, name="token")
app.add_typer(profiles, name="profile")
app.add_typer(things, name="thing")

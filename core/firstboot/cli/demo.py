"""What ``firstboot quickstart`` prints first: how to provision a device, and how to claim one."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from dataclasses import replace
from uuid import UUID

import typer

from firstboot import __version__
from firstboot.app import Server
from firstboot.config import Address, AdminConfig
from firstboot.errors import AlreadyExists, NotFound
from firstboot.first_admin import FILE_NAME
from firstboot.model import DEFAULT_TENANT, DeviceProfile
from firstboot.profiles import NewProfile
from firstboot.secret import random_text

PROFILE = "demo"
_ACTOR = "quickstart"
_PRINTED = 4
"""Devices in the printed commands."""
_MOST_TRIED = 1000

_HEAD = """\
Firstboot {version} is up. {listeners}
Data, server key and database are in {data_dir}. Stop with Ctrl-C.

The device profile "demo" lets devices create themselves. It was made for you, with random
  provision key     {key}
  provision secret  {secret}
"""

_ADMINISTRATOR = """\
Administrators log in over REST: {email}, with the password in {file}

  curl -s http://{http}/api/auth/login -d '{{"username":"{email}","password":"'"$(cat {file})"'"}}'
"""

_HTTP = """\
Provision a device over HTTP:

  curl -s http://{http}/api/v1/provision -d '{http_request}'
"""

_MQTT = """\
Provision a device over MQTT, with the answer on the same connection (package mosquitto-clients):

  mosquitto_rr -h {mqtt_host} -p {mqtt_port} -u provision -t /provision/request -e /provision/response \\
    -m '{rr_request}'

... with an access token that the device brings itself, and then log in with it:

  mosquitto_pub -h {mqtt_host} -p {mqtt_port} -u provision -q 1 -t /provision/request \\
    -m '{own_request}'
  mosquitto_pub -h {mqtt_host} -p {mqtt_port} -u {own_token} -t v1/devices/me/telemetry -m '{{"up":true}}'

... with ThingsBoard's Python SDK (pip install tb-mqtt-client mmh3):

  python3 -c 'from tb_device_mqtt import TBDeviceMqttClient as C; \\
    print(C.provision("{mqtt_host}", "{key}", "{secret}", port={mqtt_port}, device_name="{sdk_name}"))'
"""

_CLAIM = """\
Whoever buys a device claims it at http://{http}/claim
"""

_TAIL = """\
Look at them, in another terminal in this folder:  {command} device list{config_hint}

Waiting for devices ...
"""


def show_demo(server: Server) -> asyncio.Task[None]:
    """Make the demo profile if there is none, and print what to do with it, while the server runs."""
    task = asyncio.get_running_loop().create_task(_show(server))
    task.add_done_callback(_say_failure)
    return task


def _say_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        typer.echo(f"firstboot: the demo profile could not be made: {task.exception()}", err=True)


async def _show(server: Server) -> None:
    demo = await _demo_profile(server)
    key, secret = demo.profile.provision_key or "", demo.secret.reveal()
    http, mqtt = (_reachable(server, name) for name in ("http", "mqtt"))
    data_dir = server.services.config.server.data_dir
    own_token = random_text(20)
    names = await _free_names(server, demo.profile.tenant_id)

    def request(name: str, **more: str) -> str:
        fields = {"deviceName": name, "provisionDeviceKey": key, "provisionDeviceSecret": secret, **more}
        return json.dumps(fields, separators=(",", ":"))

    first_password = data_dir / FILE_NAME
    administrator = [_ADMINISTRATOR] if http and first_password.exists() else []
    claim = [_CLAIM] if http and server.core.foundation.plugins.is_active("claim-page") else []
    parts = [_HEAD, *([_HTTP] if http else []), *([_MQTT] if mqtt else []), *administrator, *claim, _TAIL]
    typer.echo(
        "\n".join(parts).format(
            version=__version__,
            listeners=" ".join(f"{name.upper()}: {address}." for name, address in server.listeners.items()),
            data_dir=data_dir,
            email=server.services.config.section(AdminConfig).email,
            file=first_password,
            key=key,
            secret=secret,
            http=http,
            http_request=request(names[0]),
            mqtt_host=mqtt.host if mqtt else "",
            mqtt_port=mqtt.port if mqtt else "",
            rr_request=request(names[1]),
            own_token=own_token,
            own_request=request(names[2], credentialsType="ACCESS_TOKEN", token=own_token),
            sdk_name=names[3],
            command=_command(),
            config_hint="" if str(data_dir) == "firstboot-data" else "  (with the same configuration)",
        )
    )


def _command() -> str:
    """Return how to call the command line: by its name, if the shell would find it."""
    if shutil.which("firstboot"):
        return "firstboot"
    return os.path.relpath(sys.argv[0]) if os.access(sys.argv[0], os.X_OK) else f"{sys.executable} -m firstboot"


def _reachable(server: Server, listener: str) -> Address | None:
    """Return where clients reach a listener; one that is open to all networks is reached by the public name."""
    address = server.listeners.get(listener)
    if address is not None and address.host in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
        return replace(address, host=server.services.config.server.public_host)
    return address


async def _free_names(server: Server, tenant_id: int) -> list[str]:
    """Return names for the devices of the printed commands that no device has yet."""
    names: list[str] = []
    number = 0
    while len(names) < _PRINTED:
        number += 1
        name = f"meter-{number}"
        if number > _MOST_TRIED or await server.core.storage.find_device(tenant_id, name) is None:
            names.append(name)
    return names


async def _demo_profile(server: Server) -> NewProfile:
    profiles = server.core.profiles
    tenant = await server.core.tenant(DEFAULT_TENANT)
    try:
        profile = await profiles.get(tenant.id, PROFILE)
    except NotFound:
        draft = DeviceProfile(
            id=0,
            public_id=UUID(int=0),
            tenant_id=tenant.id,
            name=PROFILE,
            strategy="allow-create-new",
            provision_key=None,
            secret_digest=None,
            secret_sealed=None,
            description="Made by firstboot quickstart. Disable it before you open the server to the network.",
        )
        try:
            made = await profiles.create(draft, key=None, secret=None, actor=_ACTOR)
        except AlreadyExists:  # by another process, just now
            profile = await profiles.get(tenant.id, PROFILE)
        else:
            await server.services.provisioning.reload_profiles()
            return made
    secret = profiles.reveal_secret(profile)
    if secret is None:
        raise NotFound(f"The profile {PROFILE!r} has no provision secret.")
    return NewProfile(profile, secret)

"""``/thingstream/v1/profiles/{profile}/tokens``: tokens, for administrators of the tenant (contract section 4)."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from firstboot_plugins.admin.operation import Call, operation, tenant_admins
from firstboot_plugins.admin.own.problems import FIRSTBOOT
from firstboot_plugins.admin.own.shapes import Sent
from firstboot_plugins.dialects.thingstream.operator_profiles import ONE, TAG, as_changed, profile_in_path
from firstboot_plugins.dialects.thingstream.profile_shapes import GraceSeconds, Moment, TokenTold, token_told
from firstboot_plugins.dialects.thingstream.services import Thingstream
from firstboot_plugins.dialects.thingstream.settings import DAY_S, TokenState
from firstboot_plugins.dialects.thingstream.tokens import found, with_token

_TOKEN = f"{ONE}/tokens/{{token}}"
_WRITE = tenant_admins("profiles:write")


class Rotation(Sent):
    """How to change the token."""

    grace_seconds: GraceSeconds = 7 * DAY_S
    """How long the tokens that are active now stay good beside the new one."""


class TokenChange(Sent):
    """What to change of a token; what is left out stays as it is."""

    state: Literal["active", "disabled"] | None = None
    expires: Moment | None = None
    """The last moment (ms, UTC) at which it is good; null: it does not end."""


@operation(
    "POST",
    f"{ONE}/tokens/rotate",
    dialect=FIRSTBOOT,
    tag=TAG,
    access=_WRITE,
    body=Rotation,
    body_required=False,
    answers=TokenTold,
)
async def rotate_token(call: Call) -> TokenTold:
    """Give a profile another token, which is shown this once."""
    sent: Rotation = call.body or Rotation()
    profile, _ = await profile_in_path(call)
    profile, text = await Thingstream.of(call.services).profiles.rotate(
        profile, grace_s=sent.grace_seconds, actor=call.actor
    )
    return (await as_changed(call, profile, text)).tokens[-1]


@operation("PUT", _TOKEN, dialect=FIRSTBOOT, tag=TAG, access=_WRITE, body=TokenChange, answers=TokenTold)
async def change_token(call: Call) -> TokenTold:
    """Disable a token, or let it count again. What was made with it goes on."""
    sent: TokenChange = call.body
    profile, settings = await profile_in_path(call)
    named = found(settings, call.services.core.keyring, call.path["token"])

    changed = named if sent.state is None else replace(named, state=TokenState(sent.state))
    if "expires" in sent.model_fields_set:
        changed = replace(changed, expires_ms=sent.expires)
    thingstream = Thingstream.of(call.services)
    profile, settings = await thingstream.profiles.change(
        profile, lambda settings: with_token(settings, named, changed), actor=call.actor
    )
    await call.services.provisioning.reload_profiles()
    now = found(settings, call.services.core.keyring, named.id)
    return token_told(now, await thingstream.uses.of(profile), call.services.clock)


@operation("DELETE", _TOKEN, dialect=FIRSTBOOT, tag=TAG, access=_WRITE, status=204)
async def delete_token(call: Call) -> None:
    """Delete a token. What was made with it goes on."""
    profile, settings = await profile_in_path(call)
    gone = found(settings, call.services.core.keyring, call.path["token"])
    await Thingstream.of(call.services).profiles.change(
        profile,
        lambda settings: with_token(settings, gone, None),
        actor=call.actor,
    )
    await call.services.provisioning.reload_profiles()


OPERATIONS = (rotate_token, change_token, delete_token)

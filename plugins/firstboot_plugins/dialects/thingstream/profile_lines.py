"""A profile as the command line reads and prints it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from firstboot.cli.common import fail, in_words, moment, print_fields, print_json
from firstboot.model import DeviceProfile
from firstboot_plugins.dialects.thingstream.settings import DeviceType, Settings

if TYPE_CHECKING:
    from firstboot.core import Core


def codes_of(file: Path | None) -> list[str] | None:
    """Return the hardware codes in a file; None: there is none."""
    if file is None:
        return None
    try:
        return [line.strip() for line in file.read_text("utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise fail(f"{file} cannot be read: {reason}.") from None


def print_profile(fields: dict[str, Any], as_json: bool) -> None:
    """Print what `profile_fields` returns."""
    if as_json:
        print_json(fields)
        return
    tokens = [
        f"{each['id']} (...{each['last4']}) {each['state']}, {each['uses']} uses" for each in fields["tokens"]
    ]
    print_fields({**fields, "tags": " ".join(fields["tags"]), "tokens": "; ".join(tokens) or None})


async def profile_fields(core: Core, profile: DeviceProfile) -> dict[str, Any]:
    """Return what there is to say about a profile, without the texts of its tokens."""
    from firstboot_plugins.dialects.thingstream.settings import settings_of
    from firstboot_plugins.dialects.thingstream.uses import stored_uses
    from firstboot_plugins.dialects.thingstream.whitelist import listed

    settings, now_ms = settings_of(profile) or Settings(), core.clock.now_ms()
    uses = await stored_uses(core.storage, profile)
    return {
        "profile": profile.name,
        "title": profile.description,
        "service": settings.device_type.value,
        "format": settings.format.value if settings.device_type is DeviceType.POINTPERFECT else None,
        "plan": settings.plan,
        "tags": list(settings.tags),
        "auto activate": settings.auto_activate,
        "hardware code mandatory": settings.hardware_code_mandatory,
        "hardware codes": len(await listed(core.storage, profile)) if settings.whitelisted else None,
        "old thing": settings.old_thing.value,
        "grace": in_words(timedelta(seconds=settings.grace_s)),
        "max things": profile.limits.max_devices,
        "things": await core.storage.count_devices(profile.id),
        "tokens": [
            {
                "id": token.id,
                "last4": token.last4,
                "state": token.state_at(now_ms).value,
                "created": moment(token.created_ms),
                "expires": moment(token.expires_ms),
                "uses": uses.get(token.id, 0),
            }
            for token in settings.tokens
        ],
    }

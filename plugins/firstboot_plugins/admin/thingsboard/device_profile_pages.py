"""Pages of device profiles. A tenant has few: they are sorted and cut in memory."""

from __future__ import annotations

from collections.abc import Sequence

from firstboot.model import DeviceProfile
from firstboot.storage import Page
from firstboot_plugins.admin.thingsboard.paging import PageParameters

_SORTABLE = {"name": "name", "createdTime": "created_at_ms", "description": "description"}


def page_of(profiles: Sequence[DeviceProfile], asked: PageParameters) -> Page[DeviceProfile]:
    """Return the page that was asked for.

    Raises: `firstboot.errors.InvalidValue` for an order that there is not.
    """
    fields = asked.fields(_SORTABLE)
    text = (fields["text"] or "").casefold()
    found = sorted((each for each in profiles if text in each.name.casefold()), key=lambda each: each.id)
    found.sort(key=lambda each: _sort_key(each, fields["sort"]), reverse=fields["descending"])
    start = asked.page * asked.page_size
    return Page(found[start : start + asked.page_size], len(found))


def _sort_key(profile: DeviceProfile, field: str) -> str | int:
    value: str | int = getattr(profile, field)
    return value.casefold() if isinstance(value, str) else value

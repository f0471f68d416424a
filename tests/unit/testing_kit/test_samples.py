"""The samples can be used side by side."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from firstboot.testing import (
    a_device,
    a_profile,
    an_audit_entry,
)


@given(st.text(max_size=50))
def test_samples_differ_where_they_must(name: str) -> None:
    assert a_profile(name).provision_key != a_profile(name).provision_key
    assert a_device(name).id != a_device(name).id
    assert an_audit_entry(name).event == name

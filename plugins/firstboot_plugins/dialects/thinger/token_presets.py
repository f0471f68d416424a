"""The smallest rights with which known clients work (contract 2.7)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_MONITOR = ["ReadDeviceStatus", "CreateDevice", "UpdateDevice"]
_BUCKETS = ["CreateBucket", "ReadBucketConfig", "UpdateBucket", "WriteBucket"]

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "sketch": {"Device": {"*": ["ListDevices", "CreateDevice"]}},
    "monitor": {"Device": {"*": _MONITOR}},
    "node-red": {
        "Device": {"*": [*_MONITOR, "ListDevices"]},
        "Bucket": {"*": _BUCKETS},
    },
    "full": {"*": {"*": "*"}},
}
"""What ``allow`` of a token is, by the kind of client."""

"""Settings of thinger.io's wire contract."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from firstboot.config import Count, TimeLimit


@dataclass(frozen=True, kw_only=True)
class ThingerConfig:
    """Section ``[thinger]``: what programs and devices may do over thinger.io's REST API."""

    plain_http: bool = True
    """Whether requests without encryption are answered: existing sketches send no others."""

    profile: str = "thinger"
    """Name of the device profile of devices that are made without a rule or pool; made when it is needed first."""

    auto_create_assets: bool = True
    """Whether asset types and groups that a device or bucket names, and that do not exist, are made."""

    allow_first_use: bool = False
    """Whether rules may take whatever password comes first as a new device's own."""

    max_body: Count = 16_384
    """Bytes of the body of a request."""

    max_document: Count = 262_144
    """The same, of a dashboard or a list of hardware ids."""

    provisioning_burst: Count = 10
    """Provisioning requests at once from one address, and with one token."""

    provisioning_per_minute: Count = 60
    """The same, in the long run; more are told to come again."""

    failed_tokens_per_minute: Count = 20
    """Requests with a wrong token from one address that are told so; more are told to come again."""

    wrong_credentials: Count = 5
    """Wrong credentials offered for a device that exists, within ``wrong_credentials_window``; then nobody is told
    whether they are right."""

    wrong_credentials_window: TimeLimit = timedelta(minutes=10)
    """How long wrong credentials count."""

    session_requests: Count = 10
    """Requests in one provisioning session over MQTT; then the server ends it."""

    session_time: TimeLimit = timedelta(seconds=60)
    """How long a provisioning session over MQTT lasts at most."""

    shared_topics: bool = True
    """Whether all devices of an account share their MQTT topics, as on thinger.io; else each has those that begin
    with its own id, and no others."""

    pool_wait: TimeLimit = timedelta(hours=24)
    """How long a device may wait for a member of an empty pool."""

    answer_wait: TimeLimit = timedelta(seconds=5)
    """How long an answer waits for the subscription that it goes to."""

    max_tokens: Count = 1000
    """Access tokens of one account, those of its devices among them."""

    max_buckets: Count = 10_000
    """Buckets of one account."""

    max_assets: Count = 10_000
    """Asset types of one account, groups, and products: of each kind. Types and groups beyond are not made by
    themselves."""

    max_collecting: Count = 100
    """Buckets of one account that take one message; more that listen to its topic take none."""

    max_query_rows: Count = 1000
    """Rows in the answer to one question to a bucket; exports have them all."""

    max_summed_rows: Count = 1_000_000
    """Rows of a bucket that are summed up for one answer."""

    retention_interval: TimeLimit = timedelta(minutes=5)
    """How often rows are deleted whose retention period is over."""

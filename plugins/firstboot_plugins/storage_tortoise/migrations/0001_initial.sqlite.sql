-- Moments are milliseconds since 1970 in UTC; JSON is text; digests have 16 bytes.
-- AUTOINCREMENT where an id that is used twice would be taken for the thing that had it before.

CREATE TABLE schema_version (
    version INTEGER PRIMARY KEY
);

CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL
) WITHOUT ROWID;

CREATE TABLE tenant (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE
);

CREATE TABLE device_profile (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    public_id BLOB NOT NULL UNIQUE,
    tenant_id INTEGER NOT NULL REFERENCES tenant (id),
    name TEXT NOT NULL,
    strategy TEXT NOT NULL,
    provision_key TEXT UNIQUE,
    secret_digest BLOB,
    secret_sealed BLOB,
    previous_secret_digest BLOB,
    previous_secret_until_ms INTEGER,
    enabled INTEGER NOT NULL,
    settings TEXT NOT NULL,
    created_at_ms INTEGER NOT NULL,
    UNIQUE (tenant_id, name)
);

-- Counted in the transactions that make and delete devices: counting a million rows takes too long for a limit.
CREATE TABLE profile_usage (
    profile_id INTEGER PRIMARY KEY REFERENCES device_profile (id) ON DELETE CASCADE,
    devices INTEGER NOT NULL
);

CREATE TABLE device (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    public_id BLOB NOT NULL UNIQUE,
    tenant_id INTEGER NOT NULL REFERENCES tenant (id),
    profile_id INTEGER NOT NULL REFERENCES device_profile (id),
    name TEXT NOT NULL,
    label TEXT,
    additional_info TEXT,
    created_at_ms INTEGER NOT NULL,
    provisioned_at_ms INTEGER,
    delivered_at_ms INTEGER,
    first_login_at_ms INTEGER,
    reopened_at_ms INTEGER,
    request_digest BLOB,
    UNIQUE (tenant_id, name)
);

CREATE TABLE credentials (
    id INTEGER PRIMARY KEY,
    device_id INTEGER NOT NULL REFERENCES device (id) ON DELETE CASCADE,
    type TEXT NOT NULL,
    digest BLOB NOT NULL UNIQUE,
    sealed BLOB NOT NULL,
    valid_until_ms INTEGER
);
CREATE INDEX credentials_device ON credentials (device_id);

CREATE TABLE attribute (
    device_id INTEGER NOT NULL REFERENCES device (id) ON DELETE CASCADE,
    scope INTEGER NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    updated_at_ms INTEGER NOT NULL,
    PRIMARY KEY (device_id, scope, key)
) WITHOUT ROWID;

-- The entry is kept as the bytes that the chain covers: any text that a stranger sent can be stored that way.
CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms INTEGER NOT NULL,
    entry TEXT NOT NULL,
    link BLOB NOT NULL
);

CREATE TABLE change (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    ref INTEGER NOT NULL,
    at_ms INTEGER NOT NULL
);

INSERT INTO tenant (id, name) VALUES (1, 'default');

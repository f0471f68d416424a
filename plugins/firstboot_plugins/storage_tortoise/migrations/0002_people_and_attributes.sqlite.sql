-- People, API tokens, customers of tenants, telemetry, and what administrators change of devices.

-- Made anew: a column that is there in every row and unique cannot be added.
CREATE TABLE tenant_new (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    public_id BLOB NOT NULL UNIQUE,
    created_at_ms INTEGER NOT NULL
);
INSERT INTO tenant_new (id, name, public_id, created_at_ms)
    SELECT id, name, randomblob(16), CAST(strftime('%s', 'now') AS INTEGER) * 1000 FROM tenant;
DROP TABLE tenant;
ALTER TABLE tenant_new RENAME TO tenant;

CREATE TABLE customer (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    public_id BLOB NOT NULL UNIQUE,
    tenant_id INTEGER NOT NULL REFERENCES tenant (id),
    title TEXT NOT NULL,
    details TEXT NOT NULL,
    version INTEGER NOT NULL,
    created_at_ms INTEGER NOT NULL,
    UNIQUE (tenant_id, title)
);

CREATE TABLE app_user (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    public_id BLOB NOT NULL UNIQUE,
    tenant_id INTEGER REFERENCES tenant (id),
    customer_id INTEGER REFERENCES customer (id) ON DELETE CASCADE,
    email TEXT NOT NULL UNIQUE,
    authority TEXT NOT NULL,
    first_name TEXT,
    last_name TEXT,
    details TEXT NOT NULL,
    enabled INTEGER NOT NULL,
    password_hash TEXT,
    must_change INTEGER NOT NULL,
    activation_digest BLOB UNIQUE,
    activation_sealed BLOB,
    activation_until_ms INTEGER,
    version INTEGER NOT NULL,
    created_at_ms INTEGER NOT NULL
);
CREATE INDEX app_user_tenant ON app_user (tenant_id);
CREATE INDEX app_user_customer ON app_user (customer_id);

CREATE TABLE user_session (
    public_id BLOB PRIMARY KEY,
    user_id INTEGER NOT NULL REFERENCES app_user (id) ON DELETE CASCADE,
    refresh_digest BLOB NOT NULL,
    created_at_ms INTEGER NOT NULL,
    expires_at_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX user_session_user ON user_session (user_id);
CREATE INDEX user_session_expiry ON user_session (expires_at_ms);

CREATE TABLE api_token (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    public_id BLOB NOT NULL UNIQUE,
    tenant_id INTEGER NOT NULL REFERENCES tenant (id),
    name TEXT NOT NULL,
    scopes TEXT NOT NULL,
    digest BLOB NOT NULL UNIQUE,
    created_by TEXT NOT NULL,
    created_at_ms INTEGER NOT NULL,
    expires_at_ms INTEGER,
    last_used_at_ms INTEGER,
    UNIQUE (tenant_id, name)
);

CREATE TABLE telemetry (
    device_id INTEGER NOT NULL REFERENCES device (id) ON DELETE CASCADE,
    key TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (device_id, key)
) WITHOUT ROWID;

ALTER TABLE device_profile ADD COLUMN is_default INTEGER NOT NULL DEFAULT 0;
ALTER TABLE device_profile ADD COLUMN version INTEGER NOT NULL DEFAULT 1;
CREATE UNIQUE INDEX device_profile_default ON device_profile (tenant_id) WHERE is_default = 1;

ALTER TABLE device ADD COLUMN customer_id INTEGER REFERENCES customer (id) ON DELETE SET NULL;
ALTER TABLE device ADD COLUMN enabled INTEGER NOT NULL DEFAULT 1;
ALTER TABLE device ADD COLUMN details TEXT;
ALTER TABLE device ADD COLUMN version INTEGER NOT NULL DEFAULT 1;
-- New devices come at the end of the one, and are not in the other: making them stays cheap. Neither begins with
-- the tenant: without statistics PostgreSQL would look for a name among all devices of the tenant.
CREATE INDEX device_page ON device (created_at_ms);
CREATE INDEX device_customer ON device (customer_id, created_at_ms) WHERE customer_id IS NOT NULL;

ALTER TABLE change ADD COLUMN detail TEXT;

-- For searching only: what holds is the entry. NULL where an entry is not one of ours.
ALTER TABLE audit ADD COLUMN tenant_id INTEGER;
ALTER TABLE audit ADD COLUMN event TEXT;
ALTER TABLE audit ADD COLUMN code TEXT;
ALTER TABLE audit ADD COLUMN profile TEXT;
ALTER TABLE audit ADD COLUMN device TEXT;
ALTER TABLE audit ADD COLUMN device_id TEXT;
ALTER TABLE audit ADD COLUMN actor TEXT;
UPDATE audit SET
    tenant_id = json_extract(entry, '$[3]'),
    event = json_extract(entry, '$[1]'),
    code = json_extract(entry, '$[2]'),
    profile = json_extract(entry, '$[4]'),
    device = json_extract(entry, '$[5]'),
    device_id = json_extract(entry, '$[6]'),
    actor = json_extract(entry, '$[7]')
WHERE json_valid(entry);
CREATE INDEX audit_device ON audit (tenant_id, device_id) WHERE device_id IS NOT NULL;
CREATE INDEX audit_refusal ON audit (tenant_id) WHERE code <> 'ok';
CREATE INDEX audit_actor ON audit (tenant_id, actor) WHERE actor <> 'device';

-- Named documents that dialects keep beside devices, what they collect, and tokens that can be switched off.

CREATE TABLE resource (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id INTEGER NOT NULL REFERENCES tenant (id),
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    document TEXT NOT NULL,
    version INTEGER NOT NULL,
    created_at_ms INTEGER NOT NULL,
    updated_at_ms INTEGER NOT NULL,
    UNIQUE (tenant_id, kind, name)
);
CREATE INDEX resource_kind ON resource (kind, tenant_id);

CREATE TABLE resource_row (
    id INTEGER PRIMARY KEY,
    resource_id INTEGER NOT NULL REFERENCES resource (id) ON DELETE CASCADE,
    at_ms INTEGER NOT NULL,
    value TEXT NOT NULL
);
CREATE INDEX resource_row_at ON resource_row (resource_id, at_ms);

ALTER TABLE api_token ADD COLUMN enabled INTEGER NOT NULL DEFAULT 1;
ALTER TABLE api_token ADD COLUMN details TEXT NOT NULL DEFAULT '{}';

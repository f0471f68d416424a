-- Certificates of the server's own authority that were taken back before their time.

CREATE TABLE revoked_certificate (
    serial TEXT NOT NULL PRIMARY KEY,
    tenant_id INTEGER NOT NULL REFERENCES tenant (id),
    device_public_id BLOB NOT NULL,
    expires_at_ms INTEGER NOT NULL,
    revoked_at_ms INTEGER NOT NULL
) WITHOUT ROWID;

CREATE INDEX revoked_certificate_expires ON revoked_certificate (expires_at_ms);

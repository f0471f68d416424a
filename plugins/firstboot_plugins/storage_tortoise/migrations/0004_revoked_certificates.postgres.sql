-- Certificates of the server's own authority that were taken back before their time.

CREATE TABLE revoked_certificate (
    serial TEXT NOT NULL PRIMARY KEY,
    tenant_id BIGINT NOT NULL REFERENCES tenant (id),
    device_public_id BYTEA NOT NULL,
    expires_at_ms BIGINT NOT NULL,
    revoked_at_ms BIGINT NOT NULL
);

CREATE INDEX revoked_certificate_expires ON revoked_certificate (expires_at_ms);

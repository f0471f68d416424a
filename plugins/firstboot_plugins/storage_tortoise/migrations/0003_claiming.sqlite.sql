-- Who may claim a device, until when and with which secret; and which gateway speaks for it.

CREATE TABLE claim_window (
    device_id INTEGER NOT NULL REFERENCES device (id) ON DELETE CASCADE,
    opened_by TEXT NOT NULL,
    secret_digest BLOB,
    expires_at_ms INTEGER NOT NULL,
    opened_at_ms INTEGER NOT NULL,
    weak INTEGER NOT NULL,
    PRIMARY KEY (device_id, opened_by)
) WITHOUT ROWID;

ALTER TABLE device ADD COLUMN gateway_id INTEGER REFERENCES device (id) ON DELETE SET NULL;
CREATE INDEX device_gateway ON device (gateway_id) WHERE gateway_id IS NOT NULL;

-- Older programs kept the secret in it, and let nobody claim with it. The keys with which secrets are kept now are
-- not known here.
UPDATE attribute SET value = '{"invalid":"An older version has written it. Write it again."}'
    WHERE scope = 1 AND key = 'claimingData';

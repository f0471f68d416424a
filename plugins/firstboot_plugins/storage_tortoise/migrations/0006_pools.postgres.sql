-- What devices call their hardware, and pools: prepared devices of a profile that are given to hardware.

ALTER TABLE device ADD COLUMN hardware_id TEXT;
CREATE INDEX device_hardware ON device (tenant_id, hardware_id) WHERE hardware_id IS NOT NULL;

-- "name" is the device's, because an index cannot reach into another table; "lot" is drawn, for the random order.
-- "free": nobody holds it, or its lease was found to be over. While it is 0 a lease may have ended unnoticed.
-- "leased_until_ms" is gone once the device has logged in. So what was given away for good is in no index by which
-- the next one is found.
CREATE TABLE pool_member (
    device_id BIGINT NOT NULL PRIMARY KEY REFERENCES device (id) ON DELETE CASCADE,
    profile_id BIGINT NOT NULL REFERENCES device_profile (id),
    name TEXT COLLATE "C" NOT NULL,
    lot BIGINT NOT NULL,
    hardware_id TEXT,
    reserved SMALLINT NOT NULL,
    free SMALLINT NOT NULL,
    leased_at_ms BIGINT,
    leased_until_ms BIGINT
);

CREATE INDEX pool_member_profile ON pool_member (profile_id, device_id);
CREATE UNIQUE INDEX pool_member_hardware ON pool_member (profile_id, hardware_id) WHERE hardware_id IS NOT NULL;
CREATE INDEX pool_member_first ON pool_member (profile_id, reserved, device_id) WHERE free = 1;
CREATE INDEX pool_member_lowest ON pool_member (profile_id, reserved, name) WHERE free = 1;
CREATE INDEX pool_member_random ON pool_member (profile_id, reserved, lot) WHERE free = 1;
CREATE INDEX pool_member_ends ON pool_member (profile_id, leased_until_ms)
    WHERE free = 0 AND leased_until_ms IS NOT NULL;

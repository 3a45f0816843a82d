-- A grant that renews itself is sealed with the credentials. `version` rises with everything that changes them; who renews
-- holds the lease; `renewal_at` says since when a renewal is open of which no answer is kept.
ALTER TABLE credentials ADD COLUMN version BIGINT NOT NULL DEFAULT 0;
ALTER TABLE credentials ADD COLUMN lease_owner TEXT;
ALTER TABLE credentials ADD COLUMN lease_until BIGINT;
ALTER TABLE credentials ADD COLUMN renewal_at BIGINT;

-- Sign-ins under way: the hash of the state that comes back with the code, and sealed what belongs to it.
CREATE TABLE sign_ins (
    project_id  BIGINT NOT NULL REFERENCES projects,
    state_hash  BYTEA  NOT NULL,
    started_at  BIGINT NOT NULL,
    used_at     BIGINT,
    key_id      TEXT   NOT NULL,
    wrapped_key BYTEA  NOT NULL,
    body        BYTEA  NOT NULL,
    PRIMARY KEY (project_id, state_hash)
);
CREATE UNIQUE INDEX sign_ins_by_state ON sign_ins (state_hash);

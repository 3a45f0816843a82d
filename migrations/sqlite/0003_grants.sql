-- A grant that renews itself is sealed with the credentials. `version` rises with everything that changes them; who renews
-- holds the lease; `renewal_at` says since when a renewal is open of which no answer is kept.
ALTER TABLE credentials ADD COLUMN version INTEGER NOT NULL DEFAULT 0;
ALTER TABLE credentials ADD COLUMN lease_owner TEXT;
ALTER TABLE credentials ADD COLUMN lease_until INTEGER;
ALTER TABLE credentials ADD COLUMN renewal_at INTEGER;

-- Sign-ins under way: the hash of the state that comes back with the code, and sealed what belongs to it.
CREATE TABLE sign_ins (
    project_id  INTEGER NOT NULL REFERENCES projects,
    state_hash  BLOB    NOT NULL,
    started_at  INTEGER NOT NULL,
    used_at     INTEGER,
    key_id      TEXT    NOT NULL,
    wrapped_key BLOB    NOT NULL,
    body        BLOB    NOT NULL,
    PRIMARY KEY (project_id, state_hash)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX sign_ins_by_state ON sign_ins (state_hash);

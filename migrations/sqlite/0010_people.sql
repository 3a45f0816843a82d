-- Links that let whoever opens them into a project, once. Used or revoked, they are gone.
CREATE TABLE invitations (
    project_id    INTEGER NOT NULL REFERENCES projects,
    invitation_id BLOB    NOT NULL,
    token_hash    BLOB    NOT NULL,
    -- owner, editor or viewer
    role          TEXT    NOT NULL,
    -- Whom it is for; NULL: whoever has the link.
    email         TEXT,
    -- Who made it; NULL: the command line. It goes with its maker's power to make it.
    user_id       INTEGER REFERENCES users ON DELETE CASCADE,
    created_at    INTEGER NOT NULL,
    expires_at    INTEGER NOT NULL,
    PRIMARY KEY (project_id, invitation_id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX invitations_by_hash ON invitations (token_hash);
CREATE INDEX invitations_by_user ON invitations (user_id);

-- Who did what. Rows are added and, when they are old, removed; what they speak of may be gone.
CREATE TABLE audit (
    -- 0: it is of no project, as a sign-in.
    project_id INTEGER NOT NULL,
    -- Rises with time.
    audit_id   BLOB    NOT NULL,
    at         INTEGER NOT NULL,
    -- user, api_key, command_line, visitor or dashtray
    actor_kind TEXT    NOT NULL,
    actor      TEXT    NOT NULL,
    -- Whose account it concerns, if it concerns one.
    user_id    INTEGER,
    action     TEXT    NOT NULL,
    -- What it was done to, by its name then.
    subject    TEXT    NOT NULL,
    -- An object; never a secret.
    details    TEXT    NOT NULL,
    address    TEXT    NOT NULL,
    PRIMARY KEY (project_id, audit_id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX audit_by_id ON audit (audit_id);
CREATE TRIGGER audit_stays_as_written BEFORE UPDATE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit log is not rewritten');
END;

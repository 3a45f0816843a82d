-- Links that let whoever opens them into a project, once. Used or revoked, they are gone.
CREATE TABLE invitations (
    project_id    BIGINT NOT NULL REFERENCES projects,
    invitation_id UUID   NOT NULL,
    token_hash    BYTEA  NOT NULL,
    -- owner, editor or viewer
    role          TEXT   NOT NULL,
    -- Whom it is for; NULL: whoever has the link.
    email         TEXT,
    -- Who made it; NULL: the command line. It goes with its maker's power to make it.
    user_id       BIGINT REFERENCES users ON DELETE CASCADE,
    created_at    BIGINT NOT NULL,
    expires_at    BIGINT NOT NULL,
    PRIMARY KEY (project_id, invitation_id)
);
CREATE UNIQUE INDEX invitations_by_hash ON invitations (token_hash);
CREATE INDEX invitations_by_user ON invitations (user_id);

-- Who did what. Rows are added and, when they are old, removed; what they speak of may be gone.
CREATE TABLE audit (
    -- 0: it is of no project, as a sign-in.
    project_id BIGINT NOT NULL,
    -- Rises with time.
    audit_id   UUID   NOT NULL,
    at         BIGINT NOT NULL,
    -- user, api_key, command_line, visitor or dashtray
    actor_kind TEXT   NOT NULL,
    actor      TEXT   NOT NULL,
    -- Whose account it concerns, if it concerns one.
    user_id    BIGINT,
    action     TEXT   NOT NULL,
    -- What it was done to, by its name then.
    subject    TEXT   NOT NULL,
    -- An object; never a secret.
    details    TEXT   NOT NULL,
    address    TEXT   NOT NULL,
    PRIMARY KEY (project_id, audit_id)
);
CREATE UNIQUE INDEX audit_by_id ON audit (audit_id);
CREATE OR REPLACE FUNCTION audit_stays_as_written() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'the audit log is not rewritten'; END $$;
CREATE TRIGGER audit_stays_as_written BEFORE UPDATE ON audit
    FOR EACH ROW EXECUTE FUNCTION audit_stays_as_written();

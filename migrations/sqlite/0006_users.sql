-- People, and how they are signed in. None of these belong to a project; `members` says who sees which.
CREATE TABLE users (
    user_id       INTEGER PRIMARY KEY,
    -- As it is compared: without blanks around it, in small letters.
    email         TEXT    NOT NULL UNIQUE,
    name          TEXT    NOT NULL,
    -- A PHC string of Argon2id. Without one nobody signs in by password.
    password_hash TEXT,
    created_at    INTEGER NOT NULL
) STRICT;

CREATE TABLE members (
    project_id INTEGER NOT NULL REFERENCES projects,
    user_id    INTEGER NOT NULL REFERENCES users ON DELETE CASCADE,
    -- owner, editor or viewer
    role       TEXT    NOT NULL,
    PRIMARY KEY (project_id, user_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX members_by_user ON members (user_id, project_id);

-- Browsers that are signed in. The token is in their cookie and here only as its hash.
CREATE TABLE web_sessions (
    session_id   INTEGER PRIMARY KEY,
    token_hash   BLOB    NOT NULL UNIQUE,
    user_id      INTEGER NOT NULL REFERENCES users ON DELETE CASCADE,
    -- The project that its pages show.
    project_id   INTEGER REFERENCES projects,
    csrf         TEXT    NOT NULL,
    created_at   INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL,
    agent        TEXT    NOT NULL,
    address      TEXT    NOT NULL
) STRICT;
CREATE INDEX web_sessions_by_user ON web_sessions (user_id);

-- Links that work once: for the first account (`set_up`), or for one user (`sign_in`).
CREATE TABLE one_time_links (
    token_hash BLOB    NOT NULL PRIMARY KEY,
    purpose    TEXT    NOT NULL,
    user_id    INTEGER REFERENCES users ON DELETE CASCADE,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE dashboards (
    project_id     INTEGER NOT NULL REFERENCES projects,
    dashboard_id   INTEGER NOT NULL,
    slug           TEXT    NOT NULL,
    name           TEXT    NOT NULL,
    position       INTEGER NOT NULL,
    -- The integration whose starter dashboard it is.
    integration_id TEXT,
    -- Rises with every change, so that of two people who edit at once the second is told.
    version        INTEGER NOT NULL DEFAULT 0,
    created_at     INTEGER NOT NULL,
    PRIMARY KEY (project_id, dashboard_id),
    UNIQUE (project_id, slug)
) STRICT, WITHOUT ROWID;

CREATE TABLE widgets (
    project_id    INTEGER NOT NULL,
    widget_id     INTEGER NOT NULL,
    dashboard_id  INTEGER NOT NULL,
    position      INTEGER NOT NULL,
    -- metric, chart or table
    kind          TEXT    NOT NULL,
    metric_id     TEXT    NOT NULL,
    -- NULL: all connections that have the metric.
    connection_id INTEGER,
    -- One value of the metric's dimension; NULL: the total, or all of them in a table.
    dimension     TEXT,
    size          TEXT    NOT NULL,
    options       TEXT    NOT NULL,
    PRIMARY KEY (project_id, widget_id),
    FOREIGN KEY (project_id, dashboard_id) REFERENCES dashboards ON DELETE CASCADE,
    FOREIGN KEY (project_id, connection_id) REFERENCES connections ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX widgets_by_dashboard ON widgets (project_id, dashboard_id, position);

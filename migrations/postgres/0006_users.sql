-- People, and how they are signed in. None of these belong to a project; `members` says who sees which.
CREATE TABLE users (
    user_id       BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- As it is compared: without blanks around it, in small letters.
    email         TEXT    NOT NULL UNIQUE,
    name          TEXT    NOT NULL,
    -- A PHC string of Argon2id. Without one nobody signs in by password.
    password_hash TEXT,
    created_at    BIGINT NOT NULL
);

CREATE TABLE members (
    project_id BIGINT NOT NULL REFERENCES projects,
    user_id    BIGINT NOT NULL REFERENCES users ON DELETE CASCADE,
    -- owner, editor or viewer
    role       TEXT    NOT NULL,
    PRIMARY KEY (project_id, user_id)
);
CREATE INDEX members_by_user ON members (user_id, project_id);

-- Browsers that are signed in. The token is in their cookie and here only as its hash.
CREATE TABLE web_sessions (
    session_id   BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    token_hash   BYTEA    NOT NULL UNIQUE,
    user_id      BIGINT NOT NULL REFERENCES users ON DELETE CASCADE,
    -- The project that its pages show.
    project_id   BIGINT REFERENCES projects,
    csrf         TEXT    NOT NULL,
    created_at   BIGINT NOT NULL,
    last_seen_at BIGINT NOT NULL,
    agent        TEXT    NOT NULL,
    address      TEXT    NOT NULL
);
CREATE INDEX web_sessions_by_user ON web_sessions (user_id);

-- Links that work once: for the first account (`set_up`), or for one user (`sign_in`).
CREATE TABLE one_time_links (
    token_hash BYTEA    NOT NULL PRIMARY KEY,
    purpose    TEXT    NOT NULL,
    user_id    BIGINT REFERENCES users ON DELETE CASCADE,
    expires_at BIGINT NOT NULL
);

CREATE TABLE dashboards (
    project_id     BIGINT NOT NULL REFERENCES projects,
    dashboard_id   BIGINT NOT NULL,
    slug           TEXT    NOT NULL,
    name           TEXT    NOT NULL,
    position       BIGINT NOT NULL,
    -- The integration whose starter dashboard it is.
    integration_id TEXT,
    -- Rises with every change, so that of two people who edit at once the second is told.
    version        BIGINT NOT NULL DEFAULT 0,
    created_at     BIGINT NOT NULL,
    PRIMARY KEY (project_id, dashboard_id),
    UNIQUE (project_id, slug)
);

CREATE TABLE widgets (
    project_id    BIGINT NOT NULL,
    widget_id     BIGINT NOT NULL,
    dashboard_id  BIGINT NOT NULL,
    position      BIGINT NOT NULL,
    -- metric, chart or table
    kind          TEXT    NOT NULL,
    metric_id     TEXT    NOT NULL,
    -- NULL: all connections that have the metric.
    connection_id BIGINT,
    -- One value of the metric's dimension; NULL: the total, or all of them in a table.
    dimension     TEXT,
    size          TEXT    NOT NULL,
    options       TEXT    NOT NULL,
    PRIMARY KEY (project_id, widget_id),
    FOREIGN KEY (project_id, dashboard_id) REFERENCES dashboards ON DELETE CASCADE,
    FOREIGN KEY (project_id, connection_id) REFERENCES connections ON DELETE CASCADE
);
CREATE INDEX widgets_by_dashboard ON widgets (project_id, dashboard_id, position);

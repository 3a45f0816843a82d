-- Every table of a project's data has project_id first in its key. Instants are milliseconds since 1970, days are days
-- since 1970, JSON is text so that the order of keys stays. The same tables and columns stand in ../postgres.

CREATE TABLE projects (
    project_id INTEGER PRIMARY KEY,
    slug       TEXT    NOT NULL UNIQUE,
    zone       TEXT    NOT NULL,
    currency   TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    -- The last small id given out in this project, to a connection, stream or series. Never given out twice.
    last_id    INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE connections (
    project_id               INTEGER NOT NULL REFERENCES projects,
    connection_id            INTEGER NOT NULL,
    public_id                BLOB    NOT NULL UNIQUE,
    integration_id           TEXT    NOT NULL,
    name                     TEXT    NOT NULL,
    created_at               INTEGER NOT NULL,
    account_id               TEXT    NOT NULL,
    account                  TEXT    NOT NULL,
    settings                 TEXT    NOT NULL,
    zone                     TEXT    NOT NULL,
    currency                 TEXT    NOT NULL,
    history_start            INTEGER NOT NULL,
    sync_interval_minutes    INTEGER,
    max_quota_share_permille INTEGER NOT NULL,
    state                    TEXT    NOT NULL,
    reason                   TEXT,
    until_at                 INTEGER,
    failures                 INTEGER NOT NULL DEFAULT 0,
    paused                   INTEGER NOT NULL DEFAULT FALSE,
    due_at                   INTEGER NOT NULL,
    last_synced_at           INTEGER,
    -- Who works on it until when. The fence rises with every claim, so that whoever was slow cannot write any more.
    lease_owner              TEXT,
    lease_until              INTEGER,
    fence                    INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (project_id, connection_id),
    UNIQUE (project_id, name),
    UNIQUE (project_id, integration_id, account_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX connections_due ON connections (due_at) WHERE NOT paused;

CREATE TABLE credentials (
    project_id    INTEGER NOT NULL,
    connection_id INTEGER NOT NULL,
    key_id        TEXT    NOT NULL,
    wrapped_key   BLOB    NOT NULL,
    body          BLOB    NOT NULL,
    PRIMARY KEY (project_id, connection_id),
    FOREIGN KEY (project_id, connection_id) REFERENCES connections ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

-- A run under way has no status.
CREATE TABLE runs (
    project_id      INTEGER NOT NULL,
    connection_id   INTEGER NOT NULL,
    started_at      INTEGER NOT NULL,
    run_id          BLOB    NOT NULL,
    status          TEXT,
    ended_at        INTEGER,
    requests        INTEGER NOT NULL DEFAULT 0,
    bytes           INTEGER NOT NULL DEFAULT 0,
    waited_ms       INTEGER NOT NULL DEFAULT 0,
    samples_written INTEGER NOT NULL DEFAULT 0,
    retry_at        INTEGER,
    error           TEXT,
    metrics         TEXT,
    progress        TEXT,
    PRIMARY KEY (project_id, connection_id, started_at, run_id),
    FOREIGN KEY (project_id, connection_id) REFERENCES connections ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

-- dimension is '' for the total, currency is '' where there is none: both are part of what is unique.
CREATE TABLE series (
    project_id    INTEGER NOT NULL,
    series_id     INTEGER NOT NULL,
    connection_id INTEGER NOT NULL,
    metric_id     TEXT    NOT NULL,
    dimension     TEXT    NOT NULL,
    currency      TEXT    NOT NULL,
    definition    INTEGER NOT NULL,
    PRIMARY KEY (project_id, series_id),
    UNIQUE (project_id, connection_id, metric_id, dimension, currency),
    FOREIGN KEY (project_id, connection_id) REFERENCES connections ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

-- One row a day and series: value and state together. No foreign key, it would cost a lookup for each point;
-- deleting a connection deletes its points.
CREATE TABLE points (
    project_id  INTEGER NOT NULL,
    series_id   INTEGER NOT NULL,
    day         INTEGER NOT NULL,
    value       INTEGER,
    denominator INTEGER,
    mark        INTEGER NOT NULL,
    PRIMARY KEY (project_id, series_id, day)
) STRICT, WITHOUT ROWID;

-- The few points that have metadata.
CREATE TABLE notes (
    project_id INTEGER NOT NULL,
    series_id  INTEGER NOT NULL,
    day        INTEGER NOT NULL,
    body       TEXT    NOT NULL,
    PRIMARY KEY (project_id, series_id, day)
) STRICT, WITHOUT ROWID;

-- What a point was before a run changed it.
CREATE TABLE restatements (
    project_id      INTEGER NOT NULL,
    series_id       INTEGER NOT NULL,
    day             INTEGER NOT NULL,
    changed_at      INTEGER NOT NULL,
    run_id          BLOB    NOT NULL,
    old_value       INTEGER,
    old_denominator INTEGER,
    old_mark        INTEGER NOT NULL,
    PRIMARY KEY (project_id, series_id, day, changed_at, run_id)
) STRICT, WITHOUT ROWID;

-- A stream of a connection with its checkpoint, if it has one.
CREATE TABLE streams (
    project_id    INTEGER NOT NULL,
    stream_id     INTEGER NOT NULL,
    connection_id INTEGER NOT NULL,
    name          TEXT    NOT NULL,
    checkpoint    BLOB,
    fingerprint   TEXT    NOT NULL DEFAULT '',
    PRIMARY KEY (project_id, stream_id),
    UNIQUE (project_id, connection_id, name),
    FOREIGN KEY (project_id, connection_id) REFERENCES connections ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

-- An integration's own rows. group_key is '' for what is never listed by group, and then costs no index entry.
CREATE TABLE records (
    project_id INTEGER NOT NULL,
    stream_id  INTEGER NOT NULL,
    record_key TEXT    NOT NULL,
    group_key  TEXT    NOT NULL,
    body       BLOB    NOT NULL,
    PRIMARY KEY (project_id, stream_id, record_key)
) STRICT, WITHOUT ROWID;
CREATE INDEX records_by_group ON records (project_id, stream_id, group_key, record_key) WHERE group_key <> '';

-- The newest receipt of a computed metric, one a currency.
CREATE TABLE receipts (
    project_id    INTEGER NOT NULL,
    connection_id INTEGER NOT NULL,
    metric_id     TEXT    NOT NULL,
    currency      TEXT    NOT NULL,
    day           INTEGER NOT NULL,
    body          TEXT    NOT NULL,
    PRIMARY KEY (project_id, connection_id, metric_id, currency),
    FOREIGN KEY (project_id, connection_id) REFERENCES connections ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

-- Provider answers that stand behind a "not modified", compressed and sealed.
CREATE TABLE kept (
    project_id    INTEGER NOT NULL,
    connection_id INTEGER NOT NULL,
    request_key   TEXT    NOT NULL,
    etag          TEXT,
    last_modified TEXT,
    link          TEXT,
    key_id        TEXT    NOT NULL,
    wrapped_key   BLOB    NOT NULL,
    body          BLOB    NOT NULL,
    kept_at       INTEGER NOT NULL,
    PRIMARY KEY (project_id, connection_id, request_key),
    FOREIGN KEY (project_id, connection_id) REFERENCES connections ON DELETE CASCADE
) STRICT;
CREATE INDEX kept_by_age ON kept (kept_at);

-- What is left of a provider's windows. Of a credential, not of a project: two projects may share one.
CREATE TABLE budgets (
    budget        TEXT    NOT NULL,
    window_name   TEXT    NOT NULL,
    started_at    INTEGER NOT NULL,
    window_ms     INTEGER NOT NULL,
    used          INTEGER NOT NULL,
    learned_limit INTEGER,
    remaining     INTEGER,
    resets_at     INTEGER NOT NULL,
    blocked_until INTEGER,
    PRIMARY KEY (budget, window_name)
) STRICT, WITHOUT ROWID;

CREATE TABLE rates (
    day   INTEGER NOT NULL,
    base  TEXT    NOT NULL,
    quote TEXT    NOT NULL,
    rate  TEXT    NOT NULL,
    PRIMARY KEY (day, base, quote)
) STRICT, WITHOUT ROWID;

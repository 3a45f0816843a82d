-- Every table of a project's data has project_id first in its key. Instants are milliseconds since 1970, days are days
-- since 1970, JSON is text so that the order of keys stays, text that is scanned in order is ordered by its bytes. The
-- same tables and columns stand in ../sqlite.

CREATE TABLE projects (
    project_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    slug       TEXT    NOT NULL UNIQUE,
    zone       TEXT    NOT NULL,
    currency   TEXT    NOT NULL,
    created_at BIGINT  NOT NULL,
    -- The last small id given out in this project, to a connection, stream or series. Never given out twice.
    last_id    BIGINT  NOT NULL DEFAULT 0
);

CREATE TABLE connections (
    project_id               BIGINT  NOT NULL REFERENCES projects,
    connection_id            BIGINT  NOT NULL,
    public_id                UUID    NOT NULL UNIQUE,
    integration_id           TEXT    NOT NULL,
    name                     TEXT    NOT NULL,
    created_at               BIGINT  NOT NULL,
    account_id               TEXT    NOT NULL,
    account                  TEXT    NOT NULL,
    settings                 TEXT    NOT NULL,
    zone                     TEXT    NOT NULL,
    currency                 TEXT    NOT NULL,
    history_start            BIGINT  NOT NULL,
    sync_interval_minutes    BIGINT,
    max_quota_share_permille BIGINT  NOT NULL,
    state                    TEXT    NOT NULL,
    reason                   TEXT,
    until_at                 BIGINT,
    failures                 BIGINT  NOT NULL DEFAULT 0,
    paused                   BOOLEAN NOT NULL DEFAULT FALSE,
    due_at                   BIGINT  NOT NULL,
    last_synced_at           BIGINT,
    -- Who works on it until when. The fence rises with every claim, so that whoever was slow cannot write any more.
    lease_owner              TEXT,
    lease_until              BIGINT,
    fence                    BIGINT  NOT NULL DEFAULT 0,
    PRIMARY KEY (project_id, connection_id),
    UNIQUE (project_id, name),
    UNIQUE (project_id, integration_id, account_id)
);
CREATE INDEX connections_due ON connections (due_at) WHERE NOT paused;

CREATE TABLE credentials (
    project_id    BIGINT  NOT NULL,
    connection_id BIGINT  NOT NULL,
    key_id        TEXT    NOT NULL,
    wrapped_key   BYTEA   NOT NULL,
    body          BYTEA   NOT NULL,
    PRIMARY KEY (project_id, connection_id),
    FOREIGN KEY (project_id, connection_id) REFERENCES connections ON DELETE CASCADE
);

-- A run under way has no status.
CREATE TABLE runs (
    project_id      BIGINT  NOT NULL,
    connection_id   BIGINT  NOT NULL,
    started_at      BIGINT  NOT NULL,
    run_id          UUID    NOT NULL,
    status          TEXT,
    ended_at        BIGINT,
    requests        BIGINT  NOT NULL DEFAULT 0,
    bytes           BIGINT  NOT NULL DEFAULT 0,
    waited_ms       BIGINT  NOT NULL DEFAULT 0,
    samples_written BIGINT  NOT NULL DEFAULT 0,
    retry_at        BIGINT,
    error           TEXT,
    metrics         TEXT,
    progress        TEXT,
    PRIMARY KEY (project_id, connection_id, started_at, run_id),
    FOREIGN KEY (project_id, connection_id) REFERENCES connections ON DELETE CASCADE
);

-- dimension is '' for the total, currency is '' where there is none: both are part of what is unique.
CREATE TABLE series (
    project_id    BIGINT  NOT NULL,
    series_id     BIGINT  NOT NULL,
    connection_id BIGINT  NOT NULL,
    metric_id     TEXT    NOT NULL,
    dimension     TEXT    NOT NULL,
    currency      TEXT    NOT NULL,
    definition    BIGINT  NOT NULL,
    PRIMARY KEY (project_id, series_id),
    UNIQUE (project_id, connection_id, metric_id, dimension, currency),
    FOREIGN KEY (project_id, connection_id) REFERENCES connections ON DELETE CASCADE
);

-- One row a day and series: value and state together. No foreign key, it would cost a lookup for each point;
-- deleting a connection deletes its points.
CREATE TABLE points (
    project_id  BIGINT  NOT NULL,
    series_id   BIGINT  NOT NULL,
    day         INTEGER NOT NULL,
    value       BIGINT,
    denominator BIGINT,
    mark        SMALLINT NOT NULL,
    PRIMARY KEY (project_id, series_id, day)
);

-- The few points that have metadata.
CREATE TABLE notes (
    project_id BIGINT  NOT NULL,
    series_id  BIGINT  NOT NULL,
    day        INTEGER NOT NULL,
    body       TEXT    NOT NULL,
    PRIMARY KEY (project_id, series_id, day)
);

-- What a point was before a run changed it.
CREATE TABLE restatements (
    project_id      BIGINT  NOT NULL,
    series_id       BIGINT  NOT NULL,
    day             INTEGER NOT NULL,
    changed_at      BIGINT  NOT NULL,
    run_id          UUID    NOT NULL,
    old_value       BIGINT,
    old_denominator BIGINT,
    old_mark        SMALLINT NOT NULL,
    PRIMARY KEY (project_id, series_id, day, changed_at, run_id)
);

-- A stream of a connection with its checkpoint, if it has one.
CREATE TABLE streams (
    project_id    BIGINT  NOT NULL,
    stream_id     BIGINT  NOT NULL,
    connection_id BIGINT  NOT NULL,
    name          TEXT    NOT NULL,
    checkpoint    BYTEA,
    fingerprint   TEXT    NOT NULL DEFAULT '',
    PRIMARY KEY (project_id, stream_id),
    UNIQUE (project_id, connection_id, name),
    FOREIGN KEY (project_id, connection_id) REFERENCES connections ON DELETE CASCADE
);

-- An integration's own rows. group_key is '' for what is never listed by group, and then costs no index entry.
CREATE TABLE records (
    project_id BIGINT  NOT NULL,
    stream_id  BIGINT  NOT NULL,
    record_key TEXT COLLATE "C" NOT NULL,
    group_key  TEXT COLLATE "C" NOT NULL,
    body       BYTEA   NOT NULL,
    PRIMARY KEY (project_id, stream_id, record_key)
);
CREATE INDEX records_by_group ON records (project_id, stream_id, group_key, record_key) WHERE group_key <> '';

-- The newest receipt of a computed metric, one a currency.
CREATE TABLE receipts (
    project_id    BIGINT  NOT NULL,
    connection_id BIGINT  NOT NULL,
    metric_id     TEXT    NOT NULL,
    currency      TEXT    NOT NULL,
    day           INTEGER NOT NULL,
    body          TEXT    NOT NULL,
    PRIMARY KEY (project_id, connection_id, metric_id, currency),
    FOREIGN KEY (project_id, connection_id) REFERENCES connections ON DELETE CASCADE
);

-- Provider answers that stand behind a "not modified", compressed and sealed.
CREATE TABLE kept (
    project_id    BIGINT  NOT NULL,
    connection_id BIGINT  NOT NULL,
    request_key   TEXT    NOT NULL,
    etag          TEXT,
    last_modified TEXT,
    link          TEXT,
    key_id        TEXT    NOT NULL,
    wrapped_key   BYTEA   NOT NULL,
    body          BYTEA   NOT NULL,
    kept_at       BIGINT  NOT NULL,
    PRIMARY KEY (project_id, connection_id, request_key),
    FOREIGN KEY (project_id, connection_id) REFERENCES connections ON DELETE CASCADE
);
CREATE INDEX kept_by_age ON kept (kept_at);

-- What is left of a provider's windows. Of a credential, not of a project: two projects may share one.
CREATE TABLE budgets (
    budget        TEXT    NOT NULL,
    window_name   TEXT    NOT NULL,
    started_at    BIGINT  NOT NULL,
    window_ms     BIGINT  NOT NULL,
    used          BIGINT  NOT NULL,
    learned_limit BIGINT,
    remaining     BIGINT,
    resets_at     BIGINT  NOT NULL,
    blocked_until BIGINT,
    PRIMARY KEY (budget, window_name)
);

CREATE TABLE rates (
    day   INTEGER NOT NULL,
    base  TEXT    NOT NULL,
    quote TEXT    NOT NULL,
    rate  TEXT    NOT NULL,
    PRIMARY KEY (day, base, quote)
);

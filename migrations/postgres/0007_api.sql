-- What programs sign requests with. The key is shown once and is here only as its hash.
CREATE TABLE api_keys (
    project_id   BIGINT  NOT NULL REFERENCES projects,
    api_key_id   UUID    NOT NULL,
    name         TEXT    NOT NULL,
    -- read or write
    scope        TEXT    NOT NULL,
    key_hash     BYTEA   NOT NULL,
    last_four    TEXT    NOT NULL,
    created_at   BIGINT  NOT NULL,
    -- About when it was last used: written once a minute at most.
    last_used_at BIGINT,
    revoked_at   BIGINT,
    PRIMARY KEY (project_id, api_key_id)
);
CREATE UNIQUE INDEX api_keys_by_hash ON api_keys (key_hash);

-- Requests of a project in the hour that begins at `hour_at`, counted in portions that processes take for themselves.
CREATE TABLE api_hours (
    project_id BIGINT  NOT NULL PRIMARY KEY REFERENCES projects,
    hour_at    BIGINT  NOT NULL,
    used       BIGINT  NOT NULL
);

-- Metrics that programs push. They belong to a connection without credentials, which nothing syncs.
CREATE TABLE custom_metrics (
    project_id    BIGINT  NOT NULL,
    metric_id     TEXT    NOT NULL,
    connection_id BIGINT  NOT NULL,
    name          TEXT    NOT NULL,
    unit          TEXT    NOT NULL,
    -- Digits behind the point of the unit decimal: rises when a value has more.
    scale         BIGINT  NOT NULL,
    kind          TEXT    NOT NULL,
    -- Whether values of a dimension were pushed.
    has_dimension BOOLEAN NOT NULL,
    created_at    BIGINT  NOT NULL,
    PRIMARY KEY (project_id, metric_id),
    FOREIGN KEY (project_id, connection_id) REFERENCES connections ON DELETE CASCADE
);

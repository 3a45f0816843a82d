-- How often a connection changed. Whoever shows it looks here, and reads the rest only where a number has risen.
CREATE TABLE changes (
    project_id    BIGINT NOT NULL,
    connection_id BIGINT NOT NULL,
    -- Whatever dashboards show of it.
    numbers       BIGINT NOT NULL DEFAULT 0,
    -- What only its own page shows: how far a run is.
    steps         BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (project_id, connection_id),
    FOREIGN KEY (project_id, connection_id) REFERENCES connections ON DELETE CASCADE
);
INSERT INTO changes (project_id, connection_id) SELECT project_id, connection_id FROM connections;

-- The days that somebody chose last, and what they were compared with: both words of the address; empty before the first time.
ALTER TABLE users ADD COLUMN last_range TEXT NOT NULL DEFAULT '';

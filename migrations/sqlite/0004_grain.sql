-- A series is of days (0), or of whole weeks (1) or months (2) of what may not be added up, whose points lie on the first
-- day. The grain stands before the dimension, so that reading days passes over the weeks and months of all dimensions.
CREATE TABLE series_with_grain (
    project_id    INTEGER NOT NULL,
    series_id     INTEGER NOT NULL,
    connection_id INTEGER NOT NULL,
    metric_id     TEXT NOT NULL,
    grain         INTEGER NOT NULL,
    dimension     TEXT NOT NULL,
    currency      TEXT NOT NULL,
    definition    INTEGER NOT NULL,
    PRIMARY KEY (project_id, series_id),
    UNIQUE (project_id, connection_id, metric_id, grain, dimension, currency),
    FOREIGN KEY (project_id, connection_id) REFERENCES connections ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
INSERT INTO series_with_grain (project_id, series_id, connection_id, metric_id, grain, dimension, currency, definition)
SELECT project_id, series_id, connection_id, metric_id, 0, dimension, currency, definition FROM series;
DROP TABLE series;
ALTER TABLE series_with_grain RENAME TO series;

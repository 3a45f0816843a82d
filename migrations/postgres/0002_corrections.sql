-- What a run compared with the provider, found different and put right: JSON, NULL where nothing was.
ALTER TABLE runs ADD COLUMN corrections TEXT;
CREATE INDEX runs_corrected ON runs (project_id, ended_at) WHERE corrections IS NOT NULL;

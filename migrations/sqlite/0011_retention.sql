-- What grows without end is forgotten by age, a little at a time: these are how the old is found.
CREATE INDEX runs_by_end ON runs (ended_at);
CREATE INDEX restatements_by_age ON restatements (changed_at);

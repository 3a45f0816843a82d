-- What several processes have to agree on.

-- Wrong guesses at passwords. Who guessed (an address), and at whom (an account), is here only as a hash; rows live for a
-- quarter of an hour.
CREATE TABLE guesses (
    guesser_hash BLOB    NOT NULL PRIMARY KEY,
    -- When its quarter of an hour began.
    since_at     INTEGER NOT NULL,
    wrong        INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX guesses_by_age ON guesses (since_at);

-- Calls of a short window that still count, as `instant:calls` in milliseconds, oldest first: a provider may count such a
-- window from any instant on.
ALTER TABLE budgets ADD COLUMN recent TEXT NOT NULL DEFAULT '';

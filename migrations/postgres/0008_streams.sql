-- When a stream's settings or formulas last changed, after it had been read under others: milliseconds since 1970. What can
-- be read again was read again then; what cannot was not, and a chart may show a step there.
ALTER TABLE streams ADD COLUMN changed_at BIGINT;

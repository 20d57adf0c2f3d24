-- Accounts take turns where jobs are theirs. account: empty for jobs of none.
ALTER TABLE jobs ADD COLUMN account TEXT COLLATE "C" NOT NULL DEFAULT '';
CREATE INDEX jobs_due_of_account ON jobs (kind, account, due_at_ms) WHERE is_dead = 0;

-- Background work. A job that is being worked on is due again when its lease ends, so what is due is what can be taken.
CREATE TABLE jobs (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    kind          TEXT NOT NULL,
    key           TEXT NOT NULL,
    payload       TEXT NOT NULL,
    generation    INTEGER NOT NULL,
    attempts      INTEGER NOT NULL,
    created_at_ms INTEGER NOT NULL,
    due_at_ms     INTEGER NOT NULL,
    lease         TEXT,
    is_dead       INTEGER NOT NULL,
    last_error    TEXT,
    UNIQUE (kind, key)
);
CREATE INDEX jobs_due ON jobs (kind, due_at_ms) WHERE is_dead = 0;

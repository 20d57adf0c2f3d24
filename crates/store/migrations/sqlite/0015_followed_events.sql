-- The registries whose events somebody follows, and until when they are kept for it.
CREATE TABLE followed_registries (
    account_id TEXT NOT NULL,
    region     TEXT NOT NULL,
    until_ms   INTEGER NOT NULL,
    PRIMARY KEY (account_id, region)
) WITHOUT ROWID;

-- Their events since then, for a few minutes.
CREATE TABLE followed_events (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id TEXT NOT NULL,
    region     TEXT NOT NULL,
    at_ms      INTEGER NOT NULL,
    event      TEXT NOT NULL
);
CREATE INDEX followed_events_registry ON followed_events (account_id, region, id);
CREATE INDEX followed_events_age ON followed_events (at_ms);

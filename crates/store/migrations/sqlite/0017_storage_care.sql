-- What an object that is noted for removal frees; absent where it is not known.
ALTER TABLE removed_objects ADD COLUMN stored_bytes INTEGER;

-- The garbage collection: how far the last one got, and what all of them have removed. One row.
CREATE TABLE garbage_collections (
    id              INTEGER PRIMARY KEY CHECK (id = 1),
    started_at_ms   INTEGER NOT NULL,
    finished_at_ms  INTEGER,
    step            TEXT NOT NULL,
    counts          TEXT NOT NULL,
    error           TEXT,
    objects_removed INTEGER NOT NULL,
    bytes_removed   INTEGER NOT NULL
);

-- Until the time of the last of them has passed, no object is removed: somebody copies what a snapshot names.
CREATE TABLE collection_holds (
    id       TEXT PRIMARY KEY,
    until_ms INTEGER NOT NULL
) WITHOUT ROWID;

-- Checks of all that is stored; the last few are kept.
CREATE TABLE storage_checks (
    id             TEXT PRIMARY KEY,
    settings       TEXT NOT NULL,
    status         TEXT NOT NULL,
    started_at_ms  INTEGER NOT NULL,
    finished_at_ms INTEGER,
    progress       TEXT NOT NULL,
    error          TEXT
) WITHOUT ROWID;
CREATE INDEX storage_checks_started ON storage_checks (started_at_ms, id);

CREATE TABLE storage_findings (
    check_id TEXT NOT NULL REFERENCES storage_checks (id) ON DELETE CASCADE,
    number   INTEGER NOT NULL,
    finding  TEXT NOT NULL,
    PRIMARY KEY (check_id, number)
) WITHOUT ROWID;

-- The background scrub: where it is. One row.
CREATE TABLE storage_scrubs (
    id             INTEGER PRIMARY KEY CHECK (id = 1),
    started_at_ms  INTEGER NOT NULL,
    finished_at_ms INTEGER,
    last_blob_id   INTEGER NOT NULL,
    objects_read   INTEGER NOT NULL,
    bytes_read     INTEGER NOT NULL
);

-- Objects that were found damaged and that blobs still have their bytes in.
CREATE TABLE damaged_objects (
    object_id   TEXT PRIMARY KEY,
    problem     TEXT NOT NULL,
    found_at_ms INTEGER NOT NULL
) WITHOUT ROWID;

-- A row while a migration fills this database.
CREATE TABLE storage_moves (
    id INTEGER PRIMARY KEY CHECK (id = 1)
);

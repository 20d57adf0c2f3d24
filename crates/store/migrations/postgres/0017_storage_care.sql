-- What an object that is noted for removal frees; absent where it is not known.
ALTER TABLE removed_objects ADD COLUMN stored_bytes BIGINT;

-- The garbage collection: how far the last one got, and what all of them have removed. One row.
CREATE TABLE garbage_collections (
    id              BIGINT PRIMARY KEY CHECK (id = 1),
    started_at_ms   BIGINT NOT NULL,
    finished_at_ms  BIGINT,
    step            TEXT COLLATE "C" NOT NULL,
    counts          TEXT COLLATE "C" NOT NULL,
    error           TEXT COLLATE "C",
    objects_removed BIGINT NOT NULL,
    bytes_removed   BIGINT NOT NULL
);

-- Until the time of the last of them has passed, no object is removed: somebody copies what a snapshot names.
CREATE TABLE collection_holds (
    id       TEXT COLLATE "C" PRIMARY KEY,
    until_ms BIGINT NOT NULL
);

-- Checks of all that is stored; the last few are kept.
CREATE TABLE storage_checks (
    id             TEXT COLLATE "C" PRIMARY KEY,
    settings       TEXT COLLATE "C" NOT NULL,
    status         TEXT COLLATE "C" NOT NULL,
    started_at_ms  BIGINT NOT NULL,
    finished_at_ms BIGINT,
    progress       TEXT COLLATE "C" NOT NULL,
    error          TEXT COLLATE "C"
);
CREATE INDEX storage_checks_started ON storage_checks (started_at_ms, id);

CREATE TABLE storage_findings (
    check_id TEXT COLLATE "C" NOT NULL REFERENCES storage_checks (id) ON DELETE CASCADE,
    number   BIGINT NOT NULL,
    finding  TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (check_id, number)
);

-- The background scrub: where it is. One row.
CREATE TABLE storage_scrubs (
    id             BIGINT PRIMARY KEY CHECK (id = 1),
    started_at_ms  BIGINT NOT NULL,
    finished_at_ms BIGINT,
    last_blob_id   BIGINT NOT NULL,
    objects_read   BIGINT NOT NULL,
    bytes_read     BIGINT NOT NULL
);

-- Objects that were found damaged and that blobs still have their bytes in.
CREATE TABLE damaged_objects (
    object_id   TEXT COLLATE "C" PRIMARY KEY,
    problem     TEXT COLLATE "C" NOT NULL,
    found_at_ms BIGINT NOT NULL
);

-- A row while a migration fills this database.
CREATE TABLE storage_moves (
    id BIGINT PRIMARY KEY CHECK (id = 1)
);

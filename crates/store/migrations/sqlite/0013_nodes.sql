-- The nodes that share the database, as they last said of themselves.
CREATE TABLE nodes (
    id TEXT PRIMARY KEY,
    address TEXT NOT NULL,
    version TEXT NOT NULL,
    started_at_ms BIGINT NOT NULL,
    seen_at_ms BIGINT NOT NULL,
    -- The version of identities and policies that it decides by.
    identity_version BIGINT NOT NULL
);

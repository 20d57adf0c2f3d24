-- Objects of blobs that are so short that they are in no store, sealed as they would be there.
CREATE TABLE small_blobs (
    blob_id BIGINT PRIMARY KEY REFERENCES blobs (id) ON DELETE CASCADE,
    sealed  BYTEA NOT NULL
);

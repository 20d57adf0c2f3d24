-- Objects of blobs that are so short that they are in no store, sealed as they would be there.
CREATE TABLE small_blobs (
    blob_id INTEGER PRIMARY KEY REFERENCES blobs (id) ON DELETE CASCADE,
    sealed  BLOB NOT NULL
);

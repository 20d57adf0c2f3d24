-- A value sealed with the service key, which tells whether a server has the key that everything here is encrypted with.
CREATE TABLE service_key_check (
    id     INTEGER PRIMARY KEY,
    sealed BLOB NOT NULL
);

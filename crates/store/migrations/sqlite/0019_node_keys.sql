-- The version of root keys and KMS keys that a node decides by. Of a node that does not say so it is not known to have any.
ALTER TABLE nodes ADD COLUMN key_version BIGINT NOT NULL DEFAULT 0;

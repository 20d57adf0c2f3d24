-- Whether an image was looked at and holds statements (attestations, signatures), but no files that could run.
ALTER TABLE images ADD COLUMN is_artifact INTEGER NOT NULL DEFAULT 0;

-- Changes no table: see the script for SQLite. PostgreSQL has checksums of its own.
SELECT 1;

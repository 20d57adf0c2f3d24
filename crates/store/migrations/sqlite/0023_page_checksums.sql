-- Changes no table. From here on the pages of the embedded database carry checksums, and programs from before would write
-- pages without: they refuse a database of this version.
SELECT 1;

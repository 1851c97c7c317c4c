-- Lists are in the order of the ids' bytes, whatever the database's own collation is: with the ids
-- in that order an index gives a page, and the next one, without a look at the rest.

ALTER TABLE resource ALTER COLUMN id TYPE text COLLATE "C";
ALTER TABLE event ALTER COLUMN id TYPE text COLLATE "C";

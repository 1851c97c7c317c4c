-- The keys that secrets are sealed under, each wrapped by the master key. Beside the log, whose
-- events hold sealed text alone: what is appended there stays for ever, a key that is deleted here
-- leaves its text shut for ever. A value's key lives as long as the value is the present one.

CREATE TABLE data_key (
  fleet    text             NOT NULL REFERENCES log_head (fleet),
  key      text             NOT NULL,
  resource text             NOT NULL,
  id       text COLLATE "C" NOT NULL,
  -- Begins with the id of the master key, and a dot.
  wrapped  text             NOT NULL,
  PRIMARY KEY (fleet, key)
);

CREATE INDEX data_key_holder ON data_key (fleet, resource, id);

-- The sealed text of a spec, and the id of its data key; null where there is none.
CREATE FUNCTION sealed_text_of(spec jsonb) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT coalesce(spec ->> 'sealed', spec #>> '{credential,sealed}')
$$;

CREATE FUNCTION data_key_of(spec jsonb) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN sealed_text_of(spec) LIKE 'dk1:%'
    THEN split_part(sealed_text_of(spec), ':', 2) END
$$;

-- Whoever appends: with a value that is deleted or replaced goes its key, in the same transaction.
CREATE FUNCTION shred_data_keys() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM data_key k USING appended e
  WHERE e.resource IN ('secret', 'backend')
    AND k.fleet = e.fleet AND k.resource = e.resource AND k.id = e.id
    AND k.key IS DISTINCT FROM data_key_of(e.spec)
    -- A log that is copied comes in with all of its past.
    AND NOT EXISTS (SELECT 1 FROM event newer
      WHERE newer.fleet = e.fleet AND newer.resource = e.resource AND newer.id = e.id
        AND newer.version > e.version);
  RETURN NULL;
END $$;

CREATE TRIGGER event_shreds_data_keys AFTER INSERT ON event
  REFERENCING NEW TABLE AS appended FOR EACH STATEMENT EXECUTE FUNCTION shred_data_keys();

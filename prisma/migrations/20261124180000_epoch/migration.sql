-- Which Postgres the log was last seen in. Another system or timeline: it was restored or another
-- server took over, and what was committed last may be missing. Then a new epoch begins.
ALTER TABLE log_head ADD COLUMN system_identifier text, ADD COLUMN timeline integer;

-- The number of the shapes that a spec was written in: a reader makes today's out of it.
ALTER TABLE resource ADD COLUMN schema integer NOT NULL DEFAULT 1;
UPDATE resource r SET schema = e.schema FROM event e
WHERE e.fleet = r.fleet AND e.resource = r.resource AND e.id = r.id AND e.version = r.version;
ALTER TABLE resource ALTER COLUMN schema DROP DEFAULT;

-- As before, but the first revision of an epoch may be empty: it tells everybody that it began.
-- Appends one revision whose canonical JSON is p_body. The caller holds the lock on log_head. What
-- the bytes say about their place in the log must be so, and their hash must be the caller's.
CREATE OR REPLACE FUNCTION append_revision(p_fleet text, p_body bytea, p_hash bytea) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  head     log_head%ROWTYPE;
  body     jsonb       := convert_from(p_body, 'UTF8')::jsonb;
  next     bigint      := (body ->> 'revision')::bigint;
  at       timestamptz := (body ->> 'at')::timestamptz;
  appended bigint;
  begins   boolean;
BEGIN
  SELECT * INTO STRICT head FROM log_head WHERE fleet = p_fleet FOR UPDATE;
  IF (body ->> 'fleet', body ->> 'lineage', body ->> 'epoch', next)
     IS DISTINCT FROM (p_fleet, head.lineage::text, head.epoch::text, head.revision + 1) THEN
    RAISE EXCEPTION 'revision % of fleet %, epoch %, does not follow % of fleet %, epoch %',
      next, body ->> 'fleet', body ->> 'epoch', head.revision, p_fleet, head.epoch;
  END IF;
  IF revision_hash(head.hash, head.epoch, next, p_body) IS DISTINCT FROM p_hash THEN
    RAISE EXCEPTION 'the hash of revision % is not the one of its bytes', next;
  END IF;

  begins := head.epoch > coalesce(
    (SELECT epoch FROM revision WHERE fleet = p_fleet AND revision = head.revision), 1);

  INSERT INTO revision (fleet, revision, epoch, committed_at, actor, body, previous_hash, hash)
  VALUES (p_fleet, next, head.epoch, at, body ->> 'actor', p_body, head.hash, p_hash);

  INSERT INTO event (fleet, position, revision, resource, id, version, type, schema, spec)
  SELECT p_fleet, (e ->> 'position')::bigint, next, e ->> 'resource', e ->> 'id',
         (e ->> 'version')::bigint, e ->> 'type', (e ->> 'schema')::integer,
         nullif(e -> 'spec', 'null'::jsonb)
  FROM jsonb_array_elements(body -> 'events') WITH ORDINALITY AS listed (e, nth)
  WHERE (e ->> 'position')::bigint = head.position + nth;
  GET DIAGNOSTICS appended = ROW_COUNT;
  IF appended <> jsonb_array_length(body -> 'events') OR appended = 0 AND NOT begins THEN
    RAISE EXCEPTION 'the events of revision % do not follow position %', next, head.position;
  END IF;

  DELETE FROM resource r USING event e
  WHERE e.fleet = p_fleet AND e.revision = next AND e.spec IS NULL
    AND r.fleet = p_fleet AND r.resource = e.resource AND r.id = e.id;

  INSERT INTO resource
    (fleet, resource, id, version, revision, created_at, updated_at, schema, spec)
  SELECT fleet, resource, id, version, revision, at, at, schema, spec
  FROM event WHERE fleet = p_fleet AND revision = next AND spec IS NOT NULL
  ON CONFLICT (fleet, resource, id) DO UPDATE
  SET version = excluded.version, revision = excluded.revision,
      updated_at = excluded.updated_at, schema = excluded.schema, spec = excluded.spec;

  UPDATE log_head SET revision = next, hash = p_hash, position = head.position + appended
  WHERE fleet = p_fleet;

  PERFORM pg_notify('signalbox_revision', p_fleet || ':' || next);
END $$;

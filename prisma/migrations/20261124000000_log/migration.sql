-- The log. One row of log_head is locked from the start of a command to its commit, so commit order
-- is number order, without gaps. The bytes in revision.body are the truth; event rows are an index
-- that append_revision() derives from them; resource rows are the state at the head.

CREATE TABLE log_head (
  fleet    text   PRIMARY KEY,
  lineage  uuid   NOT NULL,
  epoch    bigint NOT NULL,
  revision bigint NOT NULL,
  position bigint NOT NULL,
  hash     bytea  NOT NULL
);

CREATE TABLE revision (
  fleet         text        NOT NULL REFERENCES log_head (fleet),
  revision      bigint      NOT NULL,
  epoch         bigint      NOT NULL,
  committed_at  timestamptz NOT NULL,
  actor         text        NOT NULL,
  body          bytea       NOT NULL,
  previous_hash bytea       NOT NULL,
  hash          bytea       NOT NULL,
  PRIMARY KEY (fleet, revision)
);

CREATE INDEX revision_committed_at ON revision (fleet, committed_at);

CREATE TABLE event (
  fleet    text    NOT NULL,
  position bigint  NOT NULL,
  revision bigint  NOT NULL,
  resource text    NOT NULL,
  id       text    NOT NULL,
  version  bigint  NOT NULL,
  type     text    NOT NULL,
  schema   integer NOT NULL,
  spec     jsonb,
  PRIMARY KEY (fleet, position),
  UNIQUE (fleet, resource, id, version),
  -- A revision is a net effect: it changes a resource once.
  UNIQUE (fleet, revision, resource, id),
  FOREIGN KEY (fleet, revision) REFERENCES revision (fleet, revision)
);

CREATE TABLE resource (
  fleet      text        NOT NULL,
  resource   text        NOT NULL,
  id         text        NOT NULL,
  version    bigint      NOT NULL,
  revision   bigint      NOT NULL,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  spec       jsonb       NOT NULL,
  PRIMARY KEY (fleet, resource, id)
);

CREATE TABLE idempotency (
  fleet        text        NOT NULL,
  key          text        NOT NULL,
  request_hash text        NOT NULL,
  revision     bigint      NOT NULL,
  status       integer     NOT NULL,
  headers      jsonb       NOT NULL,
  body         text        NOT NULL,
  created_at   timestamptz NOT NULL,
  PRIMARY KEY (fleet, key)
);

CREATE INDEX idempotency_created_at ON idempotency (fleet, created_at);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the log is append-only: % of % is refused', TG_OP, TG_TABLE_NAME;
END $$;

CREATE TRIGGER revision_is_append_only BEFORE UPDATE OR DELETE ON revision
  FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER revision_is_not_truncated BEFORE TRUNCATE ON revision
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER event_is_append_only BEFORE UPDATE OR DELETE ON event
  FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER event_is_not_truncated BEFORE TRUNCATE ON event
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Replicas and restores that run with session_replication_role = replica are held to it as well.
ALTER TABLE revision ENABLE ALWAYS TRIGGER revision_is_append_only;
ALTER TABLE revision ENABLE ALWAYS TRIGGER revision_is_not_truncated;
ALTER TABLE event ENABLE ALWAYS TRIGGER event_is_append_only;
ALTER TABLE event ENABLE ALWAYS TRIGGER event_is_not_truncated;

-- The chain of libs/model/src/chain.ts: a leaf over the bytes, a node over what came before and it.
CREATE FUNCTION revision_hash(previous bytea, epoch bigint, revision bigint, body bytea)
RETURNS bytea LANGUAGE sql IMMUTABLE STRICT AS $$
  SELECT sha256('\x01'::bytea || previous || int8send(epoch) || int8send(revision)
                || sha256('\x00'::bytea || body))
$$;

-- Appends one revision whose canonical JSON is p_body. The caller holds the lock on log_head. What
-- the bytes say about their place in the log must be so, and their hash must be the caller's.
CREATE FUNCTION append_revision(p_fleet text, p_body bytea, p_hash bytea) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  head     log_head%ROWTYPE;
  body     jsonb       := convert_from(p_body, 'UTF8')::jsonb;
  next     bigint      := (body ->> 'revision')::bigint;
  at       timestamptz := (body ->> 'at')::timestamptz;
  appended bigint;
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

  INSERT INTO revision (fleet, revision, epoch, committed_at, actor, body, previous_hash, hash)
  VALUES (p_fleet, next, head.epoch, at, body ->> 'actor', p_body, head.hash, p_hash);

  INSERT INTO event (fleet, position, revision, resource, id, version, type, schema, spec)
  SELECT p_fleet, (e ->> 'position')::bigint, next, e ->> 'resource', e ->> 'id',
         (e ->> 'version')::bigint, e ->> 'type', (e ->> 'schema')::integer,
         nullif(e -> 'spec', 'null'::jsonb)
  FROM jsonb_array_elements(body -> 'events') WITH ORDINALITY AS listed (e, nth)
  WHERE (e ->> 'position')::bigint = head.position + nth;
  GET DIAGNOSTICS appended = ROW_COUNT;
  IF appended = 0 OR appended <> jsonb_array_length(body -> 'events') THEN
    RAISE EXCEPTION 'the events of revision % do not follow position %', next, head.position;
  END IF;

  DELETE FROM resource r USING event e
  WHERE e.fleet = p_fleet AND e.revision = next AND e.spec IS NULL
    AND r.fleet = p_fleet AND r.resource = e.resource AND r.id = e.id;

  INSERT INTO resource (fleet, resource, id, version, revision, created_at, updated_at, spec)
  SELECT fleet, resource, id, version, revision, at, at, spec
  FROM event WHERE fleet = p_fleet AND revision = next AND spec IS NOT NULL
  ON CONFLICT (fleet, resource, id) DO UPDATE
  SET version = excluded.version, revision = excluded.revision,
      updated_at = excluded.updated_at, spec = excluded.spec;

  UPDATE log_head SET revision = next, hash = p_hash, position = head.position + appended
  WHERE fleet = p_fleet;

  PERFORM pg_notify('signalbox_revision', p_fleet || ':' || next);
END $$;

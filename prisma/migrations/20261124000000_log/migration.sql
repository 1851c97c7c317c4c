-- The log. One row of log_head is locked from the start of a command to its commit, so commit order
-- is number order and there are no gaps. The bytes in revision.body are the truth; event rows are an
-- index that append_revision() derives from them; resource rows are the state at the head.

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
  FOREIGN KEY (fleet, revision) REFERENCES revision (fleet, revision)
);

CREATE INDEX event_revision ON event (fleet, revision);

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

-- Appends one revision whose canonical JSON is p_body. The caller holds the lock on log_head. The
-- hash is computed here from the bytes (libs/model/src/chain.ts says how) and must be the caller's.
CREATE FUNCTION append_revision(p_fleet text, p_body bytea, p_hash bytea) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  head log_head%ROWTYPE;
  body jsonb := convert_from(p_body, 'UTF8')::jsonb;
  next_revision bigint := (body ->> 'revision')::bigint;
  leaf bytea := sha256('\x00'::bytea || p_body);
  computed bytea;
BEGIN
  SELECT * INTO STRICT head FROM log_head WHERE fleet = p_fleet FOR UPDATE;
  IF next_revision <> head.revision + 1 OR (body ->> 'epoch')::bigint <> head.epoch THEN
    RAISE EXCEPTION 'revision % does not follow % of epoch %', next_revision, head.revision, head.epoch;
  END IF;
  computed := sha256('\x01'::bytea || head.hash || int8send(head.epoch) || int8send(next_revision) || leaf);
  IF computed <> p_hash THEN
    RAISE EXCEPTION 'the hash of revision % is not the one of its bytes', next_revision;
  END IF;

  INSERT INTO revision (fleet, revision, epoch, committed_at, actor, body, previous_hash, hash)
  VALUES (p_fleet, next_revision, head.epoch, (body ->> 'at')::timestamptz, body ->> 'actor',
          p_body, head.hash, computed);

  INSERT INTO event (fleet, position, revision, resource, id, version, type, schema, spec)
  SELECT p_fleet, (e ->> 'position')::bigint, next_revision, e ->> 'resource', e ->> 'id',
         (e ->> 'version')::bigint, e ->> 'type', (e ->> 'schema')::integer,
         nullif(e -> 'spec', 'null'::jsonb)
  FROM jsonb_array_elements(body -> 'events') AS e;

  DELETE FROM resource r USING event e
  WHERE e.fleet = p_fleet AND e.revision = next_revision AND e.spec IS NULL
    AND r.fleet = p_fleet AND r.resource = e.resource AND r.id = e.id;

  INSERT INTO resource (fleet, resource, id, version, revision, created_at, updated_at, spec)
  SELECT DISTINCT ON (resource, id) p_fleet, resource, id, version, next_revision,
         (body ->> 'at')::timestamptz, (body ->> 'at')::timestamptz, spec
  FROM event WHERE fleet = p_fleet AND revision = next_revision AND spec IS NOT NULL
  ORDER BY resource, id, version DESC
  ON CONFLICT (fleet, resource, id) DO UPDATE
  SET version = excluded.version, revision = excluded.revision,
      updated_at = excluded.updated_at, spec = excluded.spec;

  UPDATE log_head
  SET revision = next_revision, hash = computed,
      position = head.position + jsonb_array_length(body -> 'events')
  WHERE fleet = p_fleet;

  PERFORM pg_notify('signalbox_revision', p_fleet || ':' || next_revision);
END $$;

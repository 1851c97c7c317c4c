-- What the control plane has signed about its log, and who was turned away.

CREATE TABLE checkpoint (
  fleet    text        NOT NULL REFERENCES log_head (fleet),
  revision bigint      NOT NULL,
  at       timestamptz NOT NULL,
  note     text        NOT NULL,
  PRIMARY KEY (fleet, revision)
);

CREATE TRIGGER checkpoint_is_append_only BEFORE UPDATE OR DELETE ON checkpoint
  FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER checkpoint_is_not_truncated BEFORE TRUNCATE ON checkpoint
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE checkpoint ENABLE ALWAYS TRIGGER checkpoint_is_append_only;
ALTER TABLE checkpoint ENABLE ALWAYS TRIGGER checkpoint_is_not_truncated;

-- Calls that were refused. Old rows go; this is no part of the log.
CREATE TABLE denial (
  id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  fleet      text        NOT NULL,
  at         timestamptz NOT NULL,
  actor      text,
  role       text,
  address    text,
  method     text        NOT NULL,
  path       text        NOT NULL,
  status     integer     NOT NULL,
  code       text        NOT NULL,
  request_id text        NOT NULL
);

CREATE INDEX denial_fleet_id ON denial (fleet, id);
CREATE INDEX denial_at ON denial (at);

-- When a principal's token was last used: observed, so beside the log.
CREATE TABLE last_use (
  fleet     text        NOT NULL,
  principal text        NOT NULL,
  at        timestamptz NOT NULL,
  PRIMARY KEY (fleet, principal)
);

-- When a backend changed sides, for people: observed, beside the log. Old rows go.

CREATE TABLE transition (
  id        bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  fleet     text        NOT NULL,
  backend   text        NOT NULL,
  health    text        NOT NULL,
  since     timestamptz NOT NULL,
  at        timestamptz NOT NULL,
  error     text,
  observers text[]      NOT NULL,
  -- Every admin-api works out the same; the first to say so is kept.
  CONSTRAINT transition_once UNIQUE (fleet, backend, since, health)
);

CREATE INDEX transition_backend ON transition (fleet, backend, id);
CREATE INDEX transition_at ON transition (fleet, at);

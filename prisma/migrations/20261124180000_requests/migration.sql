-- One row a request, as the proxies report them: observed, so beside the log and in no chain. By
-- day (UTC), so that what is old goes by dropping a table; libs/store makes and drops the days.
-- Reported at least once, kept once: the primary key has the time only because a partitioned table
-- wants it there, and a record's time never changes.

CREATE TABLE requests (
  fleet             text             NOT NULL,
  proxy             text             NOT NULL,
  id                text             NOT NULL,
  at                timestamptz      NOT NULL,
  request_id        text             NOT NULL,
  revision          bigint,
  operation         text             NOT NULL,
  key               text,
  model             text,
  route             text,
  -- Of the last attempt.
  backend           text,
  status            integer          NOT NULL,
  code              text,
  duration_ms       double precision NOT NULL,
  first_byte_ms     double precision,
  bytes             bigint           NOT NULL,
  prompt_tokens     bigint,
  completion_tokens bigint,
  cached_tokens     bigint,
  reasoning_tokens  bigint,
  attempts          json             NOT NULL,
  PRIMARY KEY (fleet, proxy, id, at)
) PARTITION BY RANGE (at);

CREATE INDEX requests_request_id ON requests (fleet, request_id);
CREATE INDEX requests_at ON requests (fleet, at);
CREATE INDEX requests_route ON requests (fleet, route, at);
CREATE INDEX requests_key ON requests (fleet, key, at);
CREATE INDEX requests_backend ON requests (fleet, backend, at);

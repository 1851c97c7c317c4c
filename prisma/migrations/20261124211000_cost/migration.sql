-- What requests cost, and what keys have spent a day: added up as records are stored, in the same
-- statement, so that a record that comes twice is counted once, and nobody adds up a month of them.

ALTER TABLE requests ADD COLUMN cost_usd double precision;

CREATE TABLE spending (
  fleet text             NOT NULL,
  key   text             NOT NULL,
  -- UTC.
  day   date             NOT NULL,
  usd   double precision NOT NULL,
  PRIMARY KEY (fleet, key, day)
);

-- Of a million keys, the few that have a budget.
CREATE INDEX resource_budget ON resource (fleet, id)
  WHERE resource = 'key' AND (spec -> 'budget') IS NOT NULL;

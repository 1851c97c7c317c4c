-- Whether the tokens of a request are a guess: its backend did not count them all.

ALTER TABLE requests ADD COLUMN tokens_estimated boolean NOT NULL DEFAULT false;

-- What follows from the ledger and is kept beside it: duties with the day they are counted from, and numbers. No facts of their own:
-- all of it can be counted anew from position 0.

CREATE TABLE follow (
    -- The one row that says how far the ledger and the evidence log were read for the docket and the tallies.
    only_row       INTEGER PRIMARY KEY CHECK (only_row = 1), -- always 1
    position       INTEGER NOT NULL,                         -- revisions up to here are taken in
    evidence       INTEGER NOT NULL                          -- evidence entries below this index are taken in
);

INSERT INTO follow (only_row, position, evidence) VALUES (1, 0, 0);

CREATE TABLE docket (
    -- Duties that somebody has yet to do.
    matter         TEXT    NOT NULL,                         -- a record id, or `declaration:<participant>/<number>`
    duty           TEXT    NOT NULL,                         -- token of the duty
    detail         TEXT    NOT NULL,                         -- scope, item or addressee; empty = none
    record_id      TEXT    NOT NULL,                         -- record it is about
    position       INTEGER NOT NULL,                         -- revision it follows from
    answerable     TEXT    NOT NULL,                         -- participant who is to do it
    since          TEXT    NOT NULL,                         -- day it is counted from, YYYY-MM-DD
    stated         TEXT,                                     -- last day as a document states it; NULL = counted by configuration
    raised_at      INTEGER,                                  -- when it was raised as overdue; NULL = it was not
    PRIMARY KEY (matter, duty, detail)
) WITHOUT ROWID;

-- For what becomes overdue, by the day it is counted from or the day stated.
CREATE INDEX docket_since ON docket (duty, since) WHERE raised_at IS NULL AND stated IS NULL;
CREATE INDEX docket_stated ON docket (stated) WHERE raised_at IS NULL AND stated IS NOT NULL;
-- For what is overdue, and what one participant has to do.
CREATE INDEX docket_raised ON docket (raised_at) WHERE raised_at IS NOT NULL;
CREATE INDEX docket_answerable ON docket (answerable, duty);
CREATE INDEX docket_duty ON docket (duty, since);

CREATE TABLE tally (
    -- Numbers for statistics.
    sheet          TEXT    NOT NULL,                         -- which statistic
    cell           TEXT    NOT NULL,                         -- which cell of it: its parts, separated by `|`
    number         INTEGER NOT NULL,                         -- the number
    PRIMARY KEY (sheet, cell)
) WITHOUT ROWID;

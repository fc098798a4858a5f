-- Filters that select little pass over blocks of positions that hold nothing for them.

CREATE TABLE block_summary (
    -- What a full block of 4,096 positions holds, made behind the commits from `revision`, which alone is the ledger. A block without a
    -- row is read; a row never changes.
    block          INTEGER PRIMARY KEY,                      -- block n holds positions n·4096 .. (n + 1)·4096
    classes        BLOB    NOT NULL,                         -- kinds, steps, product kinds, failed items and provinces in it
    codes          BLOB    NOT NULL                          -- a set that may be asked whether it holds a credit code
);

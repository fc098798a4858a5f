-- Dead letters: whole histories, and runs over many of them that go on after a crash.

ALTER TABLE subscription_retry ADD COLUMN left_out INTEGER NOT NULL DEFAULT 0;   -- earlier attempts that `history` no longer has
ALTER TABLE subscription_dead ADD COLUMN left_out INTEGER NOT NULL DEFAULT 0;    -- earlier attempts that `history` no longer has
ALTER TABLE subscription_dead ADD COLUMN died_entry INTEGER NOT NULL DEFAULT 0;  -- evidence entries after the commit in which it died

CREATE TABLE dead_letter_run (
    -- How far the redrives and discards of dead letters are. Written with each chunk, so that whoever asks again goes on.
    subscription   TEXT    NOT NULL,                         -- the subscription
    request_id     TEXT    NOT NULL,                         -- chosen by who asked
    act            TEXT    NOT NULL,                         -- `redrive` or `discard`
    selector       BLOB    NOT NULL,                         -- digest of the selector, 32 bytes
    head           INTEGER NOT NULL,                         -- head position when it began
    entries        INTEGER NOT NULL,                         -- evidence entries when it began: letters that died later are not in it
    begun_at       INTEGER NOT NULL,                         -- when it began
    selected       INTEGER NOT NULL,                         -- letters selected
    done           INTEGER NOT NULL,                         -- of these, changed so far
    after          INTEGER NOT NULL,                         -- every position at or below is worked through
    PRIMARY KEY (subscription, request_id)
) WITHOUT ROWID;

-- The ledger, the subscriptions and the evidence log. SQLite keeps these comments with the tables (`.schema` shows them).
-- Times are microseconds since 1970-01-01T00:00:00Z. Positions count from 1 without gaps; evidence indexes from 0.

CREATE TABLE head (
    -- The one row that every commit locks, reads and moves: what the next commit builds on.
    only_row       INTEGER PRIMARY KEY CHECK (only_row = 1), -- always 1
    ledger_id      TEXT    NOT NULL,                         -- random, 32 hexadecimal characters; cursors name it
    generation     INTEGER NOT NULL,                         -- raised by a restore; cursors name it
    position       INTEGER NOT NULL,                         -- last position taken; 0 = empty
    committed_at   INTEGER NOT NULL,                         -- time of the last commit
    evidence_size  INTEGER NOT NULL,                         -- entries in the evidence log
    evidence_root  BLOB    NOT NULL,                         -- root of the evidence tree at that size, 32 bytes
    frontier       BLOB    NOT NULL                          -- right edge of the evidence tree: size, then its hashes
);

CREATE TABLE commit_log (
    -- One row a commit: turns times into positions, and answers whether a group is on disk.
    committed_at   INTEGER PRIMARY KEY,                      -- commit time; strictly rising
    position       INTEGER NOT NULL,                         -- head position after the commit
    evidence_size  INTEGER NOT NULL,                         -- evidence entries after the commit
    group_id       BLOB    NOT NULL                          -- id of the group of acts, 16 bytes
);

CREATE TABLE record (
    -- One row a record: what the next revision of it is decided by.
    first_position INTEGER PRIMARY KEY,                      -- position of the first revision; what other tables name it by
    record_id      TEXT    NOT NULL UNIQUE,                  -- `<participant>/…`
    kind           INTEGER NOT NULL,                         -- kind of record, from 1 as in the protocol; never changes
    order_key      TEXT    NOT NULL,                         -- key that deliveries are ordered by; never changes
    nonconformity  INTEGER,                                  -- of a disposition: first position of its nonconformity
    revision       INTEGER NOT NULL,                         -- latest revision
    position       INTEGER NOT NULL,                         -- position of the latest revision
    content_digest BLOB    NOT NULL                          -- unsalted digest of its content, 32 bytes; never leaves the gateway
);

CREATE TABLE revision (
    -- One row a position: the ledger itself. Rows are never changed.
    position       INTEGER PRIMARY KEY,                      -- place in the ledger
    first_position INTEGER NOT NULL,                         -- the record
    revision       INTEGER NOT NULL,                         -- number of the revision, from 1
    kind           INTEGER NOT NULL,                         -- kind of record
    publisher      TEXT    NOT NULL,                         -- participant that published it
    committed_at   INTEGER NOT NULL,                         -- commit time
    withdrawn      INTEGER NOT NULL,                         -- 1 = this revision withdraws the record
    published      INTEGER NOT NULL,                         -- 0 = a result that is not published yet
    region         INTEGER,                                  -- region number of the producer, else of the publisher
    product_kinds  INTEGER NOT NULL,                         -- set of product kinds, one bit each
    failed_items   INTEGER NOT NULL,                         -- set of failed inspection items, one bit each
    step           INTEGER,                                  -- what it does to the life cycle, packed
    credit_code    TEXT,                                     -- the enterprise, given or resolved
    name_key       TEXT    NOT NULL,                         -- strict key of the enterprise's name; empty = none
    previous       TEXT,                                     -- attributes of the predecessor, JSON; NULL = none
    open           BLOB    NOT NULL,                         -- canonical bytes of the section `open`
    restricted     BLOB,                                     -- canonical bytes of the section `restricted`; NULL = none
    salts          BLOB    NOT NULL,                         -- salt of `open`, then of `restricted`, 16 bytes each
    provenance     TEXT,                                     -- file, sheet and row it was read from, JSON; NULL = not said
    resolution     TEXT,                                     -- how the producer's name was resolved, JSON; NULL = was not
    digest         BLOB    NOT NULL                          -- digest that evidence refers to, 32 bytes
);

-- First revisions stand at their record's first position and need no index: only later ones are in it.
CREATE UNIQUE INDEX revision_later ON revision (first_position, revision) WHERE revision > 1;
-- For lists by kind, ascending by position.
CREATE INDEX revision_kind ON revision (kind);

CREATE TABLE record_key (
    -- What records can be found by: hashes of labelled texts. A record stays filed under keys of earlier revisions.
    -- Keys are as good as random, and a random insert costs a page of the log: cut by position, all inserts of a time touch one
    -- small tree, however large the ledger is. Readers look into each segment.
    segment        INTEGER NOT NULL,                         -- position of the revision that filed it, divided by 16,384
    key            INTEGER NOT NULL,                         -- first 8 bytes of the digest of label and text
    position       INTEGER NOT NULL,                         -- first position of the record; for order keys each revision's own
    PRIMARY KEY (segment, key, position)
) WITHOUT ROWID;

CREATE TABLE register_key (
    -- The names of the survey rows, in one piece: read for every producer named without a code, under the head lock.
    key            INTEGER NOT NULL,                         -- strict or form key of the name, hashed
    position       INTEGER NOT NULL,                         -- first position of the survey record
    PRIMARY KEY (key, position)
) WITHOUT ROWID;

CREATE TABLE chain (
    -- Steps of the dispositions in force of each nonconformity.
    nonconformity  INTEGER NOT NULL,                         -- first position of the nonconformity
    disposition    INTEGER NOT NULL,                         -- first position of the disposition
    step           INTEGER NOT NULL,                         -- step of its latest revision, packed
    PRIMARY KEY (nonconformity, disposition)
) WITHOUT ROWID;

CREATE TABLE attestation (
    -- Up to when publishers say that a feed is complete.
    publisher      TEXT    NOT NULL,                         -- participant
    feed           TEXT    NOT NULL,                         -- name of the feed
    region         INTEGER NOT NULL,                         -- region number; 0 = nationwide
    complete_to    INTEGER NOT NULL,                         -- complete to this time; never moves back
    PRIMARY KEY (publisher, feed, region)
) WITHOUT ROWID;

CREATE TABLE subscription (
    -- A participant's durable place in the ledger.
    subscription   TEXT    PRIMARY KEY,                      -- `<participant>/<name>`
    spec           TEXT    NOT NULL,                         -- settings, JSON
    created_at     INTEGER NOT NULL,                         -- when it was made
    start_floor    INTEGER NOT NULL,                         -- everything at or below was passed from the start
    snapshot_at    INTEGER NOT NULL,                         -- position of the snapshot it started from; 0 = none
    epoch          INTEGER NOT NULL,                         -- raised before the first send of each attach
    floor          INTEGER NOT NULL,                         -- every position at or below is passed
    failures       INTEGER NOT NULL,                         -- failures in a row
    circuit_since  INTEGER                                   -- since when the circuit is open; NULL = closed
) WITHOUT ROWID;

CREATE TABLE subscription_chunk (
    -- Passed positions above the floor.
    subscription   TEXT    NOT NULL,                         -- the subscription
    chunk          INTEGER NOT NULL,                         -- chunk n covers positions n·4096 .. (n + 1)·4096
    bits           BLOB    NOT NULL,                         -- 64 words of 64 bits, big-endian; bit i of word w = position w·64 + i
    PRIMARY KEY (subscription, chunk)
) WITHOUT ROWID;

CREATE TABLE subscription_retry (
    -- Positions that wait for another attempt.
    subscription   TEXT    NOT NULL,                         -- the subscription
    position       INTEGER NOT NULL,                         -- position
    order_key      TEXT    NOT NULL,                         -- its order key
    failures       INTEGER NOT NULL,                         -- counted failures
    due            INTEGER NOT NULL,                         -- not before this time
    suspect        INTEGER NOT NULL,                         -- 1 = sent alone until it settles
    redriven       INTEGER NOT NULL,                         -- 1 = put back by a redrive
    redrives       INTEGER NOT NULL,                         -- how often it was redriven
    history        TEXT    NOT NULL,                         -- failed attempts, JSON
    PRIMARY KEY (subscription, position)
) WITHOUT ROWID;

CREATE TABLE subscription_dead (
    -- Dead letters: deliveries given up, kept until redriven or discarded.
    subscription   TEXT    NOT NULL,                         -- the subscription
    position       INTEGER NOT NULL,                         -- position
    record_id      TEXT    NOT NULL,                         -- record
    revision       INTEGER NOT NULL,                         -- revision
    order_key      TEXT    NOT NULL,                         -- its order key
    reason         TEXT    NOT NULL,                         -- why it was given up
    died_at        INTEGER NOT NULL,                         -- when
    redrives       INTEGER NOT NULL,                         -- how often it was redriven
    history        TEXT    NOT NULL,                         -- failed attempts, JSON
    PRIMARY KEY (subscription, position)
) WITHOUT ROWID;

CREATE TABLE subscription_blocked (
    -- Enterprises whose later revisions wait.
    subscription   TEXT    NOT NULL,                         -- the subscription
    order_key      TEXT    NOT NULL,                         -- the enterprise
    blocked_by     INTEGER NOT NULL,                         -- position that blocks it
    resume_after   INTEGER NOT NULL,                         -- its positions above this one are delivered when it is free
    since          INTEGER NOT NULL,                         -- since when
    PRIMARY KEY (subscription, order_key)
) WITHOUT ROWID;

CREATE TABLE evidence (
    -- The evidence log. Rows are never changed.
    idx            INTEGER PRIMARY KEY,                      -- place in the log, from 0
    kind           INTEGER NOT NULL,                         -- sort of act, as in the protocol
    participant    TEXT    NOT NULL,                         -- participant that acted; empty = the gateway itself
    system         TEXT    NOT NULL,                         -- its system
    outcome        TEXT    NOT NULL,                         -- `OK` or the reason of the refusal
    leaf           BLOB    NOT NULL,                         -- leaf hash of the entry, 32 bytes
    entry          BLOB    NOT NULL                          -- canonical bytes of the entry
);

-- For searches by participant and by sort of act, ascending by index. Few distinct values: each grows at its own end.
CREATE INDEX evidence_participant ON evidence (participant, system);
CREATE INDEX evidence_kind ON evidence (kind);

CREATE TABLE evidence_subject (
    -- What entries name: hashes of credit codes, record ids, screening ids.
    key            INTEGER NOT NULL,                         -- first 8 bytes of the digest of the subject
    idx            INTEGER NOT NULL,                         -- the entry
    PRIMARY KEY (key, idx)
) WITHOUT ROWID;

CREATE TABLE evidence_block (
    -- Which entries speak of positions in a block of 4,096; readers compare the entry's exact positions.
    block          INTEGER NOT NULL,                         -- block n holds positions n·4096 .. (n + 1)·4096
    idx            INTEGER NOT NULL,                         -- the entry
    PRIMARY KEY (block, idx)
) WITHOUT ROWID;

CREATE TABLE evidence_subtree (
    -- Hashes of complete subtrees at levels 8, 16, …; leaf hashes stand with their entries.
    level          INTEGER NOT NULL,                         -- level
    idx            INTEGER NOT NULL,                         -- index in the level, from 0
    hash           BLOB    NOT NULL,                         -- hash, 32 bytes
    PRIMARY KEY (level, idx)
) WITHOUT ROWID;

CREATE TABLE checkpoint (
    -- Signed checkpoints of the evidence log, kept so that a fork can be proved.
    size           INTEGER PRIMARY KEY,                      -- size of the tree signed
    note           TEXT    NOT NULL                          -- the signed note
);

CREATE TABLE probe (
    -- Written and emptied again to find out whether a write succeeds now.
    filling        BLOB    NOT NULL                          -- zero bytes
);

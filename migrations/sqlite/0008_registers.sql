-- Producers named without a code wait for an operator; candidates are found by the core of a name too.

CREATE INDEX revision_without_code ON revision (position) WHERE kind = 1 AND credit_code IS NULL;

CREATE TABLE refiled (
    -- What of an older ledger was filed again under keys that a newer program knows: done once, behind the migration.
    what           TEXT    PRIMARY KEY                       -- name of the work done
) WITHOUT ROWID;

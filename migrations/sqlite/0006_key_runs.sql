-- Keys of revisions are written as they come, and filed in order when their segment is full.

CREATE TABLE key_run (
    -- The keys of a commit, in one row, until their segment of `record_key` is full: then they move there, all of them, in order, and
    -- the rows go. What is here is what `record_key` does not have yet; readers have it in memory.
    last_position  INTEGER PRIMARY KEY,                      -- last position whose keys these are; all are of its segment
    keys           BLOB    NOT NULL                          -- key and position, 8 bytes each, big-endian, one after the other
);

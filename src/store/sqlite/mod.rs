//! SQLite home (in work).

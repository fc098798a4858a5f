//! Screening.

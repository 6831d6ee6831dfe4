//! Keeps output files and hands out signed, expiring links.

//! End-to-end tests of the `baler` command live in `tests/`; this crate has no code of its own.

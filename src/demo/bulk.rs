//! A large account for benchmarks.

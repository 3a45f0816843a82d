//! The `dashtray` program.

fn main() {}

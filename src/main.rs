//! The `bappy` binary.
fn main() {}

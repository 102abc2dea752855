//! What stands in `examples/` runs.

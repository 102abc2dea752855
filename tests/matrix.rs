//! Every tool, every kind of caller, every kind of target.

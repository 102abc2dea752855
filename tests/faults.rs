//! The store when the disk, a member of a batch or another process fails it.

//! Both engines hold the same tables.

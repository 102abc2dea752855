//! The past of the audit log.

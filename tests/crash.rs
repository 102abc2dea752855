//! The process dies at any moment.

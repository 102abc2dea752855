//! How OAuth clients become known: described by a document at their own address, or registering themselves.

pub mod document;
pub mod registration;

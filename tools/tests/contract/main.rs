//! What the contract promises to clients and hosts.

mod arguments;
mod published;
mod schemas;

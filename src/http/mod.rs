//! The HTTP surface: who may knock, who is let in, and the few routes there are.

pub mod auth;
mod connections;
mod json;
pub mod server;
pub mod web;

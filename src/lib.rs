//! usher keeps an organization's roster and lets AI tools manage it, safely, as the person who asked.
//!
//! `domain` is what is true, `authz` who may, `store` what is kept, `service` what happens; `mcp`, `http` and
//! `cli` only translate. ARCHITECTURE.md walks one call through all of them.

pub mod app;
pub mod authn;
pub mod authz;
pub mod cli;
pub mod config;
pub mod domain;
pub mod error;
pub mod failpoint;
pub mod gather;
pub mod hosts;
pub mod http;
pub mod keys;
pub mod mail;
pub mod mcp;
pub mod outbound;
pub mod service;
pub mod slack;
pub mod stdio;
pub mod store;
pub mod twice;
pub mod worker;

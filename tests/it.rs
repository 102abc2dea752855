//! The server as its users meet it: the real binary, over HTTP, on both databases.

#![expect(clippy::expect_used, unreachable_pub, reason = "a test that meets what it does not expect fails; one crate, no outside")]

mod common;

mod behaviour;
mod commands;
mod crash;
mod dashboard;
mod documents;
mod examples;
mod faults;
mod field_reports;
mod groups;
mod links;
mod mail;
mod matrix;
mod people;
mod races;
mod refusals;
mod revocation;
mod schema;
mod search;
mod signing_in;
mod slack;
mod sso;
mod stdio;
mod tamper;
mod tools;
mod web;

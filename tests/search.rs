//! Finding people among few and among many.

mod found;
mod pages;
pub mod roster;
mod scale;
pub mod seed;
mod traces;

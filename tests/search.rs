//! Finding people among few and among many.

mod found;
mod pages;
mod roster;
mod seed;
mod traces;

//! Finding people among few and among many.

mod found;
mod pages;
mod roster;
mod scale;
mod seed;
mod traces;

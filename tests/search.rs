//! Finding people among few and among many.

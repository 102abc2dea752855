//! The failures of similar products, each with the test that meets it.

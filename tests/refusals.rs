//! What refused calls leave behind is bounded.

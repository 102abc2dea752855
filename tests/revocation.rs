//! A deactivated person's very next call is 401.

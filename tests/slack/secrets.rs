//! The token opens a workspace. It stands nowhere in clear.

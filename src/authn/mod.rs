//! From what a caller shows to who they are: the only place where an [`crate::authz::Actor`] of a person is made.

pub mod credential;
pub mod link;
pub mod oauth;
pub mod password;
pub mod session;
pub mod sso;
pub mod totp;

//! The bounds that the schemas publish and [`read_params`](crate::read_params) enforces. Texts are counted in characters.

/// An email address. Wider than RFC 5321 allows (254), so that a too long one gets the reason and not only a number.
pub const EMAIL: u32 = 320;
/// A reference to a person: an id or an email.
pub const USER: u32 = 254;
/// A first or a last name.
pub const PERSON_NAME: u32 = 100;
/// The name of an access group, or a reference to one: an id or a name.
pub const ACCESS_GROUP: u32 = 100;
/// The description of an access group.
pub const DESCRIPTION: u32 = 500;
/// A permission's name, `resource:action`.
pub const PERMISSION: u32 = 64;
/// A search.
pub const QUERY: u32 = 200;
/// The reason of a write.
pub const REASON: u32 = 500;
/// The key that marks repeats of a write.
pub const IDEMPOTENCY_KEY: u32 = 128;
/// The id of a token or a connection.
pub const CREDENTIAL: u32 = 64;
/// A page cursor.
pub const CURSOR: u32 = 512;
/// A Slack ID.
pub const SLACK_ID: u32 = 32;
/// An action in the audit log.
pub const ACTION: u32 = 64;
/// A client's name in the audit log.
pub const CLIENT: u32 = 200;
/// A point in time, RFC 3339.
pub const TIME: u32 = 40;
/// People or access groups in one call.
pub const MANY: u32 = 100;
/// Permissions in one call.
pub const PERMISSIONS: u32 = 200;
/// Entries on one page.
pub const PAGE: u32 = 100;
/// Entries on one page where nothing else is asked for.
pub const DEFAULT_PAGE: u32 = 25;

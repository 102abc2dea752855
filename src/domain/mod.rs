//! What is true: pure values without I/O.
//!
//! Whatever comes from outside becomes one of these types or is refused with an [`Invalid`], once, in one place; behind
//! it no code looks at a raw text again. The two sources that are no values, time and randomness, are parameters
//! everywhere ([`Clock`], [`Random`]), so that a test decides both.
//!
//! ```
//! use usher_mcp::domain::Email;
//!
//! let typed = Email::parse("Ana@BÜCHER.example").map_err(|invalid| invalid.message)?;
//! assert_eq!(typed.typed(), "Ana@BÜCHER.example"); // shown as the administrator wrote it
//! assert_eq!(typed.key(), "ana@xn--bcher-kva.example"); // unique in the organization
//! # Ok::<(), std::borrow::Cow<'static, str>>(())
//! ```

mod channel;
mod contract;
mod domains;
mod email;
mod fold;
mod ids;
mod invalid;
mod link;
mod name;
mod notice;
mod oauth;
mod permission;
mod random;
mod role;
mod settings;
mod slack;
mod status;
mod step;
mod text;
mod time;
mod untrusted;

pub use channel::Channel;
pub use domains::{InviteDomains, OtherDomains};
pub use email::Email;
pub use fold::{name_key, search_fold};
pub use ids::{ConnectionId, CredentialId, EntryId, GroupId, LinkId, OrgId, OutboxId, RequestId, UserId};
pub use invalid::Invalid;
pub use link::LinkKind;
pub use name::{NamePart, PersonName};
pub use notice::{Asked, By, IdentityChange, Notice, SecondFactorChange, SsoChange};
pub use oauth::{ClientId, ClientKind, RedirectUri};
pub use permission::{Catalogue, Permission, PermissionInfo, PermissionSet, builtin};
pub use random::Random;
pub use role::Role;
pub use settings::{MOST_ADMINISTRATORS, SecondFactorFor, Settings, TOKEN_DAYS};
pub use slack::{LookUp, SlackBy, SlackId, SlackStop, Workspace};
pub use status::Status;
pub use step::Step;
pub use time::{Clock, DAY, HOUR, INVITE_LIFETIME, MINUTE, SECOND, Timestamp};
pub use untrusted::{GroupName, Slug, Untrusted};

/// How often a row has changed; what `if_version` is compared with.
pub type Version = i64;

//! Ids: one type per entity, so that a group's id cannot stand where a person's belongs.

use super::{Random, Timestamp};
use std::{fmt, str::FromStr};
use uuid::Uuid;

/// The text is not an id in its hyphenated form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an id has the hyphenated form of 36 characters")]
pub struct NotAnId;

/// Declares the id of each entity.
macro_rules! ids {
    ($($(#[$meta:meta])* $name:ident),+ $(,)?) => {
        $(
            $(#[$meta])*
            ///
            /// A UUID of version 7 (RFC 9562): ordered by its time, unique, and never a secret.
            #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
            pub struct $name(Uuid);

            impl $name {
                /// A new id of this moment. Times before 1970 count as 1970, which the format cannot go behind.
                #[must_use]
                pub fn new(now: Timestamp, random: &Random) -> Self {
                    Self(version_7(now, random))
                }

                /// The id with this value, as a row holds it.
                #[must_use]
                pub const fn from_uuid(uuid: Uuid) -> Self {
                    Self(uuid)
                }

                /// The value, as a row holds it.
                #[must_use]
                pub const fn as_uuid(&self) -> Uuid {
                    self.0
                }

                /// Reads the hyphenated form of 36 characters, in either case; `None` for every other spelling, so
                /// that an id has one text and not five.
                #[must_use]
                pub fn parse(text: &str) -> Option<Self> {
                    hyphenated(text).map(Self)
                }
            }

            impl fmt::Display for $name {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    fmt::Display::fmt(&self.0.as_hyphenated(), f)
                }
            }

            impl fmt::Debug for $name {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    write!(f, concat!(stringify!($name), "({})"), self.0.as_hyphenated())
                }
            }

            impl FromStr for $name {
                type Err = NotAnId;

                fn from_str(text: &str) -> Result<Self, Self::Err> {
                    Self::parse(text).ok_or(NotAnId)
                }
            }

            impl serde::Serialize for $name {
                fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                    serializer.collect_str(self)
                }
            }

            impl<'de> serde::Deserialize<'de> for $name {
                fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                    let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                    text.parse().map_err(serde::de::Error::custom)
                }
            }
        )+
    };
}

ids! {
    /// A person's account in one organization.
    UserId,
    /// An organization.
    OrgId,
    /// An access group.
    GroupId,
    /// A credential: a token, a grant or a session.
    CredentialId,
    /// A mailed link.
    LinkId,
    /// An organization's connection to an OpenID provider, or to Slack.
    ConnectionId,
    /// An entry of the audit log.
    EntryId,
    /// What waits in the outbox: a mail, or a question to Slack.
    OutboxId,
    /// A request, for finding it again in the logs.
    RequestId,
}

fn version_7(now: Timestamp, random: &Random) -> Uuid {
    let millis = u64::try_from(now.as_millis()).unwrap_or_default();
    uuid::Builder::from_unix_timestamp_millis(millis, &random.bytes()).into_uuid()
}

fn hyphenated(text: &str) -> Option<Uuid> {
    // Of the forms that the parser reads, only the hyphenated one has this length.
    (text.len() == 36).then(|| Uuid::try_parse(text).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_version_7_and_ordered_by_time() {
        let random = Random::seeded(1);
        let early = UserId::new(Timestamp::from_millis(1_000), &random);
        let late = UserId::new(Timestamp::from_millis(1_001), &random);
        assert!(early < late);
        assert_eq!(early.as_uuid().get_version_num(), 7);
        assert_ne!(late, UserId::new(Timestamp::from_millis(1_001), &random));
        assert_eq!(UserId::new(Timestamp::from_millis(-5), &random).as_uuid().get_version_num(), 7);
    }

    #[test]
    fn only_the_hyphenated_form_is_an_id() {
        let id = OrgId::new(Timestamp::from_millis(1_764_044_467_123), &Random::seeded(2));
        let text = id.to_string();
        assert_eq!(OrgId::parse(&text), Some(id));
        assert_eq!(text.parse(), Ok(id));
        assert_eq!(OrgId::parse(&text.to_uppercase()), Some(id));
        let simple = id.as_uuid().simple().to_string();
        for other in [simple.clone(), format!("{{{text}}}"), format!("urn:uuid:{text}"), format!(" {text}"), String::new()] {
            assert_eq!(OrgId::parse(&other), None);
        }
        // 36 bytes that are not 36 hexadecimal digits and hyphens.
        assert_eq!(OrgId::parse(&"é".repeat(18)), None);
        assert_eq!(OrgId::parse(&format!("{simple}----")), None);
    }

    #[test]
    fn an_id_is_a_string_in_json() {
        let id = GroupId::new(Timestamp::from_millis(1), &Random::seeded(3));
        let json = serde_json::to_string(&id).unwrap();
        assert_eq!(json, format!("\"{id}\""));
        assert_eq!(serde_json::from_str::<GroupId>(&json).unwrap(), id);
        assert!(serde_json::from_str::<GroupId>("\"sales\"").is_err());
    }
}

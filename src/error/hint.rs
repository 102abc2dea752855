//! What to do next, for whoever reads it: callers have tools, operators have commands.

use super::{Budget, Error, Reader};
use crate::{authz::Reason, domain::Status, store::StoreError};
use std::borrow::Cow;

type Hint<'a> = Option<Cow<'a, str>>;

impl Error {
    /// What its reader can do next, if anything.
    pub(super) fn hint(&self, reader: Reader) -> Hint<'_> {
        match reader {
            Reader::Caller => self.hint_for_callers(),
            Reader::Operator => self.hint_for_operators(),
        }
    }

    fn hint_for_callers(&self) -> Hint<'_> {
        let hint = match self {
            // The contract's own words have theirs already.
            Self::Shape(_) | Self::Unauthenticated => return None,
            Self::Invalid(invalid) => return invalid.hint.as_deref().map(Cow::Borrowed),
            Self::NobodyNamed(_) => "Pass the id or the email of one person, as list_users shows them.",
            Self::EmailInUse { status, .. } => match status {
                Status::Pending => "Call resend_invite with this user_id to send the invite again.",
                Status::Active => "Call get_user with this user_id; nothing has to be sent.",
                Status::Deactivated => "Call reactivate_user with this user_id to let them back in.",
            },
            Self::UserNotFound => "Look the person up with list_users, then pass their id or email.",
            Self::GroupNotFound => "Look the group up with list_access_groups, then pass its id or name.",
            Self::CredentialNotFound => "Look it up with list_mcp_tokens, then pass its id.",
            Self::NameTaken => {
                "Names are compared without case, width and look-alike letters. Choose another, or change the existing group with update_access_group."
            }
            Self::Denied(reason) => match reason {
                Reason::Scope => "Use a token that was made without --read-only.",
                Reason::Permission(_) => "Ask an Administrator to put you into an access group that holds it; whoami lists what you hold.",
                Reason::Administrator => "Ask an Administrator.",
                Reason::Escalation { .. } => "Leave out what gives the missing permissions, or ask an Administrator.",
                Reason::LastAdministrator => "Promote somebody else first: update_user with role Administrator.",
                Reason::SelfDeactivation => "Ask another Administrator.",
                Reason::NotProvedAnew => "Sign out, sign in again, and do it then.",
                Reason::EnoughAdministrators { .. } => {
                    "Pending ones count, too. Make one of them a User first, or let an Administrator raise the bound on the page /settings/invitations."
                }
                Reason::NotPending | Reason::DeadLink | Reason::WayClosed | Reason::Deactivated => return None,
            },
            Self::InviteNotPending(status) => match status {
                Status::Pending => "Let them accept their invite first, or send it again with resend_invite.",
                Status::Active => "Nothing has to be done.",
                Status::Deactivated => "Call reactivate_user first.",
            },
            Self::UserDeactivated => "Call reactivate_user first; somebody who never joined gets a new invite by it.",
            Self::RateLimited { budget, .. } => match budget {
                Budget::Calls => "Wait as long as retry_after_ms says, then go on.",
                Budget::Invites => "Wait as long as retry_after_ms says, or ask the operator to raise --invites-per-day.",
                Budget::OwnInvites => {
                    "Wait as long as retry_after_ms says, let somebody else invite, or ask the operator to raise --invites-per-day."
                }
                Budget::Resends => "Wait as long as retry_after_ms says; the newest link in their mailbox works.",
                Budget::Resets => {
                    "Wait as long as retry_after_ms says; the newest link in their mailbox works until it is used, or an hour old."
                }
                Budget::Hashing => "Try again in a moment.",
                Budget::SignIn => "Wait as long as retry_after_ms says, or have a link mailed to you.",
            },
            Self::Conflict(_) => "Read it again, then decide anew.",
            Self::Clash { hint, .. } => hint,
            Self::MailUnavailable => {
                "Ask the operator to set --smtp-url and --mail-from, or, on a machine of one's own, a --public-url on loopback; `usher doctor` says what is missing."
            }
            Self::DeadLink => "Ask the person who invited you to send the invite again.",
            Self::SignInRefused => "Check the address and the password, or have a link mailed to you.",
            Self::Unavailable(StoreError::Unanswered(_)) => {
                "Read it again before you repeat it, or repeat it with the same idempotency_key: it is never done twice."
            }
            Self::Unavailable(_) => "Try again in a moment. A repeated write with the same idempotency_key is never done twice.",
            Self::Internal(_) => "Tell the operator the request_id.",
        };
        Some(Cow::Borrowed(hint))
    }

    fn hint_for_operators(&self) -> Hint<'_> {
        let hint = match self {
            // What is said says what to do already, or no command meets it.
            Self::Shape(_)
            | Self::GroupNotFound
            | Self::NameTaken
            | Self::Conflict(_)
            | Self::DeadLink
            | Self::SignInRefused
            | Self::Unauthenticated => return None,
            Self::Invalid(invalid) => return invalid.hint.as_deref().map(Cow::Borrowed),
            Self::NobodyNamed(_) => "Pass the address or the id of one person, as `usher user list --json` shows them.",
            Self::EmailInUse { status, .. } => match status {
                Status::Pending | Status::Active => "`usher user list` shows them.",
                Status::Deactivated => "`usher user reactivate` lets them back in.",
            },
            Self::UserNotFound => "`usher user list` shows everybody.",
            Self::CredentialNotFound => "`usher token list` shows all.",
            Self::Denied(reason) => match reason {
                Reason::LastAdministrator => "Make somebody else one first: `usher user promote`.",
                Reason::EnoughAdministrators { .. } => {
                    "Pending ones count, too. Raise the bound with `usher org set --most-administrators`."
                }
                Reason::Scope
                | Reason::Permission(_)
                | Reason::Administrator
                | Reason::Escalation { .. }
                | Reason::SelfDeactivation
                | Reason::NotProvedAnew
                | Reason::NotPending
                | Reason::DeadLink
                | Reason::WayClosed
                | Reason::Deactivated => return None,
            },
            Self::InviteNotPending(status) => match status {
                Status::Pending => "Let them accept their invite first.",
                Status::Active => return None,
                Status::Deactivated => "`usher user reactivate` lets them back in.",
            },
            Self::UserDeactivated => "`usher user reactivate` lets them back in.",
            Self::RateLimited { budget, retry_after_ms } => {
                let wait =
                    format!("Run it again after {} seconds", u64::try_from(*retry_after_ms).unwrap_or_default().max(1).div_ceil(1000));
                return Some(Cow::Owned(match budget {
                    Budget::Invites | Budget::OwnInvites => format!("{wait}, or with a larger --invites-per-day."),
                    Budget::Resends => format!("{wait}, or with a larger --resends; the newest link in their mailbox works."),
                    Budget::Resets => format!("{wait}; the newest link in their mailbox works until it is used, or an hour old."),
                    Budget::Calls | Budget::Hashing | Budget::SignIn => format!("{wait}."),
                }));
            }
            Self::Clash { hint, .. } => hint,
            Self::MailUnavailable => {
                "Set --smtp-url and --mail-from, or, on a machine of one's own, a --public-url on loopback; `usher doctor` says what is missing."
            }
            Self::Unavailable(StoreError::Unanswered(_)) => "Look whether it was done before you run it again.",
            Self::Unavailable(_) => "Run it again in a moment; `usher doctor` says whether the database answers.",
            Self::Internal(_) => "The log says more.",
        };
        Some(Cow::Borrowed(hint))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Invalid, Random, Timestamp, UserId};

    /// One of each, as operators may meet them.
    fn errors() -> Vec<Error> {
        let user = UserId::new(Timestamp::from_millis(1_764_000_000_000), &Random::seeded(5));
        let statuses = [Status::Pending, Status::Active, Status::Deactivated];
        let budgets =
            [Budget::Calls, Budget::Invites, Budget::OwnInvites, Budget::Resends, Budget::Resets, Budget::Hashing, Budget::SignIn];
        let mut all = vec![
            Error::Invalid(Invalid::new("name", "`name` must not be empty.")),
            Error::NobodyNamed("user"),
            Error::UserNotFound,
            Error::GroupNotFound,
            Error::CredentialNotFound,
            Error::NameTaken,
            Error::Denied(Reason::LastAdministrator),
            Error::Denied(Reason::Administrator),
            Error::Denied(Reason::NotProvedAnew),
            Error::Denied(Reason::EnoughAdministrators { most: 3 }),
            Error::UserDeactivated,
            Error::Conflict("It is so."),
            Error::MailUnavailable,
            Error::Unavailable(StoreError::Injected),
            Error::Internal("a mistake".to_owned()),
        ];
        all.extend(statuses.map(|status| Error::EmailInUse { user, status }));
        all.extend(statuses.map(Error::InviteNotPending));
        all.extend(budgets.map(|budget| Error::RateLimited { budget, retry_after_ms: 90_500 }));
        all
    }

    #[test]
    fn operators_are_told_of_commands_and_never_of_tools_or_of_fields_of_an_answer() {
        let tools = usher_tools::catalogue();
        for error in errors() {
            let hint = error.hint(Reader::Operator).unwrap_or_default();
            assert!(tools.iter().all(|tool| !hint.contains(tool.name)), "{error:?}: {hint}");
            assert!(
                ["retry_after_ms", "request_id", "idempotency_key", "Read it again", "operator"].iter().all(|word| !hint.contains(word))
            );
        }
        let limited = Error::RateLimited { budget: Budget::Resends, retry_after_ms: 90_500 };
        assert!(limited.hint(Reader::Operator).is_some_and(|hint| hint.contains("after 91 seconds") && hint.contains("--resends")));
    }

    #[test]
    fn callers_are_told_of_no_command_but_the_doctor() {
        for error in errors() {
            let hint = error.hint(Reader::Caller).unwrap_or_default();
            assert!(!hint.replace("usher doctor", "").contains("usher "), "{error:?}: {hint}");
        }
    }
}

//! Everything that can go wrong for a caller, as one exhaustive enum.
//!
//! [`Error::body`] is what every surface shows: a stable code, a sentence that says what to do next,
//! and details that name ids, never names. What went wrong inside (`source`) goes to the log, once, at
//! the boundary, and never to a caller.

mod hint;

use crate::{
    authz::Reason,
    domain::{Invalid, RequestId, Status, UserId},
    store::StoreError,
};
use serde_json::json;
use usher_tools::{ErrorBody, ErrorCode};

/// The budget that is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Budget {
    /// Calls of one credential per minute.
    Calls,
    /// Invites of one organization per day.
    Invites,
    /// One inviter's share of them.
    OwnInvites,
    /// Mails to one recipient.
    Resends,
    /// Resets that somebody else started for one person.
    Resets,
    /// Password hashing of this node.
    Hashing,
    /// Wrong passwords in a row for one address.
    SignIn,
}

/// Who reads what went wrong, and so what its hint may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// Whoever calls tools, a person or a model.
    Caller,
    /// Whoever runs commands on the host.
    Operator,
}

/// Why a use case did not happen. Nothing of it holds.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An argument is not what it must be.
    #[error("invalid argument")]
    Invalid(Invalid),
    /// An argument is not what it must be, as the contract itself says.
    #[error("invalid argument")]
    Shape(Box<ErrorBody>),
    /// What stands where a person is named is neither an id nor an address; the argument.
    #[error("nobody named")]
    NobodyNamed(&'static str),
    /// B07.
    #[error("email already in use")]
    EmailInUse {
        /// Whose.
        user: UserId,
        /// In what state.
        status: Status,
    },
    /// No such person in this organization, or none that the caller may know of.
    #[error("user not found")]
    UserNotFound,
    /// No such group in this organization.
    #[error("access group not found")]
    GroupNotFound,
    /// No such token in this organization.
    #[error("credential not found")]
    CredentialNotFound,
    /// Another group has this name.
    #[error("name taken")]
    NameTaken,
    /// The rule says no.
    #[error("refused: {0:?}")]
    Denied(Reason),
    /// Resending needs somebody who has not joined.
    #[error("invite not pending")]
    InviteNotPending(Status),
    /// The person is deactivated.
    #[error("user deactivated")]
    UserDeactivated,
    /// Too much in too short a time.
    #[error("rate limited")]
    RateLimited {
        /// Of what.
        budget: Budget,
        /// After how many milliseconds it makes sense to try again.
        retry_after_ms: i64,
    },
    /// Somebody else changed it meanwhile.
    #[error("conflict")]
    Conflict(&'static str),
    /// A conflict that reading again does not end.
    #[error("conflict")]
    Clash {
        /// What stands in the way.
        said: &'static str,
        /// The way out.
        hint: &'static str,
    },
    /// No way to send mail is configured that could reach anybody.
    #[error("mail unavailable")]
    MailUnavailable,
    /// The invite link is not good; the page says why.
    #[error("dead link")]
    DeadLink,
    /// What was shown at the door opens nothing: a wrong password, an unknown address, somebody who may not come in this
    /// way. The same for all of them (requirement 45).
    #[error("sign-in refused")]
    SignInRefused,
    /// The credential died before the call could take effect: 401.
    #[error("unauthenticated")]
    Unauthenticated,
    /// The database.
    #[error("unavailable")]
    Unavailable(#[source] StoreError),
    /// A fault of ours.
    #[error("internal: {0}")]
    Internal(String),
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Corrupt(what) => Self::Internal(what),
            StoreError::Damaged(source) => Self::Internal(format!("the database is damaged: {source}")),
            StoreError::Unique(what) => Self::Internal(format!("unexpected unique violation: {what}")),
            StoreError::Retry(_)
            | StoreError::Unavailable(_)
            | StoreError::Commit(_)
            | StoreError::Unanswered(_)
            | StoreError::Injected => Self::Unavailable(error),
        }
    }
}

impl From<Invalid> for Error {
    fn from(invalid: Invalid) -> Self {
        Self::Invalid(invalid)
    }
}

impl From<Reason> for Error {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::Deactivated => Self::UserDeactivated,
            Reason::NotPending => Self::InviteNotPending(Status::Active),
            Reason::DeadLink => Self::DeadLink,
            Reason::WayClosed => Self::SignInRefused,
            Reason::Scope
            | Reason::Permission(_)
            | Reason::Administrator
            | Reason::Escalation { .. }
            | Reason::LastAdministrator
            | Reason::EnoughAdministrators { .. }
            | Reason::NotProvedAnew
            | Reason::SelfDeactivation => Self::Denied(reason),
        }
    }
}

impl Error {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Invalid(_) | Self::NobodyNamed(_) | Self::CredentialNotFound => ErrorCode::InvalidArgument,
            Self::Shape(body) => body.code,
            Self::EmailInUse { .. } => ErrorCode::EmailAlreadyInUse,
            Self::UserNotFound => ErrorCode::UserNotFound,
            Self::GroupNotFound => ErrorCode::AccessGroupNotFound,
            Self::NameTaken => ErrorCode::NameTaken,
            Self::Denied(reason) => match reason {
                Reason::Scope | Reason::Permission(_) | Reason::Administrator | Reason::WayClosed | Reason::NotProvedAnew => {
                    ErrorCode::PermissionDenied
                }
                Reason::EnoughAdministrators { .. } => ErrorCode::Conflict,
                Reason::Escalation { .. } => ErrorCode::EscalationForbidden,
                Reason::LastAdministrator => ErrorCode::LastAdministrator,
                Reason::SelfDeactivation => ErrorCode::SelfDeactivation,
                Reason::NotPending | Reason::DeadLink => ErrorCode::InviteNotPending,
                Reason::Deactivated => ErrorCode::UserDeactivated,
            },
            Self::InviteNotPending(_) | Self::DeadLink => ErrorCode::InviteNotPending,
            Self::UserDeactivated => ErrorCode::UserDeactivated,
            Self::RateLimited { .. } => ErrorCode::RateLimited,
            Self::Conflict(_) | Self::Clash { .. } => ErrorCode::Conflict,
            Self::MailUnavailable => ErrorCode::MailUnavailable,
            Self::Unauthenticated | Self::SignInRefused => ErrorCode::PermissionDenied,
            Self::Unavailable(_) => ErrorCode::Unavailable,
            Self::Internal(_) => ErrorCode::Internal,
        }
    }

    /// Whether running the whole use case again may help.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Unavailable(store) if store.is_retryable())
    }

    /// Whether the refusal is evidence for the audit log.
    #[must_use]
    pub fn is_evidence(&self) -> bool {
        match self {
            Self::EmailInUse { .. }
            | Self::UserNotFound
            | Self::GroupNotFound
            | Self::CredentialNotFound
            | Self::NameTaken
            | Self::Denied(_)
            | Self::InviteNotPending(_)
            | Self::UserDeactivated
            | Self::Conflict(_)
            | Self::Clash { .. }
            | Self::DeadLink
            | Self::MailUnavailable => true,
            Self::Invalid(_)
            | Self::NobodyNamed(_)
            | Self::Shape(_)
            | Self::RateLimited { .. }
            | Self::SignInRefused
            | Self::Unauthenticated
            | Self::Unavailable(_)
            | Self::Internal(_) => false,
        }
    }

    /// What is shown, with a hint that names what its reader can use.
    #[must_use]
    pub fn body(&self, request_id: RequestId, reader: Reader) -> ErrorBody {
        let body = match self {
            Self::Shape(body) => (**body).clone(),
            Self::Invalid(invalid) => ErrorBody::new(ErrorCode::InvalidArgument, invalid.message.as_ref()).with_field(invalid.field),
            Self::NobodyNamed(field) => {
                ErrorBody::new(ErrorCode::InvalidArgument, "This is neither a user id nor an email address.").with_field(*field)
            }
            Self::EmailInUse { user, status } => {
                let (said, next) = match status {
                    Status::Pending => ("Email already in use: that person is Pending.", "resend_invite"),
                    Status::Active => ("Email already in use: that person is Active.", "get_user"),
                    Status::Deactivated => ("Email already in use: that person is deactivated.", "reactivate_user"),
                };
                ErrorBody::new(ErrorCode::EmailAlreadyInUse, said)
                    .with_field("email")
                    .with_details(json!({"user_id": user.to_string(), "status": status.as_str(), "next": next}))
            }
            Self::UserNotFound => ErrorBody::new(ErrorCode::UserNotFound, "No such user in this organization."),
            Self::GroupNotFound => ErrorBody::new(ErrorCode::AccessGroupNotFound, "No such access group in this organization."),
            Self::CredentialNotFound => ErrorBody::new(ErrorCode::InvalidArgument, "No such token in this organization.").with_field("id"),
            Self::NameTaken => ErrorBody::new(ErrorCode::NameTaken, "An access group with this name exists already.").with_field("name"),
            Self::Denied(reason) => denied(reason),
            Self::InviteNotPending(status) => ErrorBody::new(
                ErrorCode::InviteNotPending,
                match status {
                    Status::Pending => "This person has not joined yet.",
                    Status::Active => "This person is already active: there is no invite to send.",
                    Status::Deactivated => "This person is deactivated.",
                },
            ),
            Self::UserDeactivated => ErrorBody::new(ErrorCode::UserDeactivated, "This person is deactivated."),
            Self::RateLimited { budget, retry_after_ms } => {
                let said = match budget {
                    Budget::Calls => "Too many calls with this credential.",
                    Budget::Invites => "The organization's invites of today are used up.",
                    Budget::OwnInvites => "Your share of the organization's invites of today, a fifth, is used up.",
                    Budget::Resends | Budget::Resets => "This person was sent several mails already.",
                    Budget::Hashing => "The server is busy.",
                    Budget::SignIn => "Too many wrong passwords in a row.",
                };
                ErrorBody::new(ErrorCode::RateLimited, said).with_retry_after_ms(u64::try_from(*retry_after_ms).unwrap_or_default())
            }
            Self::Conflict(said) | Self::Clash { said, .. } => ErrorBody::new(ErrorCode::Conflict, *said),
            Self::MailUnavailable => ErrorBody::new(ErrorCode::MailUnavailable, "This server has no way to send mail to anybody."),
            Self::DeadLink => ErrorBody::new(ErrorCode::InviteNotPending, "This invite link no longer works."),
            Self::SignInRefused => ErrorBody::new(ErrorCode::PermissionDenied, "That does not open an account here."),
            Self::Unauthenticated => ErrorBody::new(ErrorCode::PermissionDenied, "This credential is no longer valid."),
            Self::Unavailable(StoreError::Unanswered(_)) => ErrorBody::new(
                ErrorCode::Unavailable,
                "The server lost its database while it was writing: whether this was done is not known.",
            )
            .with_retry_after_ms(1000),
            Self::Unavailable(_) => {
                ErrorBody::new(ErrorCode::Unavailable, "The server could not reach its database in time; nothing was changed.")
                    .with_retry_after_ms(1000)
            }
            Self::Internal(_) => ErrorBody::new(ErrorCode::Internal, "Something went wrong on the server; nothing was changed."),
        };
        let body = match self.hint(reader) {
            Some(hint) => body.with_hint(hint),
            None => body,
        };
        body.with_request_id(request_id.to_string())
    }
}

fn denied(reason: &Reason) -> ErrorBody {
    match reason {
        Reason::Scope => ErrorBody::new(ErrorCode::PermissionDenied, "This token may only read.").with_details(json!({"scope": "write"})),
        Reason::Permission(permission) => {
            ErrorBody::new(ErrorCode::PermissionDenied, "Your access groups do not give the permission for this.")
                .with_details(json!({"permission": permission}))
        }
        Reason::Administrator => {
            ErrorBody::new(ErrorCode::PermissionDenied, "Only an Administrator may do this.").with_details(json!({"role": "Administrator"}))
        }
        Reason::Escalation { missing } => ErrorBody::new(ErrorCode::EscalationForbidden, "This would give more than you hold yourself.")
            .with_details(json!({"missing": missing})),
        Reason::LastAdministrator => ErrorBody::new(ErrorCode::LastAdministrator, "This is the last active Administrator."),
        Reason::SelfDeactivation => ErrorBody::new(ErrorCode::SelfDeactivation, "Nobody deactivates themselves."),
        Reason::NotPending | Reason::DeadLink => ErrorBody::new(ErrorCode::InviteNotPending, "There is no invite that waits."),
        Reason::WayClosed => ErrorBody::new(ErrorCode::PermissionDenied, "The organization lets nobody in this way."),
        Reason::Deactivated => ErrorBody::new(ErrorCode::UserDeactivated, "This person is deactivated."),
        Reason::NotProvedAnew => ErrorBody::new(ErrorCode::PermissionDenied, "This is done within 10 minutes of signing in."),
        Reason::EnoughAdministrators { most } => {
            ErrorBody::new(ErrorCode::Conflict, "The organization has as many Administrators as it decided to have at most.")
                .with_details(json!({"most_administrators": most}))
        }
    }
}

//! Refusals and failures as a client sees them (R-B142, R-B146).

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

words! {
    /// What went wrong, as a stable word. New ones may come; these keep their meaning.
    pub enum ErrorCode {
        /// An argument is missing, unknown, or not of the accepted form.
        InvalidArgument = "invalid_argument",
        /// The address has an account here; details `user_id`, `status`, `next` (B07).
        EmailAlreadyInUse = "email_already_in_use",
        /// No such person in this organization.
        UserNotFound = "user_not_found",
        /// No such access group in this organization.
        AccessGroupNotFound = "access_group_not_found",
        /// Another access group has this name, or one that looks like it.
        NameTaken = "name_taken",
        /// The caller lacks what the tool needs; details `permission`, `role` or `scope`.
        PermissionDenied = "permission_denied",
        /// The caller would give what they do not hold; details `missing`.
        EscalationForbidden = "escalation_forbidden",
        /// The organization would be left without an active Administrator (B22).
        LastAdministrator = "last_administrator",
        /// Nobody deactivates themselves.
        SelfDeactivation = "self_deactivation",
        /// There is no pending invite to send again.
        InviteNotPending = "invite_not_pending",
        /// The person is deactivated.
        UserDeactivated = "user_deactivated",
        /// A signed-in person must approve this on the web; details `approval_id`, `approval_url`, `plan`.
        ConfirmationRequired = "confirmation_required",
        /// Too much in too short a time; `retry_after_ms` says when to try again.
        RateLimited = "rate_limited",
        /// Something changed meanwhile, or the same idempotency key came with other arguments.
        Conflict = "conflict",
        /// Mail cannot be sent as this server is set up.
        MailUnavailable = "mail_unavailable",
        /// The server cannot answer now; trying again is welcome.
        Unavailable = "unavailable",
        /// A fault of the server; quote the `request_id`.
        Internal = "internal",
    }
}

/// The body of every refused or failed call: JSON in the first text block, all keys always present.
///
/// `message` and `hint` are written for a model that will act on them. They never quote what the caller sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ErrorBody {
    /// What went wrong, as a stable word.
    pub code: ErrorCode,
    /// One sentence: what is wrong, and where known the accepted form.
    pub message: String,
    /// The argument's name, where one is at fault.
    pub field: Option<String>,
    /// What a program can use, by code: ids, permissions, allowed values.
    pub details: Option<Value>,
    /// The next step.
    pub hint: Option<String>,
    /// How long to wait before trying again.
    pub retry_after_ms: Option<u64>,
    /// Names the request in the server's log.
    pub request_id: Option<String>,
}

impl ErrorBody {
    /// A body with nothing but its code and sentence.
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), field: None, details: None, hint: None, retry_after_ms: None, request_id: None }
    }

    /// Names the argument at fault.
    #[must_use]
    pub fn with_field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// Adds what a program can use.
    #[must_use]
    pub fn with_details(mut self, details: Value) -> Self {
        self.details = Some(details);
        self
    }

    /// Adds the next step.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Says how long to wait.
    #[must_use]
    pub fn with_retry_after_ms(mut self, retry_after_ms: u64) -> Self {
        self.retry_after_ms = Some(retry_after_ms);
        self
    }

    /// Names the request.
    #[must_use]
    pub fn with_request_id(mut self, request_id: impl Into<String>) -> Self {
        self.request_id = Some(request_id.into());
        self
    }
}

impl fmt::Display for ErrorBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for ErrorBody {}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{ErrorBody, ErrorCode};

    #[test]
    fn every_key_is_always_there() {
        let body = ErrorBody::new(ErrorCode::UserNotFound, "No such person in this organization.");
        assert_eq!(
            serde_json::to_value(body).ok(),
            Some(json!({
                "code": "user_not_found", "message": "No such person in this organization.", "field": null,
                "details": null, "hint": null, "retry_after_ms": null, "request_id": null,
            }))
        );
    }

    #[test]
    fn the_codes_are_those_of_the_interface() {
        let codes: Vec<&str> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(
            codes.join(" "),
            "invalid_argument email_already_in_use user_not_found access_group_not_found name_taken permission_denied \
             escalation_forbidden last_administrator self_deactivation invite_not_pending user_deactivated \
             confirmation_required rate_limited conflict mail_unavailable unavailable internal"
        );
    }
}

//! What every write takes beside its own arguments.

/// The three arguments that every write takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WriteOptions<'a> {
    /// Run the same code and roll back.
    pub dry_run: bool,
    /// Why, for the audit log: 1 to 500 characters.
    pub reason: Option<&'a str>,
    /// Marks repeats of one intended call: 1 to 128 characters.
    pub idempotency_key: Option<&'a str>,
}

/// The arguments of a tool that writes.
pub trait WriteParams {
    /// The three arguments that every write takes.
    fn options(&self) -> WriteOptions<'_>;
}

/// The word by which a clearable text is taken away: an empty text counts as not given (R-B131), so it cannot say so.
const CLEARING_WORD: &str = "none";

/// What an optional argument asks of a text that may also be absent (`slack_id`, `description`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change<'a> {
    /// The argument was not given: leave the text as it is.
    Keep,
    /// The argument is the word `none`, in any ASCII case: take the text away.
    Clear,
    /// Put this text there.
    Set(&'a str),
}

impl<'a> Change<'a> {
    /// Reads a clearable argument as [`read_params`](crate::read_params) left it.
    #[must_use]
    pub fn of(argument: Option<&'a str>) -> Self {
        match argument {
            None => Self::Keep,
            Some(text) if text.trim().eq_ignore_ascii_case(CLEARING_WORD) => Self::Clear,
            Some(text) => Self::Set(text),
        }
    }
}

/// Declares the parameters of a write: its own fields, then the three that every write takes.
///
/// A macro, because `#[serde(flatten)]` and `#[serde(deny_unknown_fields)]` exclude each other.
macro_rules! write_params {
    (
        $(#[$meta:meta])*
        pub struct $name:ident {
            $($(#[$field_meta:meta])* pub $field:ident: $type:ty),+ $(,)?
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $($(#[$field_meta])* pub $field: $type,)+
            /// true: run the same checks, answer what would happen, and change nothing.
            #[serde(default, skip_serializing_if = "crate::is_false")]
            pub dry_run: bool,
            /// Why this is done, in one line; kept in the audit log.
            #[serde(skip_serializing_if = "Option::is_none")]
            #[schemars(length(min = 1, max = crate::bounds::REASON))]
            pub reason: Option<String>,
            /// A text of your choice that marks repeats of this one call: within 24 hours a repeat never acts twice.
            #[serde(skip_serializing_if = "Option::is_none")]
            #[schemars(length(min = 1, max = crate::bounds::IDEMPOTENCY_KEY))]
            pub idempotency_key: Option<String>,
        }

        impl crate::WriteParams for $name {
            fn options(&self) -> crate::WriteOptions<'_> {
                crate::WriteOptions {
                    dry_run: self.dry_run,
                    reason: self.reason.as_deref(),
                    idempotency_key: self.idempotency_key.as_deref(),
                }
            }
        }
    };
}

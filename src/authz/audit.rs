//! What is done with the audit log itself.

use super::{Action, Actor, Reason, Standing, Target};
use crate::domain::builtin;
use usher_tools::Needs;

/// In which form entries leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated values (RFC 4180).
    Csv,
    /// One JSON object a line.
    Jsonl,
}

impl Format {
    /// The word in an address, in a file's name, and in the log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Jsonl => "jsonl",
        }
    }

    /// Reads exactly that word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Csv, Self::Jsonl].into_iter().find(|format| format.as_str() == text)
    }
}

/// Taking entries of the audit log out of the product.
#[derive(Clone, Debug)]
pub struct ExportAuditLog {
    /// In which form.
    pub format: Format,
    /// To what they are narrowed: name of the filter, and its value in the caller's words.
    pub filters: Vec<(&'static str, String)>,
}

impl Action for ExportAuditLog {
    const NAME: &'static str = builtin::AUDIT_LOG_EXPORT;
    const NEEDS: Needs = Needs::Permission(builtin::AUDIT_LOG_EXPORT);
    // A credential that only reads may take out what it may read.
    const WRITES: bool = false;

    fn target(&self) -> Target {
        Target::Organization
    }

    fn permits(&self, _: &Actor, _: &Standing) -> Result<(), Reason> {
        Ok(())
    }
}

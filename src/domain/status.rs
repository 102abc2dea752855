//! Where a person stands (B14).

/// The state of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// Invited, not yet accepted.
    Pending,
    /// Signed in at least once.
    Active,
    /// Without any access, its audit trail kept (B20).
    Deactivated,
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 3] = [Self::Pending, Self::Active, Self::Deactivated];

    /// The word that a row holds.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Deactivated => "deactivated",
        }
    }

    /// Reads exactly the word that a row holds.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b14_there_are_three_states_and_each_reads_back() {
        for status in Status::ALL {
            assert_eq!(Status::parse(status.as_str()), Some(status));
        }
        for other in ["", "Pending", "invited", "none"] {
            assert_eq!(Status::parse(other), None);
        }
    }
}

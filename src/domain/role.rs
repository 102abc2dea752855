//! The two roles (B02).

/// What an account may do at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Full access to everything in the organization, whatever groups and permissions say (B03).
    Administrator,
    /// No access beyond what their access groups hold (B04).
    User,
}

impl Role {
    /// Both roles.
    pub const ALL: [Self; 2] = [Self::Administrator, Self::User];

    /// The word that a row holds.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Administrator => "administrator",
            Self::User => "user",
        }
    }

    /// The word that people and tools read: the contract's.
    #[must_use]
    pub fn shown(self) -> &'static str {
        usher_tools::Role::from(self).as_str()
    }

    /// Reads exactly the word that a row holds.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b02_there_are_two_roles_and_each_reads_back() {
        for role in Role::ALL {
            assert_eq!(Role::parse(role.as_str()), Some(role));
        }
        for other in ["", "Administrator", "admin", "owner"] {
            assert_eq!(Role::parse(other), None);
        }
    }
}

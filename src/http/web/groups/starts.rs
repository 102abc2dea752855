//! Usual ticks to begin a group with: the situations that an organization has (B05). They are no templates: a group that was made
//! from one is a group like any other.

use crate::domain::{Catalogue, builtin};

/// A starting point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// Nothing.
    Blank,
    /// Somebody who wins customers.
    Sales,
    /// Somebody who helps customers.
    Support,
    /// Somebody who sees everything and changes nothing.
    Auditor,
    /// Somebody who is here for one thing and for a while.
    Contractor,
    /// Somebody who runs connectors and has nothing to do with money.
    Connectors,
}

impl Start {
    pub(super) const ALL: [Self; 6] = [Self::Blank, Self::Sales, Self::Support, Self::Auditor, Self::Contractor, Self::Connectors];

    /// The word in the address.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Blank => "blank",
            Self::Sales => "sales",
            Self::Support => "support",
            Self::Auditor => "auditor",
            Self::Contractor => "contractor",
            Self::Connectors => "connectors",
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Blank => "Blank",
            Self::Sales => "Sales",
            Self::Support => "Support",
            Self::Auditor => "Read-only Auditor",
            Self::Contractor => "Contractor",
            Self::Connectors => "Connectors without billing",
        }
    }

    /// The one of this word, if it is any.
    pub(super) fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|start| start.word() == word)
    }

    /// What it ticks, of what there is.
    pub(super) fn permissions(self, catalogue: &Catalogue) -> Vec<String> {
        catalogue.iter().map(|info| info.name.as_str()).filter(|name| self.ticks(name)).map(str::to_owned).collect()
    }

    fn ticks(self, name: &str) -> bool {
        let (resource, action) = name.split_once(':').unwrap_or_default();
        let looks = action == "read";
        match self {
            Self::Blank => false,
            // To take away for good, or out of here, takes a second thought.
            Self::Sales => {
                matches!(resource, "customers" | "centers") && !matches!(action, "delete" | "export") || name == "dashboard:read"
            }
            Self::Support => {
                matches!(name, builtin::USERS_READ | "customers:read" | "customers:update" | "centers:read" | "dashboard:read")
            }
            // What a deployment adds is seen as well.
            Self::Auditor => looks || name == builtin::AUDIT_LOG_EXPORT,
            Self::Contractor => name == "connectors:read",
            Self::Connectors => resource == "connectors" || name == "dashboard:read",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b05_each_situation_has_its_ticks_and_no_more() {
        let catalogue = Catalogue::builtin();
        let ticks = |start: Start| start.permissions(&catalogue);
        let counts = Start::ALL.map(|start| ticks(start).len());
        assert_eq!(counts, [0, 7, 5, 11, 1, 5]);
        assert!(ticks(Start::Auditor).iter().all(|name| name.ends_with(":read") || name == "audit_log:export"));
        assert!(ticks(Start::Connectors).iter().all(|name| !name.starts_with("billing")));
        // None gives power over people or access.
        for start in Start::ALL {
            for name in ticks(start) {
                assert!(!catalogue.get(&name).unwrap().privileged || name == "audit_log:export", "{name}");
            }
            assert_eq!(Start::parse(start.word()), Some(start));
        }
        assert_eq!(Start::parse("administrator"), None);
    }

    #[test]
    fn an_auditor_sees_what_a_deployment_adds() {
        let added = r#"[{"name":"shifts:read","description":"See shifts.","privileged":false},{"name":"shifts:swap","description":"Swap shifts.","privileged":false}]"#;
        let ticks = Start::Auditor.permissions(&Catalogue::extended(added).unwrap());
        assert!(ticks.contains(&"shifts:read".to_owned()) && !ticks.contains(&"shifts:swap".to_owned()));
    }
}

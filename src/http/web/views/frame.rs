//! What stands around every page of the dashboard: the way about, the organization, the person.

use super::{hue, initials, me::Other};

/// A page of the sidebar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The first steps.
    Start,
    /// The roster.
    Users,
    /// The access groups.
    AccessGroups,
    /// What the organization decides.
    Settings,
    /// The audit log.
    Audit,
}

impl Place {
    /// Every place, in the order of the sidebar.
    pub const ALL: [Self; 5] = [Self::Start, Self::Users, Self::AccessGroups, Self::Audit, Self::Settings];

    /// Path below the base.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Self::Start => "/start",
            Self::Users => "/users",
            Self::AccessGroups => "/access-groups",
            Self::Settings => "/settings",
            Self::Audit => "/audit",
        }
    }

    /// What it is called.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Start => "Next steps",
            Self::Users => "Users",
            Self::AccessGroups => "Access groups",
            Self::Settings => "Settings",
            Self::Audit => "Audit log",
        }
    }

    /// Under which heading it stands; none for what stands above all of them.
    fn section(self) -> Option<&'static str> {
        match self {
            Self::Start => None,
            Self::Users | Self::AccessGroups | Self::Audit => Some("Access"),
            Self::Settings => Some("Organization"),
        }
    }

    pub(super) fn icon(self) -> &'static str {
        match self {
            Self::Start => "next",
            Self::Users => "users",
            Self::AccessGroups => "groups",
            Self::Settings => "gear",
            Self::Audit => "log",
        }
    }
}

/// A link of the sidebar, and the heading above it where a section begins.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) begins: bool,
    pub(super) heading: Option<&'static str>,
    pub(super) place: Place,
    pub(super) here: bool,
    /// How many things are left to do there.
    pub(super) left: Option<usize>,
}

/// The frame of a page: who looks, at which organization, and where they may go.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Path of the public URL.
    pub base: String,
    /// Id of the person, which every form carries.
    pub id: String,
    /// What the page's forms are known by, should one come twice.
    pub key: String,
    /// Full name.
    pub person: String,
    /// Address of the account.
    pub email: String,
    /// `Administrator` or `User`.
    pub role: &'static str,
    /// Name of the organization.
    pub organization: String,
    /// The other accounts of this browser.
    pub others: Vec<Other>,
    /// Where they may go; empty for whom nothing is open (B04).
    pub places: Vec<Place>,
    /// How many of the first steps are left.
    pub steps_left: usize,
    /// Where they are, if it is one of those.
    pub here: Option<Place>,
}

impl Frame {
    pub(super) fn entries(&self) -> Vec<Entry> {
        let mut before = None;
        let entry = |place: &Place| {
            let section = place.section();
            let begins = before != Some(section);
            before = Some(section);
            let left = match place {
                Place::Start => Some(self.steps_left),
                Place::Users | Place::AccessGroups | Place::Audit | Place::Settings => None,
            };
            Entry { begins, heading: section.filter(|_| begins), place: *place, here: self.here == Some(*place), left }
        };
        self.places.iter().map(entry).collect()
    }

    pub(super) fn initials(&self) -> String {
        initials(&self.person)
    }

    pub(super) fn hue(&self) -> &'static str {
        hue(&self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heading_stands_once_above_its_places() {
        let frame = Frame {
            base: String::new(),
            id: "u".to_owned(),
            key: "k".to_owned(),
            person: "Ana Ruiz".to_owned(),
            email: "ana@example.com".to_owned(),
            role: "Administrator",
            organization: "Larkspur".to_owned(),
            others: Vec::new(),
            places: Place::ALL.to_vec(),
            steps_left: 2,
            here: Some(Place::Users),
        };
        let headings: Vec<_> = frame.entries().iter().filter_map(|entry| entry.heading).collect();
        assert_eq!(headings, ["Access", "Organization"]);
        assert_eq!(frame.entries().iter().filter(|entry| entry.begins).count(), 3);
        assert_eq!(frame.entries().iter().filter(|entry| entry.here).count(), 1);
        assert_eq!(frame.initials(), "AR");
    }
}

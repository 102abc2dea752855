//! What makes an organization useful.

/// One of the first steps, which an Administrator takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Somebody beside the first Administrator.
    Invite,
    /// An access group, by which a User gets any access.
    Group,
    /// An AI tool of one's own, which has called.
    Tool,
    /// A provider through which people sign in.
    Provider,
}

impl Step {
    /// Every step, in the order in which they are told.
    pub const ALL: [Self; 4] = [Self::Invite, Self::Group, Self::Tool, Self::Provider];
}

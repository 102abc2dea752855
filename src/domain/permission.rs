//! Permissions, sets of them, and the catalogue of those that exist.
//!
//! A permission is `resource:action`. Access groups hold them; a person has the union of what their groups hold, and
//! nothing takes away from it. The catalogue says which names exist: the product's own, those of the product around it, and
//! what a deployment adds.

use super::{Invalid, text};
use serde::Deserialize;
use std::{
    borrow::Borrow,
    collections::BTreeMap,
    fmt,
    sync::{Arc, LazyLock},
};

/// The product's own permissions.
pub mod builtin {
    /// See the roster.
    pub const USERS_READ: &str = "users:read";
    /// Invite and resend.
    pub const USERS_INVITE: &str = "users:invite";
    /// Change names and Slack IDs.
    pub const USERS_UPDATE: &str = "users:update";
    /// Deactivate and reactivate.
    pub const USERS_DEACTIVATE: &str = "users:deactivate";
    /// See access groups.
    pub const ACCESS_GROUPS_READ: &str = "access_groups:read";
    /// Make access groups.
    pub const ACCESS_GROUPS_CREATE: &str = "access_groups:create";
    /// Change access groups.
    pub const ACCESS_GROUPS_UPDATE: &str = "access_groups:update";
    /// Delete access groups.
    pub const ACCESS_GROUPS_DELETE: &str = "access_groups:delete";
    /// Put people into access groups and take them out.
    pub const ACCESS_GROUPS_ASSIGN: &str = "access_groups:assign";
    /// Read the audit log.
    pub const AUDIT_LOG_READ: &str = "audit_log:read";
    /// Export the audit log.
    pub const AUDIT_LOG_EXPORT: &str = "audit_log:export";
    /// See other people's credentials.
    pub const MCP_TOKENS_READ: &str = "mcp_tokens:read";
    /// End other people's credentials.
    pub const MCP_TOKENS_REVOKE: &str = "mcp_tokens:revoke";
    /// See settings.
    pub const SETTINGS_READ: &str = "settings:read";
    /// Change settings.
    pub const SETTINGS_UPDATE: &str = "settings:update";

    /// All of them, in the catalogue's order.
    pub const ALL: [&str; 15] = [
        USERS_READ,
        USERS_INVITE,
        USERS_UPDATE,
        USERS_DEACTIVATE,
        ACCESS_GROUPS_READ,
        ACCESS_GROUPS_CREATE,
        ACCESS_GROUPS_UPDATE,
        ACCESS_GROUPS_DELETE,
        ACCESS_GROUPS_ASSIGN,
        AUDIT_LOG_READ,
        AUDIT_LOG_EXPORT,
        MCP_TOKENS_READ,
        MCP_TOKENS_REVOKE,
        SETTINGS_READ,
        SETTINGS_UPDATE,
    ];
}

/// A name of the form `resource:action`, lower-case ASCII letters and underscores, at most 64 characters. Whether it exists
/// is the [`Catalogue`]'s to say.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Permission(Arc<str>);

impl Permission {
    const MAX: usize = 64;

    /// Reads a name; the field is `permission`.
    ///
    /// # Errors
    /// The accepted form.
    pub fn parse(name: &str) -> Result<Self, Invalid> {
        let is_word = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        match name.split_once(':') {
            Some((resource, action)) if name.len() <= Self::MAX && is_word(resource) && is_word(action) => Ok(Self(name.into())),
            Some(_) | None => {
                Err(Invalid::new("permission", "A permission is written resource:action, in lower-case letters and underscores.")
                    .with_hint("list_permissions names all of them."))
            }
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Safe in any sentence: its form leaves no room for words of somebody else's.
impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Compares and orders as its name does, so that a set finds it by name.
impl Borrow<str> for Permission {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// A set of permissions, sorted by name.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct PermissionSet(Vec<Permission>);

impl PermissionSet {
    /// Reads names separated by spaces, as a query joins them. A text that is no permission gives no permission.
    #[must_use]
    pub fn parse_joined(names: &str) -> Self {
        names.split(' ').filter_map(|name| Permission::parse(name).ok()).collect()
    }

    /// Whether this permission is in the set.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.0.binary_search_by(|held| held.as_str().cmp(name)).is_ok()
    }

    /// Whether everything in `other` is in the set.
    #[must_use]
    pub fn is_superset(&self, other: &Self) -> bool {
        other.iter().all(|wanted| self.contains(wanted.as_str()))
    }

    /// The names in `other` that are not in the set, sorted.
    #[must_use]
    pub fn missing(&self, other: &Self) -> Vec<String> {
        other.difference(self).to_names()
    }

    /// What is in either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        self.iter().chain(other).cloned().collect()
    }

    /// What is in this set and not in `other`.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        Self(self.iter().filter(|held| !other.contains(held.as_str())).cloned().collect())
    }

    /// The permissions, sorted by name.
    pub fn iter(&self) -> std::slice::Iter<'_, Permission> {
        self.0.iter()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The names, sorted, as results show them.
    #[must_use]
    pub fn to_names(&self) -> Vec<String> {
        self.iter().map(ToString::to_string).collect()
    }
}

impl FromIterator<Permission> for PermissionSet {
    fn from_iter<I: IntoIterator<Item = Permission>>(permissions: I) -> Self {
        let mut sorted: Vec<Permission> = permissions.into_iter().collect();
        sorted.sort_unstable();
        sorted.dedup();
        Self(sorted)
    }
}

impl<'a> IntoIterator for &'a PermissionSet {
    type Item = &'a Permission;
    type IntoIter = std::slice::Iter<'a, Permission>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Debug for PermissionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self).finish()
    }
}

/// An entry of the catalogue.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PermissionInfo {
    /// The name, `resource:action`.
    pub name: String,
    /// What it lets a person do, in one line of at most 500 characters.
    pub description: String,
    /// Whether it gives power over people, access, audit or settings.
    pub privileged: bool,
}

/// The permissions that exist, in a fixed order: the built-in ones, the default surfaces, a deployment's own.
#[derive(Clone, Debug)]
pub struct Catalogue {
    entries: Vec<PermissionInfo>,
    /// Where in `entries` each name stands.
    places: BTreeMap<Permission, usize>,
}

impl Catalogue {
    const FIELD: &str = "permissions";
    const DESCRIPTION_MAX: usize = 500;
    /// Entries that a deployment may add. A group's permissions travel in one answer, which must stay readable.
    const ADDED_MAX: usize = 1_000;
    /// Changed letters up to which a name counts as a slip of another.
    const NEAR: usize = 3;

    /// The built-in permissions and the default surfaces.
    #[must_use]
    pub fn builtin() -> Self {
        // The file is part of the program and a test reads it. Were it broken all the same, nothing could be granted, which
        // is the safe side.
        static BUILTIN: LazyLock<Catalogue> = LazyLock::new(|| {
            let mut catalogue = Catalogue { entries: Vec::new(), places: BTreeMap::new() };
            if let Err(invalid) = catalogue.add(include_str!("permissions.json")) {
                tracing::error!(%invalid, "the built-in catalogue cannot be read");
            }
            catalogue
        });
        BUILTIN.clone()
    }

    /// The built-in catalogue and a deployment's own entries: a JSON array of `{"name", "description", "privileged"}`, at
    /// most 1,000.
    ///
    /// # Errors
    /// Names the entry by its number where it is no entry, is not of the form, or has a name that is already there: what a
    /// built-in permission means is not the deployment's to say.
    pub fn extended(json: &str) -> Result<Self, Invalid> {
        let mut catalogue = Self::builtin();
        catalogue.add(json)?;
        Ok(catalogue)
    }

    fn add(&mut self, json: &str) -> Result<(), Invalid> {
        let added: Vec<PermissionInfo> = serde_json::from_str(json).map_err(|error| {
            // The parser's own sentence may quote the file, its place in the file never does.
            let (line, column) = (error.line(), error.column());
            Invalid::new(Self::FIELD, format!("The permissions file is not of the accepted form at line {line}, column {column}."))
                .with_hint(
                    r#"It reads [{"name": "reports:read", "description": "See reports.", "privileged": false}], with as many entries."#,
                )
        })?;
        if added.len() > Self::ADDED_MAX {
            return Err(Invalid::new(Self::FIELD, "The permissions file may have at most 1000 entries."));
        }
        for (index, info) in added.into_iter().enumerate() {
            let number = index + 1;
            let refused = |what: &str| Invalid::new(Self::FIELD, format!("Entry {number} of the permissions file {what}."));
            let name = Permission::parse(&info.name)
                .map_err(|_| refused("must have a name of the form resource:action, in lower-case letters and underscores"))?;
            let described = text::visible_line(Self::FIELD, &info.description).is_ok_and(|line| text::is_visible(&line))
                && text::at_most(Self::FIELD, &info.description, Self::DESCRIPTION_MAX).is_ok();
            if !described {
                return Err(refused("must have a description of one line, 1 to 500 characters"));
            }
            if self.places.insert(name, self.entries.len()).is_some() {
                return Err(refused("has a name that is already in the catalogue"));
            }
            self.entries.push(info);
        }
        Ok(())
    }

    /// Every entry, in the fixed order.
    pub fn iter(&self) -> std::slice::Iter<'_, PermissionInfo> {
        self.entries.iter()
    }

    /// The entry of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&PermissionInfo> {
        self.places.get(name).and_then(|&place| self.entries.get(place))
    }

    /// Whether a permission of this name exists.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.places.contains_key(name)
    }

    /// The existing name that a slip of the pen may have meant: `user.read` meant `users:read`. `None` where none is close.
    #[must_use]
    pub fn nearest(&self, name: &str) -> Option<&str> {
        if name.len() > Permission::MAX {
            return None;
        }
        let meant = name.trim().to_ascii_lowercase().replace(['.', '/'], ":").replace(['-', ' '], "_");
        // Less than half of it may differ, else any short text is close to something.
        let near = Self::NEAR.min(meant.chars().count() / 2);
        let (distance, nearest) = self.iter().map(|info| (distance(&meant, &info.name), info)).min_by_key(|(distance, _)| *distance)?;
        (distance <= near && !meant.is_empty()).then_some(nearest.name.as_str())
    }
}

impl<'a> IntoIterator for &'a Catalogue {
    type Item = &'a PermissionInfo;
    type IntoIter = std::slice::Iter<'a, PermissionInfo>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Letters to insert, remove or replace to get from one text to the other (Levenshtein).
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, c) in from.chars().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, &other) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(c != other);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn set(names: &str) -> PermissionSet {
        PermissionSet::parse_joined(names)
    }

    #[test]
    fn the_catalogue_begins_with_the_built_in_permissions() {
        let catalogue = Catalogue::builtin();
        let names: Vec<&str> = catalogue.iter().map(|info| info.name.as_str()).collect();
        assert_eq!(names[..15], builtin::ALL);
        assert_eq!(names.len(), 31);
        for name in names {
            assert!(catalogue.contains(name));
            assert!(!catalogue.get(name).unwrap().description.is_empty());
        }
    }

    #[test]
    fn b05_the_usual_shapes_are_expressible() {
        let catalogue = Catalogue::builtin();
        let reads: Vec<&str> = catalogue.iter().filter(|info| info.name.ends_with(":read")).map(|info| info.name.as_str()).collect();
        assert!(reads.len() >= 9, "a read-only auditor");
        assert!(reads.iter().all(|name| !catalogue.get(name).unwrap().privileged), "reading gives no power");
        for name in ["customers:update", "centers:read", "connectors:update", "billing:update", "dashboard:read"] {
            assert!(catalogue.contains(name), "a customer-facing employee, a contractor, connectors without billing");
        }
    }

    #[test]
    fn what_gives_power_is_privileged() {
        let privileged: Vec<String> = Catalogue::builtin().iter().filter(|info| info.privileged).map(|info| info.name.clone()).collect();
        let reads = |name: &str| name.ends_with(":read");
        let expected: Vec<&str> = builtin::ALL.into_iter().filter(|name| !reads(name)).collect();
        assert_eq!(privileged, expected);
    }

    #[test]
    fn a_deployment_adds_and_never_redefines() {
        let added = Catalogue::extended(r#"[{"name":"shifts:swap","description":"Swap shifts.","privileged":false}]"#).unwrap();
        assert!(added.contains("shifts:swap"));
        assert_eq!(added.iter().last().unwrap().name, "shifts:swap");
        assert!(!Catalogue::builtin().contains("shifts:swap"));

        for (json, reason) in [
            (r#"[{"name":"users:read","description":"x","privileged":false}]"#, "already"),
            (r#"[{"name":"a:b","description":"x","privileged":false},{"name":"a:b","description":"x","privileged":true}]"#, "Entry 2"),
            (r#"[{"name":"Users","description":"x","privileged":false}]"#, "form resource:action"),
            (r#"[{"name":"a:b","description":"","privileged":false}]"#, "description"),
            (r#"[{"name":"a:b","description":"x\ny","privileged":false}]"#, "description"),
            (r#"[{"name":"a:b","description":"x"}]"#, "line 1"),
            (r#"[{"name":"a:b","description":"x","privileged":false,"evil":1}]"#, "line 1"),
            ("{}", "line 1"),
            ("", "line 1"),
        ] {
            let invalid = Catalogue::extended(json).unwrap_err();
            assert!(invalid.message.contains(reason), "{json}: {}", invalid.message);
            assert!(!invalid.message.contains("evil"));
        }
    }

    #[test]
    fn a_slip_of_the_pen_finds_its_name() {
        let catalogue = Catalogue::builtin();
        for (slip, name) in [
            ("user:read", "users:read"),
            ("users.invite", "users:invite"),
            ("Users:Read", "users:read"),
            ("access-groups:assign", "access_groups:assign"),
            ("audit_logs:read", "audit_log:read"),
        ] {
            assert_eq!(catalogue.nearest(slip), Some(name), "{slip}");
        }
        for far in ["", "x", "everything", "users:delete", &"users:read".repeat(100)] {
            assert_eq!(catalogue.nearest(far), None, "{far}");
        }
    }

    #[test]
    fn a_permission_has_one_form() {
        for name in ["users:read", "a_b:c_d", "a:b"] {
            assert_eq!(Permission::parse(name).unwrap().as_str(), name);
        }
        let long = format!("{}:{}", "a".repeat(32), "b".repeat(32));
        for name in
            ["", ":", "users", "users:", ":read", "users:read:all", "Users:read", "users:*", "users read", "ü:b", "users:read\n", &long]
        {
            assert!(Permission::parse(name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_set_reads_what_a_query_joins() {
        let set = set("users:read billing:update users:read  nonsense");
        assert_eq!(set.to_names(), ["billing:update", "users:read"]);
        assert!(set.contains("users:read") && !set.contains("users") && !set.contains("users:invite"));
        assert!(PermissionSet::parse_joined("").is_empty());
    }

    #[test]
    fn r_b62_what_is_missing_is_named() {
        let holds = set("users:read access_groups:assign");
        assert_eq!(holds.missing(&set("users:read billing:update")), ["billing:update"]);
        assert!(holds.missing(&set("users:read")).is_empty());
    }

    fn sets() -> impl Strategy<Value = PermissionSet> {
        proptest::collection::vec("[ab]:[a-d]", 0..8).prop_map(|names| set(&names.join(" ")))
    }

    proptest! {
        #[test]
        fn set_algebra(a in sets(), b in sets(), c in sets()) {
            prop_assert_eq!(a.union(&b), b.union(&a));
            prop_assert_eq!(a.union(&b).union(&c), a.union(&b.union(&c)));
            prop_assert_eq!(a.union(&a), a.clone());
            prop_assert!(a.union(&b).is_superset(&a));
            prop_assert_eq!(a.is_superset(&b), a.missing(&b).is_empty());
            prop_assert_eq!(a.is_superset(&b), a.union(&b) == a);
            prop_assert_eq!(a.difference(&b).union(&b), a.union(&b));
            prop_assert!(a.difference(&b).iter().all(|held| !b.contains(held.as_str())));
            prop_assert!(a.iter().zip(a.iter().skip(1)).all(|(x, y)| x < y));
            prop_assert_eq!(set(&a.to_names().join(" ")), a);
        }

        #[test]
        fn nearest_takes_any_text(text in any::<String>()) {
            let _ = Catalogue::builtin().nearest(&text);
        }
    }
}

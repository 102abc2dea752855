//! All that a group can give as a table: a line for each resource, a column for each kind of action.

use crate::{
    authz::Standing,
    domain::{Catalogue, PermissionInfo},
    http::web::views::{
        capitalized,
        groups::{Line, Matrix, Section, Tick},
    },
};

/// What a resource is called and what it is, as far as the product itself knows.
const KNOWN: [(&str, &str, &str, &str); 10] = [
    (ACCESS, "users", "Users", "The roster of people"),
    (ACCESS, "access_groups", "Access groups", "Who may do what"),
    (ACCESS, "audit_log", "Audit log", "What happened"),
    (ACCESS, "mcp_tokens", "MCP tokens", "Other people’s tokens and AI tools"),
    (PRODUCT, "dashboard", "Dashboard", "The start page"),
    (PRODUCT, "connectors", "Connectors", "Links to other systems"),
    (PRODUCT, "centers", "Centers", "Sites and shifts"),
    (PRODUCT, "customers", "Customers", "Records and notes"),
    (PRODUCT, "billing", "Billing", "Plans and invoices"),
    (ORGANIZATION, "settings", "Settings", "Name, sign-in, limits"),
];

const ACCESS: &str = "Access";
const PRODUCT: &str = "Product";
const ORGANIZATION: &str = "Organization";
/// What a group was given once, and the catalogue knows no more: it can only be taken away.
const FORGOTTEN: &str = "No longer known";
/// The sections in their order.
const SECTIONS: [&str; 4] = [ACCESS, PRODUCT, ORGANIZATION, FORGOTTEN];

/// The column of an action: look, add, change, end, and the rest.
fn column(action: &str) -> usize {
    match action {
        "read" => 0,
        "create" | "invite" => 1,
        "update" => 2,
        "delete" | "deactivate" | "revoke" => 3,
        _ => 4,
    }
}

/// `service_desks` as a person reads it.
fn spelled(resource: &str) -> String {
    capitalized(&resource.replace('_', " "))
}

/// What is ticked or given in it.
pub(super) struct Given<'a> {
    /// What the box shows.
    pub(super) ticked: &'a [String],
    /// What the group gives now: whoever does not hold it can still leave it as it is.
    pub(super) now: &'a [String],
}

/// The table for whoever has this standing.
pub(super) fn matrix(catalogue: &Catalogue, standing: &Standing, given: &Given<'_>) -> Matrix {
    let mut sections: Vec<Section> = SECTIONS.into_iter().map(|name| Section { name, lines: Vec::new() }).collect();
    for info in catalogue {
        let resource = info.name.split(':').next().unwrap_or_default();
        let known = KNOWN.iter().find(|(_, name, _, _)| *name == resource);
        let (section, label, about) =
            known.map_or((PRODUCT, spelled(resource), ""), |(section, _, label, about)| (*section, (*label).to_owned(), *about));
        put(&mut sections, section, &label, about, tick(info, standing, given));
    }
    for name in given.now.iter().filter(|name| !catalogue.contains(name)) {
        let info =
            PermissionInfo { name: name.clone(), description: "No permission of this name exists any more.".to_owned(), privileged: false };
        put(&mut sections, FORGOTTEN, &spelled(name.split(':').next().unwrap_or_default()), "", tick(&info, standing, given));
    }
    sections.retain(|section| !section.lines.is_empty());
    Matrix { sections }
}

fn tick(info: &PermissionInfo, standing: &Standing, given: &Given<'_>) -> Tick {
    Tick {
        permission: info.name.clone(),
        action: spelled(info.name.split(':').nth(1).unwrap_or_default()).to_lowercase(),
        about: info.description.clone(),
        given: given.ticked.contains(&info.name),
        open: standing.holds(&info.name) || given.now.contains(&info.name),
    }
}

fn put(sections: &mut [Section], name: &str, resource: &str, about: &'static str, tick: Tick) {
    let Some(section) = sections.iter_mut().find(|section| section.name == name) else { return };
    let at = section.lines.iter().position(|line| line.resource == resource).unwrap_or_else(|| {
        section.lines.push(Line { resource: resource.to_owned(), about, cells: Default::default() });
        section.lines.len() - 1
    });
    let action = tick.permission.split(':').nth(1).unwrap_or_default();
    section.lines[at].cells[column(action)].push(tick);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{PermissionSet, Role};

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn every_permission_has_one_cell_and_what_one_does_not_hold_is_closed() {
        let added = r#"[{"name":"service_desks:hand_over","description":"Hand over.","privileged":false}]"#;
        let catalogue = Catalogue::extended(added).unwrap();
        let standing = Standing { role: Role::User, permissions: PermissionSet::parse_joined("users:read users:invite") };
        let now = names(&["billing:update", "gone:read"]);
        let table = matrix(&catalogue, &standing, &Given { ticked: &names(&["users:read", "billing:update"]), now: &now });
        let ticks: Vec<&Tick> = table.sections.iter().flat_map(|section| &section.lines).flat_map(|line| &line.cells).flatten().collect();
        assert_eq!(ticks.len(), catalogue.iter().count() + 1);
        let open: Vec<&str> = ticks.iter().filter(|tick| tick.open).map(|tick| tick.permission.as_str()).collect();
        assert_eq!(open, ["users:read", "users:invite", "billing:update", "gone:read"]);
        assert_eq!(ticks.iter().filter(|tick| tick.given).count(), 2);
        let sections: Vec<&str> = table.sections.iter().map(|section| section.name).collect();
        assert_eq!(sections, SECTIONS);
        let desks = &table.sections[1].lines.last().unwrap();
        assert_eq!((desks.resource.as_str(), desks.cells[4][0].action.as_str()), ("Service desks", "hand over"));
        let users = &table.sections[0].lines[0];
        let words: Vec<Vec<&str>> = users.cells.iter().map(|cell| cell.iter().map(|tick| tick.action.as_str()).collect()).collect();
        assert_eq!(words, [vec!["read"], vec!["invite"], vec!["update"], vec!["deactivate"], vec![]]);
    }

    #[test]
    fn an_administrator_can_tick_everything() {
        let table = matrix(&Catalogue::builtin(), &Standing::above_roles(), &Given { ticked: &[], now: &[] });
        assert!(table.sections.iter().flat_map(|section| &section.lines).flat_map(|line| &line.cells).flatten().all(|tick| tick.open));
        assert_eq!(table.sections.len(), 3);
    }
}

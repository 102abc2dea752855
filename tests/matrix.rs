//! Every tool, every kind of caller, every kind of target: `tests/matrix.md` says the answers, and is run as it stands.

mod table;
mod world;

use crate::common::on_both;
use serde_json::{Value, json};
use std::{collections::BTreeSet, sync::LazyLock};
use table::{Section, Table, Verdict, Who};
use usher_tools::{Descriptor, Needs, catalogue};
use world::{Naming, Reply, World};

/// What a call on a person is tried on, in every table of a tool that takes one.
const PEOPLE: [&str; 5] = ["oneself", "another User", "an Administrator", "a foreign person", "a random id"];
/// What a call on an access group is tried on, in some table of a tool that takes one.
const GROUPS: [&str; 2] = ["a foreign group", "a random group id"];

/// The tools there are. Made once: their schemas take a while.
static TOOLS: LazyLock<Vec<Descriptor>> = LazyLock::new(catalogue);

/// The one of this name.
fn tool(name: &str) -> &'static Descriptor {
    TOOLS.iter().find(|tool| tool.name == name).unwrap_or_else(|| panic!("{name}: there is no such tool"))
}

fn takes(tool: &Descriptor, arguments: [&str; 2]) -> bool {
    arguments.iter().any(|name| tool.input_schema["properties"].get(name).is_some())
}

#[test]
fn requirement_57_every_tool_caller_and_target_is_in_the_table() {
    let table = Table::read();
    for section in &table.sections {
        tool(&section.tool);
    }
    for tool in TOOLS.iter() {
        let sections: Vec<&Section> = table.sections.iter().filter(|section| section.tool == tool.name).collect();
        assert!(!sections.is_empty(), "{}: not in the table", tool.name);
        for section in &sections {
            let name = format!("{} {}", section.tool, section.variant);
            for who in Who::always().into_iter().chain([Who::AnyOther]) {
                assert!(section.callers().any(|caller| *caller == who), "{name}: no row for {who:?}");
            }
            for caller in section.callers() {
                if let Who::Holding(permissions) = caller {
                    assert!(permissions.is_subset(&table.permissions), "{name}: {permissions:?}");
                }
            }
            if let Needs::Permission(permission) | Needs::PermissionUnlessSelf(permission) = tool.needs {
                let holder = Who::Holding(BTreeSet::from([permission.to_owned()]));
                assert!(section.callers().any(|caller| *caller == holder), "{name}: no row for {permission}");
            }
            if takes(tool, ["user", "users"]) {
                assert!(PEOPLE.iter().all(|target| section.column(target).is_some()), "{name}: every kind of person is tried");
            }
        }
        if takes(tool, ["access_group", "access_groups"]) {
            let tried = |target: &str| sections.iter().any(|section| section.column(target).is_some());
            assert!(GROUPS.iter().all(|target| tried(target)), "{}: groups of nobody here are tried", tool.name);
        }
    }
}

/// Whether an answer is what its cell says.
fn holds(world: &World, verdict: &Verdict, writes: bool, reply: &Reply) -> bool {
    if *verdict == Verdict::Unauthorized || reply.status != 200 {
        return *verdict == Verdict::Unauthorized && reply.status == 401;
    }
    let (error, result) = (reply.error(), reply.result()["structuredContent"].take());
    if let Verdict::Refused { code, details } = verdict {
        return error["code"] == *code && error["details"] == details.clone().unwrap_or_else(|| world.holder());
    }
    let changed = !writes || result["changed"] == (*verdict == Verdict::Yes);
    let member = result.get("member").is_none() || (result["status"] == "none") == (*verdict == Verdict::NoAccount);
    result.is_object() && changed && member
}

/// All cells of one caller in one table. Refusals are real calls; what goes through is a dry run, so that it stays as it was.
/// Whoever has a row of their own names every target a second time by address or name, in a dry run: the same answer.
/// The cells that were answered otherwise.
async fn run(world: &World, section: &Section, who: &Who, row: &[Verdict]) -> Vec<String> {
    let mut wrong = Vec::new();
    let writes = !tool(&section.tool).effect.read_only();
    let twice = section.callers().any(|caller| caller == who);
    let mut replies = Vec::new();
    for (column, verdict) in section.columns.iter().zip(row) {
        let cell = format!("{} {}, {who:?}, {column}", section.tool, section.variant);
        // Whoever is not let in gets what every other of their kind gets.
        let mut first = (*verdict == Verdict::Unauthorized).then(|| world.shut(who).clone());
        for naming in [Naming::Id, Naming::Word] {
            // Nobody reads what a caller without a live token passes.
            if naming == Naming::Word && (!twice || *verdict == Verdict::Unauthorized) {
                continue;
            }
            let mut arguments = world.arguments(section, column, who, naming);
            if writes && (verdict.passes() || naming == Naming::Word) {
                arguments["dry_run"] = json!(true);
            }
            for door in world.doors(who) {
                let reply = world.call(door, &section.tool, &arguments).await;
                let shown = writes || *verdict != Verdict::Yes || world.shows(section, column, who, &reply.result()["structuredContent"]);
                if !holds(world, verdict, writes, &reply) || !World::discreet(&reply, who) || !shown {
                    wrong.push(format!("{cell}, {naming:?}: {verdict:?}, but {} {}", reply.status, reply.text));
                }
                let reply = reply.anonymous();
                if !verdict.passes() && *first.get_or_insert_with(|| reply.clone()) != reply {
                    wrong.push(format!("{cell}, {naming:?}: not alike: {first:?}, {reply:?}"));
                }
            }
        }
        replies.push(first);
    }
    // Requirement 58: what is another organization's and what is nobody's are one thing.
    for (foreign, random) in
        [("a foreign person", "a random id"), ("a foreign group", "a random group id"), ("a foreign token", "a random token id")]
    {
        if let (Some(foreign), Some(random)) = (section.column(foreign), section.column(random)) {
            let (foreign, random) = (&replies[foreign], &replies[random]);
            if foreign != random {
                wrong.push(format!("{} {}, {who:?}: foreign {foreign:?}, random {random:?}", section.tool, section.variant));
            }
        }
    }
    wrong
}

/// One caller in every table that has a row for them: nothing changed, nothing was done, and they see what they may use.
async fn run_all(world: &World, table: &Table, who: &Who) -> Vec<String> {
    let mut wrong = Vec::new();
    let (before, deeds) = (world.rows().await, world.deeds().await);
    let mut reached = BTreeSet::new();
    let mut whole = true;
    for section in &table.sections {
        let Some(row) = section.row(who) else {
            whole = false;
            continue;
        };
        if row.iter().any(Verdict::reaches) {
            reached.insert(section.tool.clone());
        }
        wrong.extend(run(world, section, who, row).await);
    }
    let after = world.rows().await;
    let changes: Vec<&String> = before.symmetric_difference(&after).collect();
    assert!(changes.is_empty(), "{who:?}: {changes:#?}\n{}", wrong.join("\n"));
    assert_eq!(world.deeds().await, deeds, "{who:?}: the audit log has refusals only");
    if whole && !reached.is_empty() {
        assert_eq!(world.tools(&world.doors(who)[0]).await, reached, "{who:?}: is shown what they can use");
    }
    wrong
}

#[tokio::test]
async fn requirement_57_58_60_every_cell_of_the_table_is_the_answer_and_a_refusal_changes_nothing() {
    let table = Table::read();
    on_both(async |engine| {
        let world = World::new(engine).await;
        let known = world.server.ok("list_permissions", json!({})).await;
        let known = known["permissions"].as_array().expect("permissions").iter();
        let known: BTreeSet<String> = known.map(|permission| permission["name"].as_str().expect("a name").to_owned()).collect();
        assert_eq!(table.permissions, known, "every permission is in the table");
        let mut wrong = Vec::new();
        for who in Who::always() {
            wrong.extend(run_all(&world, &table, &who).await);
        }
        // Permissions only add: what all that no tool asks for do not open together, none of them opens alone.
        let unasked = table.unasked();
        world.hold(&unasked).await;
        wrong.extend(run_all(&world, &table, &Who::Unasked).await);
        let mut holdings = table.holdings();
        if std::env::var_os("USHER_TEST_LONG").is_some() {
            holdings.extend(unasked.into_iter().map(|name| BTreeSet::from([name])));
        }
        for permissions in holdings {
            world.hold(&permissions).await;
            wrong.extend(run_all(&world, &table, &Who::Holding(permissions)).await);
        }
        assert!(wrong.is_empty(), "{engine:?}: {} cells are answered otherwise:\n{}", wrong.len(), wrong.join("\n"));
        assert!(world.verified().await);
        world.connection.close().await;
    })
    .await;
}

/// One real call of every write, each by somebody who holds no more than it needs, in an order in which none is in another's way.
const WRITES: [(&str, &str, &str); 12] = [
    ("create_access_group", "", "a group giving `access_groups:create`"),
    ("update_access_group", "a new name", "a group giving nothing"),
    ("add_to_access_group", "a group giving nothing", "another User"),
    ("remove_from_access_group", "the group giving `customers:export`", "a Pending User holding `customers:export`"),
    ("delete_access_group", "", "a group giving nothing"),
    ("invite_user", "a User", "no group"),
    ("resend_invite", "", "a Pending User"),
    ("update_user", "a new name", "another User"),
    ("revoke_mcp_token", "", "a token of another User"),
    ("end_ai_access", "", "another User"),
    ("deactivate_user", "", "another User"),
    ("reactivate_user", "", "a Deactivated User"),
];

#[tokio::test]
async fn b27_every_write_is_done_for_somebody_who_holds_just_its_permission() {
    let table = Table::read();
    let tried: BTreeSet<&str> = WRITES.iter().map(|(tool, _, _)| *tool).collect();
    let writes: BTreeSet<&str> = TOOLS.iter().filter(|tool| !tool.effect.read_only()).map(|tool| tool.name).collect();
    assert_eq!(tried, writes, "every write is tried");
    on_both(async |engine| {
        let world = World::new(engine).await;
        for (tool, variant, column) in WRITES {
            let (Needs::Permission(permission) | Needs::PermissionUnlessSelf(permission)) = self::tool(tool).needs else {
                panic!("{tool}: needs no permission");
            };
            let who = Who::Holding(BTreeSet::from([permission.to_owned()]));
            world.hold(&BTreeSet::from([permission.to_owned()])).await;
            let section = table.section(tool, variant);
            let place = section.column(column).expect(column);
            assert_eq!(section.row(&who).map(|row| &row[place]), Some(&Verdict::Yes), "{tool}");
            let before = world.rows().await;
            let reply = world.call(&world.doors(&who)[0], tool, &world.arguments(section, column, &who, Naming::Id)).await;
            assert!(holds(&world, &Verdict::Yes, true, &reply), "{tool}: {}", reply.text);
            assert_ne!(world.rows().await, before, "{tool}: is kept");
            let newest = world.server.ok("list_audit_events", json!({"outcome": "done", "limit": 1})).await;
            let event: &Value = &newest["events"][0];
            assert_eq!((&event["tool"], &event["actor"]["user_id"]), (&json!(tool), &json!(world.me(&who).id)), "{event}");
        }
        assert!(world.verified().await);
        world.connection.close().await;
    })
    .await;
}

use super::{
    words::{ACTIONS, sentence},
    *,
};
use crate::domain::builtin;
use askama::Template;
use serde_json::{Value, json};
use std::{collections::BTreeSet, path::Path};
use usher_tools::AuditEvent;

const HOSTILE: &str = "<img src=x onerror=alert(1)>\"'>\u{202e}";

/// An entry of Ana's about Bo, otherwise as `more` says.
fn event(action: &str, more: &Value) -> AuditEvent {
    let mut whole = json!({
        "id": "01990b1c-7e1a-7000-8000-00000000000e", "sequence": 7, "at": "2026-11-25T14:00:11.000Z",
        "actor": {"user_id": "a", "name": "Ana Ruiz", "kind": "user"}, "credential": null, "client": null, "surface": "web", "tool": null,
        "action": action, "target": {"kind": "user", "id": "b", "name": "Bo Li"}, "outcome": "done", "code": null, "reason": null,
        "changes": [], "repeated": 1, "request_id": "01990b1c-7e1a-7000-8000-000000000002"
    });
    for (key, value) in more.as_object().unwrap() {
        whole[key] = value.clone();
    }
    serde_json::from_value(whole).unwrap()
}

fn said(action: &str, more: &Value) -> String {
    sentence(&event(action, more)).to_string()
}

fn changes(fields: &[(&str, Option<&str>, Option<&str>)]) -> Value {
    let changes: Vec<_> = fields.iter().map(|(field, before, after)| json!({"field": field, "before": before, "after": after})).collect();
    json!({"changes": changes})
}

/// The actions that the sources of `authz` name, a permission of the catalogue or a word of their own.
fn actions() -> BTreeSet<String> {
    let mut found: BTreeSet<String> = BTreeSet::new();
    for file in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/authz")).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        let code = text.split("\n#[cfg(test)]").next().unwrap();
        let own = code.split('"').skip(1).step_by(2).filter(|word| {
            word.split_once(':').is_some_and(|(kind, what)| {
                [kind, what].iter().all(|half| !half.is_empty() && half.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'))
            })
        });
        found.extend(own.map(str::to_owned));
        for line in code.lines().filter_map(|line| line.split_once("const NAME: &'static str = builtin::")) {
            let constant = line.1.trim_end_matches(';');
            let name = builtin::ALL.into_iter().find(|name| name.replace(':', "_").to_uppercase() == constant);
            found.insert(name.unwrap_or_else(|| panic!("{constant} is a permission")).to_owned());
        }
    }
    found
}

#[test]
fn every_action_has_a_sentence() {
    let actions = actions();
    assert!(actions.contains("users:invite") && actions.contains("sign_in:operator_link_made") && actions.len() > 40, "{actions:?}");
    for action in &actions {
        let said = said(action, &json!({}));
        assert!(!said.contains("no words") && said.starts_with("Ana Ruiz "), "{said}");
    }
    for action in actions.iter().map(String::as_str).chain(builtin::ALL).chain(["sign_in", "refused:several"]) {
        let said = said(action, &json!({"outcome": "refused", "code": "permission_denied"}));
        assert!(!said.contains("no words") && said.starts_with("Ana Ruiz was refused: "), "{said}");
    }
    let offered: Vec<_> = ACTIONS.iter().flat_map(|(_, actions)| actions.iter().map(|(action, _)| *action)).collect();
    // No entry has this name: each kind of link has one of its own.
    for action in actions.iter().map(String::as_str).chain(builtin::ALL).filter(|action| *action != "link:made") {
        assert_eq!(offered.iter().filter(|offered| **offered == action).count(), 1, "{action} can be asked for");
    }
    assert_eq!(said("new:thing", &json!({})), "Ana Ruiz did something that this version has no words for: new:thing");
}

#[expect(clippy::too_many_lines, reason = "a table: one entry and its sentence after the other")]
#[test]
fn an_entry_reads_as_a_sentence() {
    let group = json!({"kind": "access_group", "id": "g", "name": "Support"});
    let with = |target: &Value, fields: &[(&str, Option<&str>, Option<&str>)]| {
        let mut more = changes(fields);
        more["target"] = target.clone();
        more
    };
    let of = changes;
    let none = json!({});
    for (action, more, wanted) in [
        ("users:invite", of(&[("role", None, Some("User"))]), "Ana Ruiz invited Bo Li as User"),
        (
            "users:invite",
            of(&[("role", None, Some("User")), ("access_group", None, Some("A")), ("access_group", None, Some("B"))]),
            "Ana Ruiz invited Bo Li as User and added them to A and B",
        ),
        ("users:invite", of(&[("invite_generation", Some("1"), Some("2"))]), "Ana Ruiz sent Bo Li a new invite"),
        ("users:update", of(&[("last_name", Some("Li"), Some("Lee"))]), "Ana Ruiz renamed Bo Li to Bo Lee"),
        (
            "users:update",
            of(&[("first_name", Some("Bo"), Some("Bob")), ("role", Some("User"), Some("Administrator")), ("slack_id", None, Some("U1"))]),
            "Ana Ruiz renamed Bo Li to Bob Li, made them an Administrator and set the Slack ID of them",
        ),
        ("users:update", of(&[("role", Some("Administrator"), Some("User"))]), "Ana Ruiz made Bo Li a User"),
        ("users:update", of(&[("slack_id", Some("U1"), None)]), "Ana Ruiz removed the Slack ID of Bo Li"),
        (
            "users:update",
            json!({"target": {"kind": "user", "id": "a", "name": "Ana Ruiz"}, "changes": [{"field": "last_name", "before": "Ruiz", "after": "R."}]}),
            "Ana Ruiz changed their own name to Ana R.",
        ),
        ("users:deactivate", of(&[("status", Some("active"), Some("deactivated"))]), "Ana Ruiz deactivated Bo Li"),
        ("users:deactivate", of(&[("status", Some("pending"), Some("deactivated"))]), "Ana Ruiz withdrew the invite of Bo Li"),
        ("users:deactivate", of(&[("status", Some("deactivated"), Some("active"))]), "Ana Ruiz reactivated Bo Li"),
        (
            "users:deactivate",
            of(&[("status", Some("deactivated"), Some("pending"))]),
            "Ana Ruiz reactivated Bo Li and sent them a new invite",
        ),
        ("access_groups:create", with(&group, &[]), "Ana Ruiz made the access group Support"),
        (
            "access_groups:update",
            with(
                &group,
                &[
                    ("name", Some("Support"), Some("Help")),
                    ("permission", None, Some("users:read")),
                    ("permission", Some("users:invite"), None),
                ],
            ),
            "Ana Ruiz renamed the access group Support to Help, gave it users:read and took users:invite from it",
        ),
        (
            "access_groups:update",
            with(&group, &["a:b", "a:c", "a:d", "a:e"].map(|name| ("permission", None, Some(name)))),
            "Ana Ruiz gave the access group Support 4 permissions",
        ),
        (
            "access_groups:delete",
            with(&group, &[("members", Some("1"), Some("0"))]),
            "Ana Ruiz deleted the access group Support, which had 1 member",
        ),
        ("access_groups:assign", of(&[("access_group", None, Some("A"))]), "Ana Ruiz added Bo Li to A"),
        ("access_groups:assign", of(&[("access_group", Some("A"), None)]), "Ana Ruiz took Bo Li out of A"),
        (
            "settings:update",
            of(&[("magic_links", Some("on"), Some("off")), ("invite_domains", None, Some("a.example"))]),
            "Ana Ruiz changed the settings: signing in by mailed link and domains that are invited",
        ),
        ("settings:update", of(&[("slack_workspace", None, Some("T1 Acme"))]), "Ana Ruiz connected Slack"),
        ("invite:accepted", of(&[("status", Some("pending"), Some("active"))]), "Ana Ruiz opened the invite and set a password"),
        ("sign_in:password", none.clone(), "Ana Ruiz signed in with a password"),
        ("session:ended", of(&[("sessions_ended", None, Some("2"))]), "Ana Ruiz ended 2 sessions of their own"),
        (
            "token:created",
            json!({"target": {"kind": "credential", "id": "c", "name": "night-report"}}),
            "Ana Ruiz made the token night-report",
        ),
        ("token:revoked", json!({"target": {"kind": "credential", "id": "c", "name": null}}), "Ana Ruiz ended a token"),
        ("users:exported", none.clone(), "Ana Ruiz took the roster away as a file"),
        ("ai_access:ended", of(&[("mcp_tokens_ended", None, Some("2"))]), "Ana Ruiz ended all AI access of Bo Li"),
        ("users:deactivate", json!({"outcome": "refused", "tool": "deactivate_user"}), "Ana Ruiz was refused: deactivate Bo Li"),
        (
            "users:invite",
            json!({"outcome": "refused", "repeated": 12, "target": {"kind": "user", "id": null, "name": null}}),
            "Ana Ruiz was refused: invite somebody, 12 times",
        ),
        (
            "refused:several",
            json!({"outcome": "refused", "repeated": 9, "actor": {"user_id": null, "name": null, "kind": "system"}, "surface": "system"}),
            "Several people were refused: several things that found no room as entries of their own, 9 times",
        ),
        (
            "sign_in:sso",
            json!({"outcome": "refused", "actor": {"user_id": null, "name": null, "kind": "system"}, "surface": "system"}),
            "Somebody at the door was refused: sign in through single sign-on as Bo Li",
        ),
        (
            "mail:failed",
            json!({"outcome": "failed", "code": "refused", "actor": {"user_id": null, "name": null, "kind": "system"}, "surface": "system"}),
            "usher could not deliver a mail to Bo Li",
        ),
        (
            "token:created",
            json!({"actor": {"user_id": null, "name": null, "kind": "cli"}, "surface": "cli", "target": {"kind": "credential", "id": "c", "name": "n"}}),
            "The operator of this server made the token n",
        ),
        (
            "users:deactivate",
            json!({"actor": {"user_id": "a", "name": null, "kind": "user"}, "target": {"kind": "user", "id": "b", "name": null}}),
            "A person whose data was erased deactivated a person whose data was erased",
        ),
    ] {
        assert_eq!(said(action, &more), wanted);
    }
}

#[derive(Template)]
#[template(source = r#"{% import "log.html" as log %}{% call log::entries(days) %}{% endcall %}"#, ext = "html")]
struct Entries {
    days: Vec<Day>,
}

fn drawn(events: &[AuditEvent]) -> String {
    let now = Timestamp::parse_rfc3339("2026-11-25T15:00:00Z").unwrap();
    Entries { days: days(events, now) }.render().unwrap()
}

#[test]
fn entries_stand_under_their_day() {
    let at = |at: &str| event("sign_in:password", &json!({"at": at}));
    let events = [at("2026-11-25T00:00:00.000Z"), at("2026-11-24T23:59:59.999Z"), at("2026-11-23T10:00:00Z"), at("2025-11-23T10:00:00Z")];
    let html = drawn(&events);
    let headings: Vec<_> = html.split("<h2>").skip(1).filter_map(|rest| rest.split("</h2>").next()).collect();
    assert_eq!(
        headings,
        ["Today, Wednesday 25 November", "Yesterday, Tuesday 24 November", "Monday 23 November", "Sunday 23 November 2025"]
    );
    assert!(html.contains(">00:00</time>") && html.contains("title=\"24 Nov 2026, 23:59 UTC\">23:59</time>"), "{html}");
}

#[test]
fn who_acted_by_what_has_a_shape() {
    let person = drawn(&[event("sign_in:password", &json!({}))]);
    assert!(
        person.contains("aria-hidden=\"true\">AR</span></span><div>") && !person.contains("class=\"tool") && !person.contains("via"),
        "{person}"
    );
    let tool = |client: Value| drawn(&[event("users:invite", &json!({"surface": "mcp", "client": client}))]);
    let claimed = tool(json!({"name": "Cursor", "verified": false}));
    assert!(claimed.contains("<span class=\"tool\" aria-hidden=\"true\">Cu</span>"), "{claimed}");
    assert!(
        claimed.contains("via “<bdi>Cursor</bdi>” (unverified)") && claimed.contains("Calls itself “<bdi>Cursor</bdi>”, unverified"),
        "{claimed}"
    );
    let verified = tool(json!({"name": "Claude", "verified": true}));
    assert!(verified.contains("</svg>via <bdi>Claude</bdi></span>") && !verified.contains("claimed"), "{verified}");
    assert!(tool(Value::Null).contains("via an AI tool"));
    let cli = drawn(&[event("token:created", &json!({"surface": "cli", "actor": {"user_id": null, "name": null, "kind": "cli"}}))]);
    assert!(cli.contains("<span class=\"tool sys\" aria-hidden=\"true\">&#62;_</span><div>"), "{cli}");
    let erased = drawn(&[event("sign_in:link", &json!({"actor": {"user_id": "a", "name": null, "kind": "user"}}))]);
    assert!(
        erased.contains("<span class=\"av off\"")
            && erased.contains("<span class=\"erased\">A person whose data was erased</span> signed in"),
        "{erased}"
    );
}

#[test]
fn a_refusal_says_why_and_a_reason_who_gave_it() {
    let refused = drawn(&[event("users:deactivate", &json!({"outcome": "refused", "code": "last_administrator"}))]);
    assert!(
        refused.contains("<li class=\"no\">") && refused.contains("It would have left no active Administrator. Nothing changed."),
        "{refused}"
    );
    assert!(refused.contains("<dt>Outcome</dt><dd>Refused, <code>last_administrator</code></dd>"), "{refused}");
    let reason = |more: Value| drawn(&[event("users:invite", &more)]);
    assert!(reason(json!({"reason": "for Q4"})).contains("<b><bdi>Ana Ruiz</bdi></b> gives this reason: “<bdi>for Q4</bdi>”"));
    let tool = reason(json!({"reason": "for Q4", "surface": "mcp", "client": {"name": "Claude", "verified": false}}));
    assert!(tool.contains("<b><bdi>Claude</bdi></b> gives this reason: “<bdi>for Q4</bdi>”"), "{tool}");
}

#[test]
fn every_code_of_a_refusal_has_a_sentence() {
    for code in usher_tools::ErrorCode::ALL {
        let html = drawn(&[event("users:update", &json!({"outcome": "refused", "code": code}))]);
        assert!(html.contains(" Nothing changed.</p>") && !html.contains(&format!("<p class=\"why\"><code>{code}")), "{html}");
    }
}

#[test]
fn what_was_erased_is_said_and_what_somebody_wrote_is_text() {
    let html = drawn(&[event("users:update", &changes(&[("first_name", None, None), ("role", Some("User"), Some("Administrator"))]))]);
    assert!(html.contains("<dt>First name</dt><dd><span class=\"erased\">erased</span></dd>"), "{html}");
    assert!(html.contains("<dt>Role</dt><dd><b><bdi>User</bdi></b> → <b><bdi>Administrator</bdi></b></dd>"), "{html}");
    for action in actions() {
        let hostile = event(
            &action,
            &json!({
                "actor": {"user_id": HOSTILE, "name": HOSTILE, "kind": "user"}, "target": {"kind": "user", "id": HOSTILE, "name": HOSTILE},
                "client": {"name": HOSTILE, "verified": false}, "reason": HOSTILE, "tool": HOSTILE, "code": HOSTILE, "outcome": "failed",
                "credential": {"id": HOSTILE, "kind": HOSTILE, "label": HOSTILE}, "request_id": HOSTILE,
                "changes": [{"field": "name", "before": HOSTILE, "after": HOSTILE}, {"field": HOSTILE, "before": null, "after": HOSTILE}]
            }),
        );
        let html = drawn(&[hostile]);
        assert!(!html.contains("<img") && html.contains("<bdi>&#60;img"), "{html}");
    }
}

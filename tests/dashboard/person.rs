//! The page of one person, in the words of the help article: editing, deactivating, access groups, the invite.

use super::{group, invited, key_of, with_boss};
use crate::{
    common::{Engine, PASSWORD, Server, on_both, until},
    signing_in::{Browser, Seen, drawn_for, second_organization},
};
use serde_json::{Value, json};

/// What a field of a page holds.
fn value_of(html: &str, name: &str) -> String {
    let field = html.split("<input").find(|field| field.contains(&format!(" name=\"{name}\"")));
    let value = field.and_then(|field| field.split("value=\"").nth(1)?.split('"').next());
    value.unwrap_or_else(|| panic!("{name} on {html}")).to_owned()
}

/// Sends a form of a page that was drawn before, with these fields.
async fn send(browser: &Browser, page: &Seen, to: &str, fields: &[(&str, &str)]) -> Seen {
    let (drawn, key) = (drawn_for(&page.html), key_of(&page.html));
    let mut form = vec![("as", drawn.as_str()), ("key", key.as_str())];
    form.extend(fields);
    browser.post(to, &form).await
}

/// Opens a page and sends a form of it.
async fn open_and_send(browser: &Browser, at: &str, to: &str, fields: &[(&str, &str)]) -> Seen {
    send(browser, &browser.get(at).await, to, fields).await
}

/// Presses Save Changes on a page that was drawn before, with these fields typed over.
async fn save(browser: &Browser, page: &Seen, of: &str, typed: &[(&str, &str)]) -> Seen {
    let held = ["version", "first_name", "last_name"].map(|name| (name, value_of(&page.html, name)));
    let kept = held.iter().filter(|(name, _)| typed.iter().all(|(other, _)| other != name)).map(|(name, value)| (*name, value.as_str()));
    let form: Vec<_> = kept.chain(typed.iter().copied()).collect();
    send(browser, page, of, &form).await
}

async fn user(server: &Server, id: &str) -> Value {
    server.ok("get_user", json!({"user": id})).await["user"].clone()
}

/// The newest entry of something that was done: what was refused is written down by and by.
async fn newest(server: &Server) -> Value {
    server.ok("list_audit_events", json!({"outcome": "done", "limit": 1})).await["events"][0].clone()
}

fn says(seen: &Seen, words: &str) {
    assert!(seen.html.contains(words), "{words}: {} {}", seen.status, seen.html);
}

fn says_not(seen: &Seen, words: &str) {
    assert!(!seen.html.contains(words), "{words}: {} {}", seen.status, seen.html);
}

#[tokio::test]
async fn b17_a_row_opens_the_page_whose_details_save_changes_commits() {
    on_both(async |engine| {
        let (server, boss) = with_boss(engine).await;
        let (id, token) = server.member("ana@example.com", &[]).await;
        let at = format!("/users/{id}");
        says(&boss.get("/users").await, &format!("<a class=\"open\" href=\"{at}\"><bdi>Test Person</bdi></a>"));
        let page = boss.get(&at).await;
        assert_eq!(page.status, 200);
        for words in ["<h1><bdi>Test Person</bdi></h1>", "ana<wbr>@example.com", "Save Changes", "aria-current=\"page\">Details", &id] {
            says(&page, words);
        }
        let seen =
            save(&boss, &page, &at, &[("first_name", "Ana"), ("last_name", "Ruiz"), ("slack_id", "U07K3M9QX2B"), ("role", "user")]).await;
        assert_eq!(seen.location.as_deref(), Some(at.as_str()), "{}", seen.html);
        let page = boss.get(&at).await;
        says(&page, "<b><bdi>Ana Ruiz</bdi> is saved.</b>");
        says_not(&boss.get(&at).await, "is saved.");
        let ana = user(&server, &id).await;
        assert_eq!((&ana["first_name"], &ana["slack_id"], &ana["role"]), (&json!("Ana"), &json!("U07K3M9QX2B"), &json!("User")));
        let event = newest(&server).await;
        assert_eq!((&event["action"], &event["surface"]), (&json!("users:update"), &json!("web")), "{event}");
        // B24: what the log says of the past stays.
        assert_eq!(event["target"]["name"], "Test Person");
        // B23: a role holds on the very next request of hers, whatever she came in with.
        assert!(!server.tools(&token).await.contains(&"invite_user".to_owned()));
        assert_eq!(save(&boss, &page, &at, &[("role", "administrator")]).await.status, 303);
        assert!(server.tools(&token).await.contains(&"invite_user".to_owned()));
        assert_eq!(save(&boss, &boss.get(&at).await, &at, &[("role", "user"), ("slack_id", "")]).await.status, 303);
        let ana = user(&server, &id).await;
        assert_eq!((&ana["slack_id"], &ana["role"], &ana["status"]), (&Value::Null, &json!("User"), &json!("active")));
        // Saving what is there changes nothing and leaves no entry; an ID that a look-up found stays the look-up's.
        let before = newest(&server).await["sequence"].clone();
        assert_eq!(save(&boss, &boss.get(&at).await, &at, &[("role", "user"), ("slack_id", "")]).await.status, 303);
        assert_eq!(newest(&server).await["sequence"], before);
        // From the fourth Administrator on the form says that two or three are enough (B05).
        server.administrator("third@example.com").await;
        says(&boss.get(&at).await, "already has 3 Administrators");
        // What is not taken is said beside its field, and nothing typed is lost.
        let seen = save(&boss, &boss.get(&at).await, &at, &[("first_name", ""), ("slack_id", "not one"), ("last_name", "Kept <i>")]).await;
        assert_eq!(seen.status, 422);
        says(&seen, "First name must not be empty.");
        says(&seen, "value=\"Kept &#60;i&#62;\"");
        says(&seen, "<title>Not saved: ");
        says(&seen, "value=\"not one\"");
    })
    .await;
}

#[tokio::test]
async fn two_administrators_who_edit_at_once_overwrite_nothing_unseen() {
    on_both(async |engine| {
        let (server, boss) = with_boss(engine).await;
        server.administrator("second@example.com").await;
        let second = Browser::in_by_password(&server, "second@example.com").await;
        let id = invited(&server, "ana@example.com", "Ana", "Ruiz").await;
        let at = format!("/users/{id}");
        let (mine, theirs) = (boss.get(&at).await, second.get(&at).await);
        assert_eq!(save(&second, &theirs, &at, &[("last_name", "Núñez"), ("role", "administrator")]).await.status, 303);
        let seen = save(&boss, &mine, &at, &[("last_name", "Ruiz-Soto"), ("role", "user")]).await;
        assert_eq!(seen.status, 409);
        says(&seen, "Nothing was saved.");
        says(&seen, "value=\"Ruiz-Soto\"");
        says(&seen, "Now: <b><bdi>Núñez</bdi></b>");
        says(&seen, "Now: <b>Administrator</b>");
        says_not(&seen, "Now: <b><bdi>Ana</bdi></b>");
        let ana = user(&server, &id).await;
        assert_eq!((&ana["last_name"], &ana["role"]), (&json!("Núñez"), &json!("Administrator")), "neither was saved");
        // Whoever has seen both decides.
        assert_eq!(save(&boss, &seen, &at, &[("role", "administrator")]).await.status, 303);
        let ana = user(&server, &id).await;
        assert_eq!((&ana["last_name"], &ana["role"]), (&json!("Ruiz-Soto"), &json!("Administrator")));
        // The same form twice, as by a double click, is one change and no conflict; a form of before, as by Back, is one.
        let page = boss.get(&at).await;
        assert_eq!(save(&boss, &page, &at, &[("first_name", "Anna")]).await.status, 303);
        assert_eq!(save(&boss, &page, &at, &[("first_name", "Anna")]).await.status, 303);
        says(&boss.get(&at).await, "<b><bdi>Anna Ruiz-Soto</bdi> is saved.</b>");
        assert_eq!(save(&boss, &page, &at, &[("first_name", "Late")]).await.status, 409);
        // What changed may be none of what was typed, and is said as such; without a version nothing is saved.
        server.ok("resend_invite", json!({"user": id})).await;
        group(&server, "Support", &[]).await;
        let page = boss.get(&at).await;
        server.ok("add_to_access_group", json!({"users": [id], "access_groups": ["Support"]})).await;
        let seen = save(&boss, &page, &at, &[("first_name", "Late")]).await;
        assert_eq!(seen.status, 409);
        says(&seen, "Now: <b><bdi>Anna</bdi></b>");
        let unversioned = save(&boss, &seen, &at, &[("version", ""), ("first_name", "Late")]).await;
        assert_eq!(unversioned.status, 409);
        assert_eq!(user(&server, &id).await["first_name"], "Anna");
        // Save Changes never deactivates, whatever is added to it.
        assert_eq!(save(&boss, &seen, &at, &[("first_name", "Ann"), ("status", "deactivated"), ("do", "deactivate")]).await.status, 303);
        assert_eq!(user(&server, &id).await["status"], "pending");
    })
    .await;
}

#[tokio::test]
async fn b20_deactivating_ends_all_access_at_once_and_can_be_undone() {
    on_both(async |engine| {
        let (server, boss) = with_boss(engine).await;
        group(&server, "Support", &["users:read"]).await;
        let (id, token) = server.member("ana@example.com", &["Support"]).await;
        let ana = Browser::in_by_password(&server, "ana@example.com").await;
        let at = format!("/users/{id}");
        let off = format!("{at}/deactivate");
        // The switch opens the page that asks, and asking changes nothing.
        let page = boss.get(&at).await;
        says(&page, &format!("<form method=\"get\" action=\"{off}\"><button class=\"switch\" role=\"switch\" aria-checked=\"true\""));
        let before = newest(&server).await["sequence"].clone();
        let asked = boss.get(&off).await;
        says(&asked, "<h1 id=\"t\">Deactivate <bdi>Test Person</bdi>?</h1>");
        // The browser in which she joined, and this one.
        says(&asked, "2 browser sessions");
        says(&asked, "1 MCP token; its next call gets 401 Unauthorized");
        says(&asked, "Their access group, for the day you reactivate them");
        let (keep, act) = (asked.html.find("Keep active"), asked.html.find("<button class=\"btn danger primary\">"));
        assert!(keep < act && keep.is_some(), "the way out comes first");
        assert_eq!(newest(&server).await["sequence"], before);
        assert_eq!(ana.get("/users").await.status, 200);
        // A reason that is none is said beside its field; nothing is done.
        let long = "x".repeat(501);
        let seen = send(&boss, &asked, &off, &[("reason", &long)]).await;
        assert_eq!(seen.status, 422);
        says(&seen, "id=\"why-e\"");
        assert_eq!(user(&server, &id).await["status"], "active");
        let done = send(&boss, &asked, &off, &[("reason", "left on Friday")]).await;
        assert_eq!(done.location.as_deref(), Some(at.as_str()), "{}", done.html);
        // B26: the very next call answers 401, and so does the next click.
        assert_eq!(server.call(&token, "whoami", json!({})).await.status, 401);
        assert_eq!(ana.get("/users").await.location.as_deref(), Some("/sign-in"));
        let page = boss.get(&at).await;
        says(&page, "<b><bdi>Test Person</bdi> is deactivated.</b>");
        says(&page, "Just now</time><br>by <bdi>Test Person</bdi>");
        let event = newest(&server).await;
        assert_eq!((&event["action"], &event["reason"]), (&json!("users:deactivate"), &json!("left on Friday")), "{event}");
        // Twice, or from a page of before, is once.
        assert_eq!(send(&boss, &asked, &off, &[("reason", "left on Friday")]).await.status, 303);
        assert_eq!(boss.get(&off).await.location.as_deref(), Some(at.as_str()), "nothing to ask any more");
        assert_eq!(newest(&server).await["sequence"], event["sequence"]);
        // Undone: they are back with what their groups give, and what was dead stays dead.
        let on = format!("{at}/reactivate");
        let asked = boss.get(&on).await;
        says(&asked, "Their access group hold");
        assert_eq!(send(&boss, &asked, &on, &[]).await.location.as_deref(), Some(at.as_str()));
        says(&boss.get(&at).await, "<b><bdi>Test Person</bdi> is active again.</b>");
        assert_eq!(server.call(&token, "whoami", json!({})).await.status, 401);
        assert_eq!(ana.get("/users").await.location.as_deref(), Some("/sign-in"));
        let anew = Browser::in_by_password(&server, "ana@example.com").await;
        assert_eq!(anew.get("/users").await.status, 200);
        assert_eq!(boss.get(&on).await.location.as_deref(), Some(at.as_str()));
        assert_eq!(server.verified().await["ok"], true);
    })
    .await;
}

#[tokio::test]
async fn b22_the_last_administrator_and_oneself_stay() {
    on_both(async |engine| {
        let (server, boss) = with_boss(engine).await;
        let me = server.ok("get_user", json!({"user": "boss@example.com"})).await["user"]["id"].as_str().expect("an id").to_owned();
        let at = format!("/users/{me}");
        // Oneself, while there are others.
        says(&boss.get(&at).await, "Nobody deactivates themselves.");
        let asked = boss.get(&format!("{at}/deactivate")).await;
        says(&asked, "Nobody deactivates themselves.");
        says_not(&asked, "danger primary");
        let seen = send(&boss, &asked, &format!("{at}/deactivate"), &[]).await;
        assert_eq!(seen.status, 422);
        says(&seen, "Nobody deactivates themselves.");
        // The last one: switch and role are shut with the reason, and the server refuses all the same.
        let page = boss.get(&at).await;
        server.ok("update_user", json!({"user": "admin@example.com", "role": "User"})).await;
        let last = boss.get(&at).await;
        says(&last, "Promote somebody else first");
        says(&last, "aria-describedby=\"sw-h\" disabled");
        says(&last, "value=\"user\" disabled");
        let seen = save(&boss, &page, &at, &[("role", "user")]).await;
        assert_eq!(seen.status, 422);
        says(&seen, "id=\"role-e\"");
        says(&seen, "this is the last active Administrator");
        let seen = send(&boss, &page, &format!("{at}/deactivate"), &[]).await;
        assert_eq!(seen.status, 422);
        says(&seen, "Promote somebody else first");
        assert_eq!(user_by(&boss, &at).await, ("Active".to_owned(), "Administrator".to_owned()));
        // Names are saved all the same.
        assert_eq!(save(&boss, &last, &at, &[("first_name", "Only")]).await.status, 303);
    })
    .await;
}

/// Status and role as the head of the page says them.
async fn user_by(browser: &Browser, at: &str) -> (String, String) {
    let page = browser.get(at).await.html;
    let head = page.split("<p class=\"row\">").nth(1).and_then(|rest| rest.split("</p>").next()).expect("a head").to_owned();
    let status = head.split("</span>").next().and_then(|first| first.rsplit('>').next()).expect("a status").to_owned();
    let role = if head.contains("<span>Administrator</span>") { "Administrator" } else { "User" };
    (status, role.to_owned())
}

#[tokio::test]
async fn b11_a_pending_persons_page_resends_and_withdraws_the_invite() {
    on_both(async |engine| {
        let (server, boss) = with_boss(engine).await;
        let id = invited(&server, "dana@example.com", "Dana", "(Vendor)").await;
        let at = format!("/users/{id}");
        let first = server.link_to("dana@example.com").await;
        let written = async || {
            let page = boss.get(&at).await;
            page.html.contains("Written into the mail folder").then_some(page)
        };
        let page = until("the delivery", written).await;
        says(&page, "The link works until <time");
        says(&page, "Withdraw invite");
        says_not(&page, "role=\"switch\"");
        assert!(server.tamper("UPDATE links SET sent_at = sent_at - 604801000, expires_at = expires_at - 604801000").await);
        let page = boss.get(&at).await;
        says(&page, "The link stopped working");
        says(&page, "<span class=\"late\">invite expired</span>");
        let done = send(&boss, &page, &format!("{at}/resend"), &[("from", "person")]).await;
        assert_eq!(done.location.as_deref(), Some(at.as_str()));
        says(&boss.get(&at).await, "<b><bdi>Dana (Vendor)</bdi> is sent a new invite.</b>");
        let second = server.newest_link_to("dana@example.com", 2).await;
        assert_eq!(server.accept(&first, "Dana", "Vendor", PASSWORD).await.status(), 410);
        // What became of the mail is said in words of ours.
        for (state, error, words) in [
            ("failed", "rejected", "Their mail server does not take mail for this address. It was given up"),
            ("queued", "unreachable", "The mail server could not be reached. It is tried again by itself."),
            ("sent", "bounced", "The mail server took it."),
        ] {
            let sql =
                format!("UPDATE outbox SET state = '{state}', error = '{error}', next_at = next_at + 86400000 WHERE channel = 'mail'");
            assert!(server.tamper(&sql).await);
            says(&boss.get(&at).await, words);
        }
        // Withdrawing is deactivating, in other words.
        let off = format!("{at}/deactivate");
        let asked = boss.get(&off).await;
        says(&asked, "Withdraw the invite of <bdi>Dana (Vendor)</bdi>?");
        says(&asked, "1 invite link");
        says(&asked, "Keep invite");
        assert_eq!(send(&boss, &asked, &off, &[]).await.location.as_deref(), Some(at.as_str()));
        let page = boss.get(&at).await;
        says(&page, "<b><bdi>Dana (Vendor)</bdi> is invited no more.</b>");
        assert_eq!(server.accept(&second, "Dana", "Vendor", PASSWORD).await.status(), 410);
        // A page that stood open meanwhile.
        let late = send(&boss, &asked, &format!("{at}/resend"), &[("from", "person")]).await;
        assert_eq!(late.status, 422);
        says(&late, "They are deactivated meanwhile.");
        // Back again: somebody who never joined is Pending, with a new invite.
        let on = format!("{at}/reactivate");
        let asked = boss.get(&on).await;
        says(&asked, "They get an email with a new link that works for 7 days");
        assert_eq!(send(&boss, &asked, &on, &[("reason", "after all")]).await.location.as_deref(), Some(at.as_str()));
        says(&boss.get(&at).await, "<b><bdi>Dana (Vendor)</bdi> is invited again.</b>");
        let third = server.newest_link_to("dana@example.com", 3).await;
        assert_eq!(server.accept(&third, "Dana", "Vendor", PASSWORD).await.status(), 200);
        // B07: who holds the address already is a click away.
        let form = [("email", "dana@example.com"), ("first_name", "D"), ("last_name", "V"), ("do", "invite")];
        let taken = open_and_send(&boss, "/users/invite", "/users/invite", &form).await;
        says(&taken, &format!("<a href=\"{at}\">Open their page</a>"));
    })
    .await;
}

#[tokio::test]
async fn b18_add_to_access_group_assigns_several_in_one_action() {
    on_both(async |engine| {
        let (server, boss) = with_boss(engine).await;
        let support = group(&server, "Support", &["users:read", "customers:read"]).await;
        let leads = group(&server, "<b>Leads</b> ليلى", &["users:read"]).await;
        let strong = group(&server, "Strong", &["users:deactivate"]).await;
        let (id, token) = server.member("ana@example.com", &[]).await;
        let at = format!("/users/{id}/access-groups");
        let add = format!("{at}/add");
        says(&boss.get(&at).await, "Without one they can sign in, and see and do nothing.");
        let form = boss.get(&add).await;
        says(&form, "<bdi>&#60;b&#62;Leads&#60;/b&#62; ليلى</bdi>");
        says(&form, "Gives 2 permissions.");
        // Nothing chosen, and what is gone, is said; nothing is done.
        let seen = send(&boss, &form, &add, &[]).await;
        assert_eq!(seen.status, 422);
        says(&seen, "Choose at least one group.");
        for gone in ["gone", "01990b1c-7e1a-7000-8000-000000000001", "\0"] {
            let seen = send(&boss, &form, &add, &[("access_group", &support), ("access_group", gone)]).await;
            assert_eq!(seen.status, 422, "{gone}");
            says(&seen, "One of these groups is gone.");
            says(&seen, &format!("value=\"{support}\" checked"));
        }
        assert_eq!(user(&server, &id).await["access_groups"], json!([]), "all or nothing");
        let done = send(&boss, &form, &add, &[("access_group", &support), ("access_group", &leads)]).await;
        assert_eq!(done.location.as_deref(), Some(at.as_str()), "{}", done.html);
        assert!(server.tools(&token).await.contains(&"list_users".to_owned()), "on the very next request");
        let page = boss.get(&at).await;
        says(&page, "is in the chosen access groups.");
        says(&page, "2 permissions, each with the groups it comes from.");
        says(&page, "<code>users:read</code><span class=\"small muted\">from <bdi>Support</bdi>, <bdi>&#60;b&#62;Leads");
        says(&page, "2 permissions · 1 member");
        let event = newest(&server).await;
        assert_eq!(event["changes"].as_array().map(Vec::len), Some(4), "one entry for both: {event}");
        says(&boss.get(&add).await, "They are already in this group.");
        // Taking out is a button.
        let out = send(&boss, &page, &at, &[("access_group", &support)]).await;
        assert_eq!(out.location.as_deref(), Some(at.as_str()));
        says(&boss.get(&at).await, "is in that access group no more.");
        assert_eq!(user(&server, &id).await["access_groups"], json!([{"id": leads, "name": "<b>Leads</b> ليلى"}]));
        let again = send(&boss, &boss.get(&at).await, &at, &[("access_group", "gone")]).await;
        assert_eq!(again.status, 422);
        // Giving has a ceiling: what one does not hold is shown, greyed, with the reason, and refused.
        group(&server, "Givers", &["users:read", "access_groups:read", "access_groups:assign"]).await;
        server.member("kim@example.com", &["Givers"]).await;
        let kim = Browser::in_by_password(&server, "kim@example.com").await;
        let form = kim.get(&add).await;
        says(&form, "You do not hold users:deactivate yourself, so you cannot give it.");
        says(&form, &format!("value=\"{strong}\" disabled"));
        let seen = send(&kim, &form, &add, &[("access_group", &strong)]).await;
        assert_eq!(seen.status, 422);
        says(&seen, "They would then hold more than you do yourself: users:deactivate.");
        // Nobody but Administrators touches Administrators.
        let boss_id = server.ok("get_user", json!({"user": "boss@example.com"})).await["user"]["id"].as_str().expect("an id").to_owned();
        let page = kim.get(&format!("/users/{boss_id}/access-groups")).await;
        says(&page, "An Administrator has everything, whatever these give.");
        says(&page, "Only Administrators do this to an Administrator.");
        says_not(&page, "access-groups/add");
        let seen = send(&kim, &form, &format!("/users/{boss_id}/access-groups/add"), &[("access_group", &leads)]).await;
        assert_eq!(seen.status, 422);
    })
    .await;
}

/// Every page of a person, and every form.
const PAGES: [&str; 8] =
    ["", "/deactivate", "/reactivate", "/access-groups", "/access-groups/add", "/activity", "/ai-tools", "/ai-tools/end"];
const FORMS: [&str; 8] =
    ["", "/deactivate", "/reactivate", "/access-groups", "/access-groups/add", "/resend", "/ai-tools", "/ai-tools/end"];

/// What a page of a person answers: shown, or as if nothing were there.
async fn shown(browser: &Browser, id: &str) -> Vec<&'static str> {
    let mut shown = Vec::new();
    for page in PAGES {
        match browser.get(&format!("/users/{id}{page}")).await.status {
            200 => shown.push(page),
            303 | 404 => {}
            other => panic!("{page}: {other}"),
        }
    }
    shown
}

#[tokio::test]
async fn every_kind_of_person_sees_and_does_what_their_permissions_say() {
    on_both(async |engine| {
        let (server, boss) = with_boss(engine).await;
        let target = server.member("target@example.com", &[]).await.0;
        let foreign = foreign_person(&server).await;
        for (name, permissions) in [
            ("Readers", &["users:read"][..]),
            ("Editors", &["users:read", "users:update"][..]),
            ("Enders", &["users:read", "users:deactivate"][..]),
            ("Blind enders", &["users:deactivate", "users:update", "access_groups:assign", "users:invite"][..]),
        ] {
            group(&server, name, permissions).await;
        }
        let all = ["", "/deactivate", "/access-groups", "/access-groups/add", "/activity", "/ai-tools", "/ai-tools/end"];
        assert_eq!(shown(&boss, &target).await, all);
        assert_eq!(shown(&boss, &foreign).await, [""; 0]);
        for (email, groups, sees) in [
            ("nobody@example.com", &[][..], &[][..]),
            ("reader@example.com", &["Readers"][..], &["", "/access-groups"][..]),
            ("editor@example.com", &["Editors"][..], &["", "/access-groups"][..]),
            ("ender@example.com", &["Enders"][..], &["", "/deactivate", "/access-groups"][..]),
            ("blind@example.com", &["Blind enders"][..], &[][..]),
        ] {
            server.member(email, groups).await;
            let browser = Browser::in_by_password(&server, email).await;
            assert_eq!(shown(&browser, &target).await, sees, "{email}");
            let drawn = drawn_for(&browser.get("/me").await.html);
            // Nobody learns whether somebody is in another organization, or whether an id is one.
            for id in [foreign.as_str(), "01990b1c-7e1a-7000-8000-000000000001", "%00"] {
                assert_eq!(shown(&browser, id).await, [""; 0], "{email} {id}");
                for form in FORMS {
                    let seen = browser.post(&format!("/users/{id}{form}"), &[("as", &drawn), ("access_group", &foreign)]).await;
                    assert_eq!(seen.status, 404, "{email} {id}{form}: {}", seen.html);
                }
            }
            for form in FORMS {
                let is_theirs = matches!((email, form), ("ender@example.com", "/deactivate" | "/reactivate") | ("editor@example.com", ""));
                if !is_theirs {
                    let seen = browser.post(&format!("/users/{target}{form}"), &[("as", &drawn), ("version", "2")]).await;
                    assert_eq!(seen.status, 404, "{email} {form}: {}", seen.html);
                }
            }
        }
        let reader = Browser::in_by_password(&server, "reader@example.com").await;
        let page = reader.get(&format!("/users/{target}")).await;
        says_not(&page, "<button class=\"btn primary\">Save Changes");
        says(&page, "It takes the permission users:deactivate");
        let editor = Browser::in_by_password(&server, "editor@example.com").await;
        let page = editor.get(&format!("/users/{target}")).await;
        says(&page, "Only Administrators give roles.");
        says(&page, "name=\"slack_id\"");
        assert_eq!(save(&editor, &page, &format!("/users/{target}"), &[("last_name", "Edited")]).await.status, 303);
        let seen =
            save(&editor, &editor.get(&format!("/users/{target}")).await, &format!("/users/{target}"), &[("role", "administrator")]).await;
        assert_eq!(seen.status, 422);
        says(&seen, "Only Administrators give roles, and change Administrators.");
        assert_eq!(user(&server, &target).await["role"], "User");
        assert_eq!(user(&server, &target).await["status"], "active");
        // A stranger is at the door, for every address alike.
        let stranger = Browser::of(&server);
        for id in [target.as_str(), "not-an-id"] {
            for page in PAGES {
                assert_eq!(stranger.get(&format!("/users/{id}{page}")).await.location.as_deref(), Some("/sign-in"), "{id}{page}");
            }
        }
        // What was tried is evidence, what was looked at is none.
        let tried = async || {
            let events = server.ok("list_audit_events", json!({"outcome": "refused", "user": "reader@example.com", "limit": 100})).await;
            let events = events["events"].as_array()?.clone();
            events.iter().any(|event| event["action"] == "users:deactivate").then_some(())
        };
        until("the evidence", tried).await;
    })
    .await;
}

/// Somebody of another organization on the same server.
async fn foreign_person(server: &Server) -> String {
    let second = second_organization(server).await;
    let listed = server.cli(&["user", "list", "--org", &second, "--json"]).await;
    listed[0]["id"].as_str().unwrap_or_else(|| panic!("{listed}")).to_owned()
}

#[tokio::test]
async fn r_b88_names_are_text_on_every_page_of_a_person() {
    on_both(hostile_names).await;
}

async fn hostile_names(engine: Engine) {
    let (server, boss) = with_boss(engine).await;
    let long = "Ω".repeat(100);
    let names = [("<script>alert(1)</script>", "\"'><svg/onload=1>"), ("ليلى", "الحداد"), ("🦦", "👧🏽"), (long.as_str(), long.as_str())];
    for (n, (first, last)) in names.into_iter().enumerate() {
        let id = invited(&server, &format!("p{n}@example.com"), first, last).await;
        let escaped = |text: &str| {
            text.replace('&', "&#38;").replace('<', "&#60;").replace('>', "&#62;").replace('"', "&#34;").replace('\'', "&#39;")
        };
        let whole = format!("<bdi>{} {}</bdi>", escaped(first), escaped(last));
        for page in ["", "/deactivate", "/access-groups", "/access-groups/add"] {
            let seen = boss.get(&format!("/users/{id}{page}")).await;
            says(&seen, &whole);
            says_not(&seen, "<script");
            says_not(&seen, "<svg/onload");
        }
        let off = format!("/users/{id}/deactivate");
        assert_eq!(open_and_send(&boss, &off, &off, &[("reason", "<script>")]).await.status, 303);
        says(&boss.get(&format!("/users/{id}")).await, &format!("<b>{whole} is invited no more.</b>"));
        says(&boss.get(&format!("/users/{id}/reactivate")).await, &whole);
    }
    // What would turn the line around is taken from nobody, and shown as what it is.
    let id = invited(&server, "rtl@example.com", "Ana", "Ruiz").await;
    let at = format!("/users/{id}");
    let seen = save(&boss, &boss.get(&at).await, &at, &[("last_name", "R\u{202e}ziu")]).await;
    assert_eq!(seen.status, 422);
    says(&seen, "id=\"last_name-e\"");
    assert_eq!(user(&server, &id).await["last_name"], "Ruiz");
}

#[tokio::test]
async fn b25_whoever_may_ends_one_token_of_a_person_or_all_and_the_person_stays() {
    on_both(async |engine| {
        let (server, boss) = with_boss(engine).await;
        let (id, first) = server.member("ana@example.com", &[]).await;
        let second = server.token_for("ana@example.com", &["--label", "<b>night</b>", "--read-only"]).await;
        let at = format!("/users/{id}/ai-tools");
        let page = boss.get(&at).await;
        for words in ["2 work now.", "<bdi>&#60;b&#62;night&#60;/b&#62;</bdi>", "Read only", "Read and write", "never"] {
            says(&page, words);
        }
        assert!(!page.html.contains(&first) && !page.html.contains(&second), "a secret is shown nowhere");
        // One: the newest stands first.
        let night = value_of(&page.html, "token");
        assert_eq!(send(&boss, &page, &at, &[("token", &night)]).await.location.as_deref(), Some(at.as_str()));
        let status = async |token: &str| server.call(token, "whoami", json!({})).await.status;
        assert_eq!((status(&second).await, status(&first).await), (401, 200));
        let page = boss.get(&at).await;
        says(&page, "<b><bdi>Test Person</bdi> has a token less.</b>");
        says(&page, "<span class=\"st off\">Revoked</span>");
        // That of somebody else is none of this person's, and what is none is said as such.
        let (other, _) = server.member("bob@example.com", &[]).await;
        let theirs = value_of(&boss.get(&format!("/users/{other}/ai-tools")).await.html, "token");
        for token in [theirs.as_str(), "gone", ""] {
            let seen = send(&boss, &page, &at, &[("token", token)]).await;
            assert_eq!(seen.status, 422, "{token}");
            says(&seen, "There is no such token any more.");
        }
        // All of them: what ends is said first.
        let end = format!("{at}/end");
        says(&page, &format!("href=\"{end}\">End AI access</a>"));
        let asked = boss.get(&end).await;
        says(&asked, "1 MCP token; its next call gets 401 Unauthorized");
        says(&asked, "Keep AI access");
        assert_eq!(send(&boss, &asked, &end, &[("reason", "laptop lost")]).await.location.as_deref(), Some(at.as_str()));
        assert_eq!(status(&first).await, 401);
        let event = newest(&server).await;
        assert_eq!((&event["action"], &event["reason"]), (&json!("ai_access:ended"), &json!("laptop lost")), "{event}");
        assert_eq!(user(&server, &id).await["status"], "active");
        says(&boss.get(&at).await, "None works now.");
        assert_eq!(boss.get(&end).await.location.as_deref(), Some(at.as_str()));
        assert_eq!(send(&boss, &asked, &end, &[("reason", "laptop lost")]).await.status, 303, "twice is once");
        assert_eq!(newest(&server).await["sequence"], event["sequence"]);
        // Who may see them and no more, and who may end those of Users.
        group(&server, "Lookers", &["users:read", "mcp_tokens:read"]).await;
        group(&server, "Revokers", &["users:read", "mcp_tokens:read", "mcp_tokens:revoke"]).await;
        server.member("looker@example.com", &["Lookers"]).await;
        server.member("revoker@example.com", &["Revokers"]).await;
        let looker = Browser::in_by_password(&server, "looker@example.com").await;
        let revoker = Browser::in_by_password(&server, "revoker@example.com").await;
        let (bobs, boss_id) = (format!("/users/{other}/ai-tools"), id_of(&server, "boss@example.com").await);
        let page = looker.get(&bobs).await;
        says(&page, "1 works now.");
        says_not(&page, "Revoke</button>");
        let drawn = drawn_for(&page.html);
        for form in ["", "/end"] {
            assert_eq!(looker.post(&format!("{bobs}{form}"), &[("as", &drawn), ("token", &theirs)]).await.status, 404, "{form}");
        }
        let of_boss = format!("/users/{boss_id}/ai-tools");
        let page = revoker.get(&of_boss).await;
        says(&page, "Only Administrators do this to an Administrator.");
        assert_eq!(send(&revoker, &revoker.get(&format!("{of_boss}/end")).await, &format!("{of_boss}/end"), &[]).await.status, 422);
        let page = revoker.get(&bobs).await;
        assert_eq!(send(&revoker, &page, &bobs, &[("token", &theirs)]).await.status, 303);
        says_not(&Browser::in_by_password(&server, "bob@example.com").await.get(&bobs).await, "MCP tokens");
    })
    .await;
}

async fn id_of(server: &Server, email: &str) -> String {
    user(server, email).await["id"].as_str().expect("an id").to_owned()
}

#[tokio::test]
async fn the_activity_of_a_person_is_what_the_log_says_by_and_about_them() {
    on_both(async |engine| {
        let (server, boss) = with_boss(engine).await;
        let id = invited(&server, "ana@example.com", "Ana", "Old").await;
        invited(&server, "bob@example.com", "Bob", "Nobody").await;
        for n in 0..50 {
            server.ok("update_user", json!({"user": id, "last_name": format!("Name{n}")})).await;
        }
        let at = format!("/users/{id}/activity");
        let page = boss.get(&at).await;
        assert_eq!(page.status, 200);
        says(&page, "<h2>Today, ");
        says(&page, "First Administrator");
        says_not(&page, "Bob Nobody");
        let (newest, older) = (page.html.find("Name49"), page.html.find("Name10"));
        assert!(newest < older && newest.is_some(), "newest first");
        let next = page.html.split(&format!("href=\"{at}?cursor=")).nth(1).and_then(|rest| rest.split('"').next()).expect("an older part");
        let second = boss.get(&format!("{at}?cursor={next}")).await;
        // B24: the name of that time.
        says(&second, "Ana Old");
        says(&second, &format!("href=\"{at}\">Newest</a>"));
        for gone in ["gone", "%00", &"x".repeat(600)] {
            assert_eq!(boss.get(&format!("{at}?cursor={gone}")).await.location.as_deref(), Some(at.as_str()), "{gone}");
        }
        // For who may read the log alone: others have no such part.
        group(&server, "Readers", &["users:read"]).await;
        server.member("kim@example.com", &["Readers"]).await;
        let kim = Browser::in_by_password(&server, "kim@example.com").await;
        assert_eq!(kim.get(&at).await.status, 404);
        let tabs = kim.get(&format!("/users/{id}")).await;
        says_not(&tabs, "/activity");
        says_not(&tabs, "/ai-tools");
        says(&boss.get(&format!("/users/{id}")).await, &format!("href=\"{at}\">Activity</a>"));
    })
    .await;
}

#[tokio::test]
async fn a_form_that_comes_again_after_somebody_did_otherwise_does_nothing_and_says_so() {
    on_both(async |engine| {
        let (server, boss) = with_boss(engine).await;
        let (id, _) = server.member("ana@example.com", &[]).await;
        let support = group(&server, "Support", &["users:read"]).await;
        let at = format!("/users/{id}");
        let twice = async |path: &str, to: &str, fields: &[(&str, &str)], otherwise: (&str, Value)| {
            let page = boss.get(path).await;
            let (drawn, key) = (drawn_for(&page.html), value_of(&page.html, "key"));
            let form = [&[("as", drawn.as_str()), ("key", &key)], fields].concat();
            let version = page.html.contains("name=\"version\"").then(|| value_of(&page.html, "version"));
            let form = [form, version.iter().map(|version| ("version", version.as_str())).collect()].concat();
            assert_eq!(boss.post(to, &form).await.status, 303, "{to}");
            server.ok(otherwise.0, otherwise.1).await;
            let entries = newest(&server).await["sequence"].clone();
            let again = boss.post(to, &form).await;
            assert_eq!(again.status, 303, "{to}: {}", again.html);
            says(&boss.get(&again.location.expect("a place")).await, "was changed meanwhile.</b> Nothing was done");
            assert_eq!(newest(&server).await["sequence"], entries, "{to}");
        };
        let off = format!("{at}/deactivate");
        twice(&off, &off, &[], ("reactivate_user", json!({"user": id}))).await;
        server.ok("deactivate_user", json!({"user": id})).await;
        let on = format!("{at}/reactivate");
        twice(&on, &on, &[], ("deactivate_user", json!({"user": id}))).await;
        server.ok("reactivate_user", json!({"user": id})).await;
        let named = [("first_name", "Ana"), ("last_name", "New")];
        twice(&at, &at, &named, ("update_user", json!({"user": id, "last_name": "Newer"}))).await;
        let (groups, of) = (format!("{at}/access-groups"), json!({"users": [id], "access_groups": [support]}));
        let add = format!("{groups}/add");
        twice(&add, &add, &[("access_group", &support)], ("remove_from_access_group", of.clone())).await;
        server.ok("add_to_access_group", of.clone()).await;
        twice(&groups, &groups, &[("access_group", &support)], ("add_to_access_group", of)).await;
    })
    .await;
}

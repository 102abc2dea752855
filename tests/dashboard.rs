//! The dashboard as an administrator uses it: the roster, inviting from it, and what others find instead.

mod article;
mod audit;
mod first_run;
mod groups;
mod person;
pub mod roster;
mod settings;
mod stale;
mod tools;
mod ways_on;

use crate::{
    common::{Engine, PASSWORD, Server, on_both, until},
    signing_in::{Browser, Seen, drawn_for, second_organization},
};
use serde_json::{Value, json};

/// A server, and the browser of an Administrator beside the first one.
async fn with_boss(engine: Engine) -> (Server, Browser) {
    let server = Server::quickstart(engine).await;
    server.administrator("boss@example.com").await;
    let boss = Browser::in_by_password(&server, "boss@example.com").await;
    (server, boss)
}

async fn invited(server: &Server, email: &str, first: &str, last: &str) -> String {
    let invited = server.ok("invite_user", json!({"email": email, "first_name": first, "last_name": last})).await;
    invited["user"]["id"].as_str().expect("an id").to_owned()
}

async fn group(server: &Server, name: &str, permissions: &[&str]) -> String {
    let made = server.ok("create_access_group", json!({"name": name, "permissions": permissions})).await;
    made["access_group"]["id"].as_str().expect("an id").to_owned()
}

/// The rows of the roster, each as its words.
fn rows(seen: &Seen) -> Vec<String> {
    assert_eq!(seen.status, 200, "{}", seen.html);
    let Some(body) = seen.html.split("<tbody").nth(1).and_then(|rest| rest.split("</tbody>").next()) else { return Vec::new() };
    let words = |row: &str| {
        let mut words = row.replace("<wbr>", "").replace("</td>", " ");
        while let (Some(from), Some(to)) = (words.find('<'), words.find('>')) {
            words.replace_range(from..=to, " ");
        }
        words.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    body.split("<tr ").skip(1).map(|row| words(&format!("<{row}"))).collect()
}

/// Who is on the page, by address.
fn listed(seen: &Seen) -> Vec<String> {
    let address = |row: &String| row.split(' ').find(|word| word.contains('@')).expect("an address").to_owned();
    rows(seen).iter().map(address).collect()
}

/// Fills in the inviting form as whoever the browser looks at.
async fn invite(browser: &Browser, form: &[(&str, &str)]) -> Seen {
    let drawn = drawn_for(&browser.get("/users/invite").await.html);
    let mut whole = vec![("as", drawn.as_str())];
    whole.extend(form);
    browser.post("/users/invite", &whole).await
}

fn ana<'a>(email: &'a str, last: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![("email", email), ("first_name", "Ana"), ("last_name", last), ("role", "user"), ("do", "invite")]
}

#[tokio::test]
async fn b01_the_roster_has_its_columns_and_everybody_newest_first() {
    on_both(async |engine| {
        let (server, boss) = with_boss(engine).await;
        invited(&server, "kim@example.com", "Kim", "<b>Li</b> ليلى").await;
        server.member("bob@example.com", &[]).await;
        server.ok("update_user", json!({"user": "bob@example.com", "slack_id": "U07K3M9QX2B"})).await;
        server.ok("deactivate_user", json!({"user": "bob@example.com"})).await;
        let page = boss.get("/users").await;
        for column in ["Name", "Email", "Slack", "Role", "Status", "Created", "Last seen"] {
            assert!(
                page.html.contains(&format!("role=\"columnheader\">{column}")) || page.html.contains(&format!("\">{column} <")),
                "{column}"
            );
        }
        // When they were last seen is written within a minute: of that column only that it is there.
        let columns = |row: &String| row.split(" Last seen").next().and_then(|row| row.split(" – never").next()).map(str::to_owned);
        assert_eq!(
            rows(&page).iter().filter_map(columns).collect::<Vec<_>>(),
            [
                "TP Test Person bob@example.com U07K3M9QX2B User Deactivated Just now",
                "Kل Kim &#60;b&#62;Li&#60;/b&#62; ليلى kim@example.com – not linked User Pending Just now",
                "TP Test Person boss@example.com – not linked Administrator Active Just now",
                "FA First Administrator admin@example.com – not linked Administrator Active Just now",
            ]
        );
        assert!(page.html.contains("4 in all, newest first") && page.html.contains("aria-current=\"page\""), "{}", page.html);
        // Names are data: they stand apart from the text around them, and no tag of theirs is one.
        assert!(page.html.contains("<bdi>Kim &#60;b&#62;Li") && !page.html.contains("<b>Li"), "{}", page.html);
        assert_eq!(boss.get("/").await.location.as_deref(), Some("/users"), "where an Administrator starts");
    })
    .await;
}

#[tokio::test]
async fn filters_and_the_search_stand_in_the_address() {
    on_both(async |engine| {
        let (server, boss) = with_boss(engine).await;
        let support = group(&server, "Support & Co", &["users:read"]).await;
        invited(&server, "nunez@example.com", "Zoë", "Núñez").await;
        server.member("bob@example.com", &["Support & Co"]).await;
        let at = async |query: &str| listed(&boss.get(&format!("/users?{query}")).await);
        assert_eq!(at("status=pending").await, ["nunez@example.com"]);
        assert_eq!(at("role=Administrator").await, ["boss@example.com", "admin@example.com"]);
        assert_eq!(at("status=active&role=User").await, ["bob@example.com"]);
        assert_eq!(at(&format!("access_group={support}")).await, ["bob@example.com"]);
        assert_eq!(at("query=NUNEZ").await, ["nunez@example.com"]);
        assert_eq!(at("status=whatever&role=").await.len(), 4, "what is no value of a filter narrows nothing");
        // The links of a narrowed list keep what holds, and count.
        let page = boss.get("/users?query=e&status=active").await;
        assert!(page.html.contains("href=\"/users?query=e&#38;status=active&#38;role=Administrator\""), "{}", page.html);
        assert!(page.html.contains("href=\"/users?query=e\">All <span class=\"muted\">4</span>"), "{}", page.html);
        assert!(page.html.contains("<input type=\"hidden\" name=\"status\" value=\"active\">"), "{}", page.html);
        assert!(page.html.contains("Support &#38; Co") && page.html.contains("Clear filters"), "{}", page.html);
        let none = boss.get("/users?query=%3Cscript%3E&status=pending&role=Administrator").await;
        assert_eq!(listed(&none), Vec::<String>::new());
        assert!(none.html.contains("Nobody matches “<bdi>&#60;script&#62;</bdi>”"), "{}", none.html);
        assert!(none.html.contains("You are looking only at Pending Administrators. The whole roster holds 4 people."), "{}", none.html);
        // Where the search alone finds somebody, the page says so.
        let none = boss.get("/users?query=nunez&status=active").await;
        let hint = "One person matches in the whole roster: <a href=\"/users?query=nunez\"><bdi>Zoë Núñez</bdi></a>.";
        assert!(none.html.contains("You are looking only at Active people.") && none.html.contains(hint), "{}", none.html);
        // Of what comes twice the first counts, and the others hold.
        assert_eq!(at("status=pending&status=active&query=e&query=x").await, ["nunez@example.com"]);
        // A group that is gone, and a cursor that is none, show the list without them.
        let gone = boss.get("/users?access_group=gone&status=active").await;
        assert_eq!((gone.status, gone.location.as_deref()), (303, Some("/users?status=active")));
        assert_eq!(boss.get("/users?cursor=gone&query=e").await.location.as_deref(), Some("/users?query=e"));
        assert_eq!(boss.get("/users?query=%FF").await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn a_long_roster_goes_on_page_by_page() {
    on_both(async |engine| {
        let (server, boss) = with_boss(engine).await;
        for n in 0..55 {
            invited(&server, &format!("p{n}@example.com"), "P", "N").await;
        }
        let first = boss.get("/users?status=pending").await;
        let next = first.html.split("href=\"/users?status=pending&#38;cursor=").nth(1).and_then(|rest| rest.split('"').next());
        let second = boss.get(&format!("/users?status=pending&cursor={}", next.expect("a next page"))).await;
        assert_eq!((listed(&first).len(), listed(&second).len()), (50, 5));
        assert!(first.html.contains("1–50 of 55, newest first") && !first.html.contains("rel=\"prev\""), "{}", first.html);
        assert!(second.html.contains("51–55 of 55, newest first") && second.html.contains("rel=\"prev\""), "{}", second.html);
        assert_eq!(listed(&second).last().map(String::as_str), Some("p0@example.com"));
        // Who is invited meanwhile moves nobody on the pages below.
        invited(&server, "late@example.com", "P", "N").await;
        let again = boss.get(&format!("/users?status=pending&cursor={}", next.expect("a next page"))).await;
        assert_eq!(listed(&again), listed(&second));
    })
    .await;
}

#[tokio::test]
async fn b09_an_administrator_invites_and_the_person_is_pending() {
    on_both(async |engine| {
        let (server, boss) = with_boss(engine).await;
        let support = group(&server, "Support", &["users:read"]).await;
        let form = boss.get("/users/invite").await;
        assert!(form.status == 200 && form.html.contains("name=\"role\" value=\"user\" checked"), "{}", form.html);
        assert!(form.html.contains("<bdi>Support</bdi> <span class=\"muted\">· 0 members"), "{}", form.html);
        assert!(!form.html.contains("already has"), "two Administrators are no reason to warn");
        let mut ana = ana("ana@example.com", "Ruiz");
        ana.push(("access_group", &support));
        let done = invite(&boss, &ana).await;
        assert_eq!(done.location.as_deref(), Some("/users"), "{}", done.html);
        let page = boss.get("/users").await;
        assert_eq!(rows(&page)[0], "AR Ana Ruiz ana@example.com – not linked User Pending Just now – never seen");
        assert!(page.html.contains("<b><bdi>Ana Ruiz</bdi> is invited.</b>"), "{}", page.html);
        assert!(page.html.contains("A mail is on its way to ana@example.com; its link works until "), "{}", page.html);
        assert!(!boss.get("/users").await.html.contains("is invited."), "said once");
        let user = server.ok("get_user", json!({"user": "ana@example.com"})).await["user"].clone();
        assert_eq!((&user["role"], &user["access_groups"][0]["id"]), (&json!("User"), &json!(support)));
        let link = server.link_to("ana@example.com").await;
        assert_eq!(server.accept(&link, "Ana", "Ruiz", PASSWORD).await.status(), 200);
        let event = server.ok("list_audit_events", json!({"action": "users:invite"})).await["events"][0].clone();
        assert_eq!((&event["surface"], &event["actor"]["name"]), (&json!("web"), &json!("Test Person")), "{event}");
        assert_eq!(server.verified().await["ok"], true);
    })
    .await;
}

#[tokio::test]
async fn b07_an_address_in_use_is_said_with_the_next_step_and_nothing_typed_is_lost() {
    on_both(async |engine| {
        let (server, boss) = with_boss(engine).await;
        let id = invited(&server, "ana@example.com", "Ana", "Ruiz").await;
        let support = group(&server, "Support", &[]).await;
        let mut typed = ana("ANA@example.com", "\"R\" <i>");
        typed.push(("access_group", &support));
        let seen = invite(&boss, &typed).await;
        assert_eq!(seen.status, 422);
        assert!(seen.html.contains("Email already in use: that person is Pending"), "{}", seen.html);
        for kept in [
            "value=\"ANA@example.com\" autofocus aria-invalid",
            "value=\"&#34;R&#34; &#60;i&#62;\"",
            &format!("value=\"{support}\" checked"),
        ] {
            assert!(seen.html.contains(kept), "{kept}: {}", seen.html);
        }
        // Enter in a field presses the first button of the form, which creates; the other has a form of its own.
        let main = seen.html.split("<form method=\"post\" action=\"/users/invite\"").nth(1).and_then(|rest| rest.split("</form>").next());
        let first = main.expect("a form").split("<button ").nth(1).expect("a button").to_owned();
        assert!(first.starts_with("class=\"btn s\" form=\"again\"") && seen.html.contains("<form id=\"again\""), "{first}");
        assert!(seen.html.contains(&format!("href=\"/users/{id}\">Open their page")), "{}", seen.html);
        // Its button sends the invite again.
        let first = server.link_to("ana@example.com").await;
        typed.retain(|(name, _)| *name != "do");
        typed.push(("do", "resend"));
        assert_eq!(invite(&boss, &typed).await.location.as_deref(), Some("/users"));
        assert!(boss.get("/users").await.html.contains("<b><bdi>Ana Ruiz</bdi> is sent a new invite.</b>"));
        let newest = server.newest_link_to("ana@example.com", 2).await;
        assert_eq!(server.accept(&first, "Ana", "Ruiz", PASSWORD).await.status(), 410);
        assert_eq!(server.accept(&newest, "Ana", "Ruiz", PASSWORD).await.status(), 200);
        // Whoever has joined, or is shut out, is told of without that button.
        let joined = invite(&boss, &ana("ana@example.com", "Ruiz")).await;
        assert!(joined.html.contains("that person is Active") && !joined.html.contains("value=\"resend\""), "{}", joined.html);
        server.ok("deactivate_user", json!({"user": "ana@example.com"})).await;
        assert!(invite(&boss, &ana("ana@example.com", "Ruiz")).await.html.contains("that person is Deactivated"));
    })
    .await;
}

#[tokio::test]
async fn what_the_form_does_not_take_is_said_beside_its_field() {
    on_both(async |engine| {
        let (server, boss) = with_boss(engine).await;
        let before = server.ok("list_users", json!({})).await["total"].clone();
        for (form, words) in [
            (ana("not an address", "Ruiz"), "id=\"in-mail-e\""),
            (ana("", "Ruiz"), "id=\"in-mail-e\""),
            (ana("ana@example.com", ""), "Last name must not be empty."),
            (vec![("email", "ana@example.com"), ("last_name", "Ruiz")], "First name must not be empty."),
        ] {
            let seen = invite(&boss, &form).await;
            assert!(seen.status == 422 && seen.html.contains(words) && !seen.html.contains('`'), "{words}: {}", seen.html);
        }
        let mut gone = ana("ana@example.com", "Ruiz");
        gone.push(("access_group", "gone"));
        let seen = invite(&boss, &gone).await;
        assert!(seen.status == 422 && seen.html.contains("One of these groups is gone."), "{}", seen.html);
        assert_eq!(server.ok("list_users", json!({})).await["total"], before);
        // From the fourth Administrator on the form says that two or three are enough (B05).
        server.administrator("third@example.com").await;
        let form = boss.get("/users/invite").await;
        assert!(form.html.contains("My organization already has 3 Administrators."), "{}", form.html);
    })
    .await;
}

#[tokio::test]
async fn what_nobody_would_type_is_answered_like_everything_else() {
    on_both(async |engine| {
        let (server, boss) = with_boss(engine).await;
        server.member("bob@example.com", &[]).await;
        let drawn = drawn_for(&boss.get("/users").await.html);
        for query in
            ["access_group=%00", "query=%00", "cursor=%00", &format!("query={}", "x".repeat(201)), &format!("cursor={}", "x".repeat(513))]
        {
            assert_eq!(boss.get(&format!("/users?{query}")).await.location.as_deref(), Some("/users"), "{query}");
        }
        let mut many = ana("ana@example.com", "Ruiz");
        many.extend(std::iter::repeat_n(("access_group", "01990b1c-7e1a-7000-8000-000000000001"), 200));
        for groups in [many, [ana("ana@example.com", "Ruiz"), vec![("access_group", "\0")]].concat()] {
            let seen = invite(&boss, &groups).await;
            assert!(seen.status == 422 && seen.html.contains("One of these groups is gone."), "{}", seen.html);
        }
        for email in ["", "nonsense", "nobody@example.com", "bob@example.com", "\0"] {
            let mut form = ana(email, "Typed");
            form.retain(|(name, _)| *name != "do");
            form.push(("do", "resend"));
            let seen = invite(&boss, &form).await;
            assert!(seen.status == 422 && seen.html.contains("value=\"Typed\""), "{email}: {} {}", seen.status, seen.html);
        }
        for id in ["not-an-id", "01990b1c-7e1a-7000-8000-000000000001"] {
            assert_eq!(boss.post(&format!("/users/{id}/resend"), &[("as", &drawn)]).await.status, 404, "{id}");
        }
        assert_eq!(server.refused("get_user", json!({"user": "ana@example.com"})).await["code"], "user_not_found");
    })
    .await;
}

#[tokio::test]
async fn whoever_may_invite_and_no_more_has_the_form_for_it() {
    on_both(async |engine| {
        let (server, _) = with_boss(engine).await;
        group(&server, "Doormen", &["users:invite"]).await;
        server.member("kim@example.com", &["Doormen"]).await;
        server.cli(&["org", "set", "--org", &server.org, "--invite-domains", "example.com", "--json"]).await;
        let kim = Browser::in_by_password(&server, "kim@example.com").await;
        assert_eq!(kim.get("/").await.location.as_deref(), Some("/users/invite"));
        for (email, words) in
            [("ana@example.com", "They are invited, and Pending"), ("bo@elsewhere.example", "check that it is the person you mean")]
        {
            assert_eq!(invite(&kim, &ana(email, "Ruiz")).await.location.as_deref(), Some("/users/invite"));
            let page = kim.get("/users/invite").await;
            assert!(page.html.contains(words) && page.html.contains("href=\"/me\" aria-label=\"Close\""), "{}", page.html);
        }
        // Whoever holds what no page is for is told so, and not that they hold nothing.
        group(&server, "Quiet", &["users:deactivate"]).await;
        server.member("lu@example.com", &["Quiet"]).await;
        let lu = Browser::in_by_password(&server, "lu@example.com").await;
        assert!(lu.get("/").await.html.contains("No page here is open to you"));
    })
    .await;
}

#[tokio::test]
async fn b11_an_expired_invite_is_shown_as_such_and_sent_again_from_its_row() {
    on_both(async |engine| {
        let (server, boss) = with_boss(engine).await;
        let id = invited(&server, "ana@example.com", "Ana", "Ruiz").await;
        server.link_to("ana@example.com").await;
        assert!(server.tamper("UPDATE links SET sent_at = sent_at - 604801000, expires_at = expires_at - 604801000").await);
        let page = boss.get("/users").await;
        assert!(rows(&page)[0].contains("Pending, expired Resend"), "{:?}", rows(&page));
        assert!(page.html.contains("aria-label=\"Resend invite to Ana Ruiz\""), "{}", page.html);
        let resend = format!("/users/{id}/resend");
        assert_eq!(boss.post(&resend, &[("as", &drawn_for(&page.html))]).await.location.as_deref(), Some("/users"));
        let page = boss.get("/users").await;
        assert!(rows(&page)[0].ends_with("User Pending Just now – never seen"), "{:?}", rows(&page));
        let link = server.newest_link_to("ana@example.com", 2).await;
        assert_eq!(server.accept(&link, "Ana", "Ruiz", PASSWORD).await.status(), 200);
        // A page that stood open meanwhile: its button says what has become of them.
        let late = boss.post(&resend, &[("as", &drawn_for(&page.html))]).await;
        assert!(late.status == 422 && late.html.contains("They have joined meanwhile"), "{}", late.html);
    })
    .await;
}

#[tokio::test]
async fn b04_who_has_no_permission_finds_an_empty_sidebar_and_why() {
    on_both(async |engine| {
        let (server, _) = with_boss(engine).await;
        server.member("kim@example.com", &[]).await;
        let kim = Browser::in_by_password(&server, "kim@example.com").await;
        let start = kim.get("/").await;
        assert!(start.status == 200 && start.html.contains("You are in, and have no access yet"), "{}", start.html);
        let side = start.html.split("<nav class=\"side\"").nth(1).and_then(|rest| rest.split("</nav>").next()).expect("a sidebar");
        assert!(!side.contains("<a ") && side.contains("Empty, because"), "{side}");
        assert!(start.html.contains("boss<wbr>@example.com") && start.html.contains("admin<wbr>@example.com"), "whom to ask");
        let pending = invited(&server, "ana@example.com", "Ana", "Ruiz").await;
        for path in ["/users", "/users/invite", "/users?status=pending"] {
            let seen = kim.get(path).await;
            assert!(seen.status == 404 && seen.html.contains("There is nothing at this address"), "{path}: {}", seen.html);
        }
        let drawn = drawn_for(&start.html);
        let mut form = ana("eve@example.com", "Eve");
        form.push(("as", &drawn));
        assert_eq!(kim.post("/users/invite", &form).await.status, 404);
        assert_eq!(kim.post(&format!("/users/{pending}/resend"), &[("as", &drawn)]).await.status, 404);
        assert_eq!(server.refused("get_user", json!({"user": "eve@example.com"})).await["code"], "user_not_found");
        // What they tried is evidence, as a tool call is; what they looked at is none.
        let tried = async || {
            let events = server.ok("list_audit_events", json!({"outcome": "refused", "user": "kim@example.com"})).await;
            let actions: Vec<_> = events["events"].as_array()?.iter().map(|event| event["action"].clone()).collect();
            (actions.len() == 2).then_some(actions)
        };
        assert_eq!(until("the evidence", tried).await, [json!("users:invite"), json!("users:invite")]);
        // What a group gives appears without signing in again, and goes the same way.
        group(&server, "Readers", &["users:read"]).await;
        server.ok("add_to_access_group", json!({"users": ["kim@example.com"], "access_groups": ["Readers"]})).await;
        assert_eq!(kim.get("/").await.location.as_deref(), Some("/users"));
        let page = kim.get("/users").await;
        assert!(listed(&page).contains(&"ana@example.com".to_owned()) && !page.html.contains("/users/invite"), "{}", page.html);
        assert!(!page.html.contains("f-group"), "who may not know of groups is offered none");
        server.ok("remove_from_access_group", json!({"users": ["kim@example.com"], "access_groups": ["Readers"]})).await;
        assert_eq!(kim.get("/users").await.status, 404);
        // A stranger is at the door.
        assert_eq!(Browser::of(&server).get("/users").await.location.as_deref(), Some("/sign-in"));
        server.ok("deactivate_user", json!({"user": "kim@example.com"})).await;
        assert_eq!(kim.get("/users").await.location.as_deref(), Some("/sign-in"), "the next click after a deactivation");
    })
    .await;
}

#[tokio::test]
async fn whoever_may_invite_gives_no_more_than_they_hold() {
    on_both(async |engine| {
        let (server, _) = with_boss(engine).await;
        group(&server, "Inviters", &["users:read", "users:invite", "access_groups:read", "access_groups:assign"]).await;
        let strong = group(&server, "Strong", &["users:deactivate"]).await;
        server.member("kim@example.com", &["Inviters"]).await;
        let kim = Browser::in_by_password(&server, "kim@example.com").await;
        let form = kim.get("/users/invite").await;
        assert!(form.html.contains("value=\"administrator\" disabled") && form.html.contains("Only Administrators make Administrators"));
        let mut high = ana("ana@example.com", "Ruiz");
        high.retain(|(name, _)| *name != "role");
        high.push(("role", "administrator"));
        let seen = invite(&kim, &high).await;
        assert!(seen.status == 422 && seen.html.contains("Only Administrators make Administrators."), "{}", seen.html);
        let mut wide = ana("ana@example.com", "Ruiz");
        wide.push(("access_group", &strong));
        let seen = invite(&kim, &wide).await;
        assert!(
            seen.status == 422 && seen.html.contains("These groups give more than you hold yourself: users:deactivate."),
            "{}",
            seen.html
        );
        assert_eq!(invite(&kim, &ana("ana@example.com", "Ruiz")).await.status, 303);
    })
    .await;
}

#[tokio::test]
async fn b06_the_frame_leads_to_the_other_organizations_of_the_browser() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        let second = second_organization(&server).await;
        server.administrator("ana@example.com").await;
        let link = async |org: &str| {
            let made: Value = server.cli(&["sign-in-link", "--org", org, "--user", "ana@example.com", "--json"]).await;
            let token = made["url"].as_str().and_then(|url| url.rsplit('/').next()).expect("a token").to_owned();
            format!("{}/link/{token}", server.address())
        };
        let browser = Browser::of(&server);
        browser.open(&link(&second).await).await;
        browser.open(&link(&server.org).await).await;
        let page = browser.get("/users").await;
        assert_eq!(listed(&page), ["ana@example.com", "admin@example.com"]);
        let to = page.html.split("name=\"to\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a switch").to_owned();
        let drawn = drawn_for(&page.html);
        assert_eq!(browser.post("/me/switch", &[("as", &drawn), ("to", &to)]).await.status, 303);
        let other = browser.get("/users").await;
        assert_eq!(listed(&other), ["ana@example.com"]);
        assert!(other.html.contains("You are the first one here") && other.html.contains("<bdi>Second</bdi>"), "{}", other.html);
        // A tab of the first organization that is used now invites into neither.
        let mut form = ana("late@example.com", "Late");
        form.push(("as", &drawn));
        let late = browser.post("/users/invite", &form).await;
        assert!(late.status == 409 && late.html.contains("late@example.com"), "{}", late.html);
        assert_eq!(server.refused("get_user", json!({"user": "late@example.com"})).await["code"], "user_not_found");
    })
    .await;
}

/// The key that a page put into its forms.
pub fn key_of(page: &str) -> String {
    let key = page.split("name=\"key\" value=\"").nth(1).and_then(|rest| rest.split('"').next());
    key.expect("a key").to_owned()
}

#[tokio::test]
async fn a_second_click_does_nothing_a_second_time() {
    on_both(async |engine| {
        let (server, boss) = with_boss(engine).await;
        let page = boss.get("/users/invite").await.html;
        let (drawn, key) = (drawn_for(&page), key_of(&page));
        let mut form = vec![("as", drawn.as_str()), ("key", key.as_str())];
        form.extend(ana("ana@example.com", "Ruiz"));
        for click in ["the first", "the second"] {
            let seen = boss.post("/users/invite", &form).await;
            assert_eq!((seen.status, seen.location.as_deref()), (303, Some("/users")), "{click}: {}", seen.html);
        }
        // Another person in the same form, come back to by the browser's arrow, is another matter.
        form[2].1 = "ben@example.com";
        assert_eq!(boss.post("/users/invite", &form).await.status, 303);
        assert_eq!(server.ok("list_users", json!({"status": "pending"})).await["total"], 2);

        let ana = server.ok("get_user", json!({"user": "ana@example.com"})).await["user"]["id"].as_str().expect("an id").to_owned();
        // The roster draws this one beside expired invites, in the same way.
        let page = boss.get("/users/invite").await.html;
        let (drawn, key) = (drawn_for(&page), key_of(&page));
        for _ in 0..2 {
            assert_eq!(boss.post(&format!("/users/{ana}/resend"), &[("as", &drawn), ("key", &key)]).await.status, 303);
        }
        let events = server.ok("list_audit_events", json!({"user": "ana@example.com"})).await;
        let tools = events["events"].as_array().expect("events").iter().filter(|event| event["outcome"] == "done").count();
        assert_eq!(tools, 2, "one invite and one resend: {events:#}");
    })
    .await;
}

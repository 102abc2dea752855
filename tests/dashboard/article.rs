//! The help article in a real browser, step by step and in its words; and what else happens to people in browsers: two of them at once,
//! tabs, arrows, second clicks, the keyboard alone.
//!
//! All of it is one walk on each database, through one browser with several profiles; each test says what of it holds.

use super::group;
use crate::{
    common::{Engine, Options, PASSWORD, Server, hosts::variable},
    signing_in::second_organization,
};
use serde_json::{Value, json};
use std::{any::Any, path::PathBuf, process::Stdio, sync::LazyLock, thread};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::Command,
    runtime::Runtime,
};

const ADMIN: &str = "admin@example.com";
/// Administrator here, and of the second organization.
const BOSS: &str = "ana@example.com";
const NOBODY: &str = "kim@example.com";

/// Names that the rules let through and that mean something to browsers and readers.
fn names() -> Vec<(String, String)> {
    let short = [
        ("<script>alert(1)</script>", "<img src=x onerror=alert(1)>"),
        ("ليلى", "الحداد"),
        ("美咲", "佐藤"),
        ("🦦", "👧🏽"),
        ("\"'><svg/onload=alert(1)>", "&amp;"),
    ];
    let long = ("W".repeat(100), "Ω".repeat(100));
    short.into_iter().map(|(first, last)| (first.to_owned(), last.to_owned())).chain([long]).collect()
}

/// What one walk showed, or why it ended early.
type Walk = Result<Value, String>;

/// Both walks, walked once for whichever test comes first. What fails in one is said by every test, and tried no second time.
fn seen() -> [&'static Value; 2] {
    static WALKS: LazyLock<[Walk; 2]> = LazyLock::new(|| {
        let apart = |engine| thread::spawn(move || Runtime::new().expect("a runtime").block_on(walk(engine)));
        let why = |panic: Box<dyn Any + Send>| panic.downcast::<String>().map_or_else(|_| "it says not why".to_owned(), |why| *why);
        [Engine::Sqlite, Engine::Postgres].map(apart).map(|walk| walk.join().map_err(why))
    });
    WALKS.each_ref().map(|walk| walk.as_ref().unwrap_or_else(|why| panic!("the walk ended early: {why}")))
}

/// An organization with everybody whom the walk needs, and its plan.
async fn prepared(engine: Engine) -> (Server, Value) {
    let server = Server::quickstart(engine).await;
    let second = second_organization(&server).await;
    let support = group(&server, "Support", &["users:read", "access_groups:read"]).await;
    let billing = group(&server, "Billing", &["audit_log:read"]).await;
    let gone = group(&server, "Soon gone", &["users:read"]).await;
    server.administrator(BOSS).await;
    server.member(NOBODY, &[]).await;
    let mut people = Vec::new();
    for (n, (first, last)) in names().into_iter().enumerate() {
        let email = format!("name{n}@example.com");
        let form = json!({"email": email, "first_name": first, "last_name": last, "access_groups": [support]});
        server.ok("invite_user", form).await;
        people.push(json!({"email": email, "name": format!("{first} {last}")}));
    }
    let door = server.cli(&["sign-in-link", "--org", &second, "--user", BOSS, "--json"]).await;
    let token = door["url"].as_str().and_then(|url| url.rsplit('/').next()).expect("a token").to_owned();
    let plan = json!({"base": server.address(), "org": server.org, "password": PASSWORD, "admin": ADMIN, "boss": BOSS, "nobody": NOBODY,
        "second": format!("{}/link/{token}", server.address()), "people": people,
        "groups": {"support": support, "billing": billing, "gone": gone}});
    (server, plan)
}

async fn walk(engine: Engine) -> Value {
    let (mut server, plan) = prepared(engine).await;
    let sign_in_url = server.sign_in_url.clone().expect("a link");
    let mut browser = Command::new(variable("USHER_TEST_NODE22"))
        .arg(PathBuf::from(variable("USHER_TEST_HOSTS")).join("browser/article.mjs"))
        .args([&plan.to_string(), &sign_in_url])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the browser starts");
    let mut hears = browser.stdin.take().expect("its ear");
    let mut lines = BufReader::new(browser.stdout.take().expect("its words")).lines();
    while let Some(line) = lines.next_line().await.expect("a line") {
        let said: Value = serde_json::from_str(&line).expect("JSON");
        if let Some(seen) = said.get("seen") {
            assert!(browser.wait().await.expect("an end").success());
            return seen.clone();
        }
        let answer = answer(&mut server, &said["ask"]).await;
        hears.write_all(format!("{answer}\n").as_bytes()).await.expect("it hears");
    }
    let ended = browser.wait_with_output().await.expect("an end");
    panic!("{engine:?}: {}", String::from_utf8_lossy(&ended.stderr));
}

/// What the browser cannot do itself.
async fn answer(server: &mut Server, asked: &Value) -> Value {
    let word = |n: usize| asked[n].as_str().unwrap_or_default();
    match word(0) {
        "call" => server.ok(word(1), asked[2].clone()).await,
        "link" => json!(server.newest_link_to(word(1), usize::try_from(asked[2].as_u64().expect("a number")).expect("a few")).await),
        "mails" => json!(server.links_to(word(1)).len()),
        "tamper" => json!(server.tamper(word(1)).await),
        "restart" => {
            let address = server.address();
            server.stop().await;
            let options = Options { listen: address.strip_prefix("http://").map(str::to_owned), ..Options::default() };
            server.restart(&options).await;
            json!(server.address() == address)
        }
        other => panic!("it asks for {other}"),
    }
}

fn text<'a>(page: &'a Value, part: &str) -> &'a str {
    page[part].as_str().unwrap_or_default()
}

fn says(page: &Value, words: &str) {
    let text = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text(self::text(page, "text")).contains(words), "{words}: {page:#}");
}

/// The row of somebody on the roster.
fn row<'a>(page: &'a Value, email: &str) -> &'a str {
    let rows = page["rows"].as_array().map(Vec::as_slice).unwrap_or_default();
    rows.iter().filter_map(Value::as_str).find(|row| row.contains(email)).unwrap_or_else(|| panic!("{email}: {page:#}"))
}

fn has(list: &Value, words: &str) {
    let list = list.as_array().unwrap_or_else(|| panic!("{words}"));
    assert!(list.iter().filter_map(Value::as_str).any(|one| one.contains(words)), "{words}: {list:#?}");
}

#[test]
fn b01_step_1_access_users_opens_the_table_with_its_columns() {
    for seen in seen() {
        let page = &seen["users"];
        assert_eq!(text(page, "path"), "/users");
        let side = page["side"].as_array().expect("a sidebar");
        let (access, users) = (side.iter().position(|it| it == "Access"), side.iter().position(|it| it == "Users"));
        assert!(access.is_some() && access < users, "{side:?}");
        assert_eq!(page["columns"], json!(["Name", "Email", "Slack", "Role", "Status", "Created", "Last seen"]));
        has(&page["buttons"], "Invite user");
    }
}

#[test]
fn b02_b08_b09_step_2_invite_user_then_create_user_and_the_person_is_pending() {
    for seen in seen() {
        let form = &seen["invite"];
        assert_eq!((text(form, "heading"), text(form, "focus")), ("Invite user", "email"), "whoever opens it types at once");
        assert_eq!(form["ticked"], json!(["User"]), "the default");
        has(&form["buttons"], "Create User");
        let page = &seen["invited"];
        assert!(text(page, "toast").starts_with("Dana (Vendor) is invited."), "{page:#}");
        assert!(row(page, "dana@example.com").contains("Dana (Vendor) dana@example.com"), "{page:#}");
        assert!(row(page, "dana@example.com").contains("User Pending Just now"), "{page:#}");
    }
}

#[test]
fn b07_step_2_a_second_invite_says_email_already_in_use_and_leads_to_that_person() {
    for seen in seen() {
        let page = &seen["taken"];
        has(&page["errors"], "Email already in use: that person is Pending");
        has(&page["buttons"], "Resend invite");
        let fields = &page["fields"];
        assert_eq!((&fields["email"]["value"], &fields["last_name"]["value"]), (&json!("dana@example.com"), &json!("Again")));
        assert_eq!(page["leads_to"], "Dana (Vendor)");
    }
}

#[test]
fn b10_step_3_the_person_opens_the_mailed_link_sets_a_password_and_is_active() {
    for seen in seen() {
        assert_eq!(seen["accept"]["fields"]["last_name"]["value"], "(Vendor)");
        assert_eq!(text(&seen["joined"], "heading"), "You are in");
        assert!(
            row(&seen["active"], "dana@example.com").contains("Dana Whitfield dana@example.com"),
            "their own name is theirs to correct"
        );
        assert!(row(&seen["active"], "dana@example.com").contains("User Active"), "{:#}", seen["active"]);
    }
}

#[test]
fn b17_b19_step_4_a_row_opens_the_detail_page_and_save_changes_commits_names_and_role() {
    for seen in seen() {
        let page = &seen["detail"];
        assert_eq!(text(page, "heading"), "Dana Whitfield");
        for part in ["Details", "Access Groups", "Activity", "AI tools"] {
            says(page, part);
        }
        has(&page["buttons"], "Save Changes");
        let page = &seen["saved"];
        assert_eq!(text(page, "heading"), "Dana Lee Whitfield");
        assert!(text(page, "toast").starts_with("Dana Lee Whitfield is saved."), "{page:#}");
        assert_eq!(page["ticked"], json!(["Administrator"]));
        assert_eq!((&page["user"]["role"], &page["user"]["first_name"]), (&json!("Administrator"), &json!("Dana Lee")));
    }
}

#[test]
fn b18_step_5_add_to_access_group_assigns_several_in_a_single_action() {
    for seen in seen() {
        has(&seen["no_groups"]["buttons"], "Add to Access Group");
        says(&seen["no_groups"], "In no access group");
        let page = &seen["in_groups"];
        assert_eq!(page["posts"], 1, "one action");
        for words in ["Support", "Billing", "users:read from Support", "audit_log:read from Billing"] {
            says(page, words);
        }
        assert!(text(page, "toast").contains("is in the chosen access groups."), "{page:#}");
    }
}

#[test]
fn b20_step_6_the_toggle_asks_first_and_the_persons_own_browser_lands_on_sign_in() {
    for seen in seen() {
        let page = &seen["confirm"];
        assert_eq!((text(page, "heading"), text(page, "focus")), ("Deactivate Dana Lee Whitfield?", "Keep active"));
        assert_eq!(page["status"], "active", "asking changes nothing");
        says(page, "Ends the moment you confirm 1 browser session Stays Their 2 access groups, for the day you reactivate them");
        let page = &seen["deactivated"];
        assert!(text(page, "toast").starts_with("Dana Lee Whitfield is deactivated."), "{page:#}");
        says(page, "Cannot sign in; AI tools get 401");
        // She was at work, and her next click is at the door.
        has(&seen["dana_before"]["side"], "Users");
        assert_eq!(text(&seen["dana_after"], "path"), "/sign-in");
    }
}

#[test]
fn b11_step_7_resend_invite_makes_a_new_link_and_an_expired_one_says_so() {
    for seen in seen() {
        has(&seen["pending"]["buttons"], "Resend invite");
        assert!(text(&seen["resent"], "toast").starts_with("Lee Okafor is sent a new invite."), "{:#}", seen["resent"]);
        says(&seen["replaced"], "newer");
        says(&seen["expired"], "expired");
        assert!(row(&seen["expired_row"], "lee@example.com").contains("Pending, expired Resend"), "{:#}", seen["expired_row"]);
        assert!(text(&seen["resent_row"], "toast").starts_with("Lee Okafor is sent a new invite."), "{:#}", seen["resent_row"]);
        assert!(!row(&seen["resent_row"], "lee@example.com").contains("expired"));
        says(&seen["fresh"], "invited you to My organization");
    }
}

#[test]
fn b04_the_sidebar_of_a_user_without_permissions_is_blank_and_says_why() {
    for seen in seen() {
        let page = &seen["blank"];
        assert_eq!(page["links"], 0);
        assert_eq!(page["side"], json!(["Empty, because you are in no access group that opens a page."]));
        assert_eq!(text(page, "heading"), "You are in, and have no access yet");
        says(page, "An Administrator adds you to an access group, and what it gives appears at the left");
        says(page, ADMIN);
    }
}

#[test]
fn two_administrators_in_two_browsers_overwrite_nothing_unseen() {
    for seen in seen() {
        let page = &seen["conflict"];
        assert!(
            text(page, "alert").starts_with("Somebody else changed Lee Quick since you opened this page. Nothing was saved."),
            "{page:#}"
        );
        assert_eq!(page["fields"]["last_name"]["value"], "Slow", "nothing typed is lost");
        assert_eq!(page["ticked"], json!(["Administrator"]));
        has(&page["hints"], "Now: Quick");
        assert_eq!((&page["user"]["last_name"], &page["user"]["role"]), (&json!("Quick"), &json!("User")), "nothing is overwritten");
        let page = &seen["decided"];
        assert_eq!((&page["user"]["last_name"], &page["user"]["role"]), (&json!("Slow"), &json!("Administrator")), "by whoever saw both");
    }
}

#[test]
fn b06_a_tab_that_stayed_behind_does_nothing_in_either_organization() {
    for seen in seen() {
        let page = &seen["moved"];
        assert_eq!(text(page, "heading"), "This browser has moved on");
        for typed in ["late@example.com", "Late", "Tab", "Nothing was done with it."] {
            says(page, typed);
        }
        assert_eq!((text(seen, "switched"), &page["found"]), ("Second", &json!(0)), "in the one");
        assert_eq!(seen["second"]["rows"].as_array().map(Vec::len), Some(1), "in the other: {:#}", seen["second"]);
    }
}

#[test]
fn a_second_click_a_reload_and_the_way_back_do_nothing_twice() {
    for seen in seen() {
        let once = |page: &Value| assert_eq!((&page["events"], &page["mails"]), (&json!(["users:invite"]), &json!(1)), "{page:#}");
        let page = &seen["double"];
        once(page);
        assert!(text(page, "toast").starts_with("Twice Clicked is invited."), "{page:#}");
        let page = &seen["reloaded"];
        once(page);
        assert_eq!((text(page, "path"), &page["toast"]), ("/users", &Value::Null), "it is said once");
        once(&seen["back_sent"]);
        let page = &seen["refused_again"];
        once(page);
        has(&page["errors"], "Email already in use");
        assert_eq!(page["fields"]["last_name"]["value"], "Typed", "nothing typed is lost");
    }
}

#[test]
fn a_form_of_before_does_nothing_that_its_sender_did_not_see() {
    for seen in seen() {
        let page = &seen["stale"];
        assert!(!text(page, "alert").is_empty(), "it says why: {page:#}");
        assert_eq!(page["groups"], 0, "all of it or nothing");
        has(&page["ticked"], "Support");
        let page = &seen["late"];
        assert_eq!(page["events"], json!(["users:deactivate", "users:invite"]), "once");
        says(page, "Deactivated");
        // Of before a restart: it is saved, as if nothing had been.
        assert_eq!(seen["restarted"]["user"]["last_name"], "Restarted");
        assert!(text(&seen["restarted"], "toast").contains("is saved."), "{:#}", seen["restarted"]);
    }
}

#[test]
fn a_session_that_ends_in_mid_edit_loses_nothing_that_was_typed() {
    for seen in seen() {
        let page = &seen["ended"];
        assert_eq!(text(page, "heading"), "You are signed out");
        for typed in ["Typed", "In Vain", "Nothing was done with it."] {
            says(page, typed);
        }
        assert_eq!(page["user"]["last_name"], "Restarted");
        assert_eq!(page["leads_to"], "/sign-in");
    }
}

#[test]
fn b22_the_last_administrator_is_refused_in_words() {
    for seen in seen() {
        let page = &seen["last"];
        has(&page["errors"], "this is the last active Administrator");
        assert_eq!((&page["user"]["role"], &page["user"]["status"]), (&json!("Administrator"), &json!("active")));
        assert_eq!(seen["locked"]["switch"], true);
        says(&seen["locked"], "Promote somebody else first");
        says(&seen["last_off"], "Promote somebody else first");
    }
}

#[test]
fn a_person_without_a_mouse_invites_and_deactivates_from_the_door_on() {
    for seen in seen() {
        let page = &seen["keyboard"];
        assert_eq!((text(page, "start"), text(page, "skipped")), ("/users", "#main"));
        let focus = &page["focus"];
        assert_eq!(text(focus, "invite"), "email", "the dialog has it");
        assert_eq!((text(page, "closed"), text(focus, "closed")), ("/users", "Invite user"), "where one came from");
        assert_eq!((&page["menu"], &page["menu_closed"]), (&json!(true), &json!(true)), "Escape closes a menu");
        assert_eq!((text(focus, "menu"), text(focus, "menu_closed")), ("My AI tools", "btn quiet who"), "into it, and back to its button");
        assert_eq!((text(page, "down"), text(page, "up")), ("administrator", "user"), "arrows choose a role");
        assert!(text(&page["invited"], "toast").starts_with("Only Keys is invited."), "{page:#}");
        assert_eq!(page["user"]["access_groups"].as_array().map(Vec::len), Some(1), "Space ticks a group");
        assert_eq!(text(page, "person"), "Test Person", "Enter opens a row");
        assert_eq!((text(focus, "confirm"), text(focus, "act")), ("Keep active", "Deactivate Test Person"), "the way out first");
        assert_eq!((text(page, "kept_status"), text(focus, "kept")), ("active", "switch"), "and back to the switch");
        assert!(text(&page["deactivated"], "toast").starts_with("Test Person is deactivated."), "{page:#}");
        assert_eq!(text(page, "status"), "deactivated");
        assert_eq!(page["unseen"], json!([]), "the focus can always be seen");
    }
}

#[test]
fn r_b88_every_name_is_shown_as_it_is_on_every_list_of_people() {
    for seen in seen() {
        let pages = seen["names"].as_object().expect("pages");
        for (place, page) in pages {
            assert_eq!(page["apart"], true, "{place}: names stand apart from the text around them");
            for (first, last) in names().iter().take(if place == "person" { 1 } else { usize::MAX }) {
                says(page, &format!("{first} {last}"));
            }
        }
        assert_eq!(pages.len(), 5);
        let page = &seen["turned"];
        assert!(!page["errors"].as_array().expect("errors").is_empty(), "what turns a line around is no name: {page:#}");
        assert_eq!(page["fields"]["email"]["value"], "turned@example.com");
    }
}

#[test]
fn nothing_complains_runs_loads_from_elsewhere_or_is_wider_than_a_phone_on_the_whole_way() {
    for seen in seen() {
        assert_eq!(seen["wide"], json!([]), "nobody scrolls sideways");
        assert_eq!(seen["scripts"], json!([]));
        assert_eq!(seen["foreign"], json!([]));
        // A browser notes each answer that is a refusal; of policies, forms and programs it must note nothing.
        let refusals = ["status of 422", "status of 409", "status of 410"];
        let complaints = seen["complaints"].as_array().expect("complaints");
        let others: Vec<_> = complaints.iter().filter(|text| !refusals.iter().any(|status| text.to_string().contains(status))).collect();
        assert!(others.is_empty(), "{others:#?}");
    }
}

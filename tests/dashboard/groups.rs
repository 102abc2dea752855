//! Access groups as whoever runs them meets them: making, editing, filling and ending them; what each situation of an
//! organization gives; and what others find instead.

use super::{group, invited, with_boss};
use crate::{
    common::{Server, on_both, until},
    signing_in::{Browser, Seen, drawn_for, second_organization},
};
use serde_json::{Value, json};

/// A form as its browser would send it.
pub type Form = Vec<(String, String)>;

fn text(value: &str) -> String {
    value.replace("&#60;", "<").replace("&#62;", ">").replace("&#34;", "\"").replace("&#39;", "'").replace("&#38;", "&")
}

/// The form of a page that posts to this path, filled in as the page has it.
pub fn form(page: &str, path: &str) -> Form {
    let form = page.split(&format!("<form method=\"post\" action=\"{path}\"")).nth(1).and_then(|rest| rest.split("</form>").next());
    let field = |input: &str| {
        let input = format!(" {}", input.split('>').next()?);
        let attribute = |name: &str| input.split(&format!(" {name}=\"")).nth(1).and_then(|rest| rest.split('"').next());
        let is_sent =
            !input.contains(" disabled") && (!matches!(attribute("type"), Some("checkbox" | "radio")) || input.contains(" checked"));
        is_sent.then(|| (attribute("name").unwrap_or_default().to_owned(), text(attribute("value").unwrap_or_default())))
    };
    form.unwrap_or_else(|| panic!("no form for {path}: {page}")).split("<input ").skip(1).filter_map(field).collect()
}

/// The same with one field otherwise.
pub fn with(form: &Form, name: &str, value: &str) -> Form {
    let mut form: Form = form.iter().filter(|(field, _)| field != name).cloned().collect();
    form.push((name.to_owned(), value.to_owned()));
    form
}

/// The same with a tick more.
fn ticked(form: &Form, name: &str, value: &str) -> Form {
    let mut form = form.clone();
    form.push((name.to_owned(), value.to_owned()));
    form
}

/// The same without a tick.
fn unticked(form: &Form, value: &str) -> Form {
    form.iter().filter(|(_, ticked)| ticked != value).cloned().collect()
}

fn ticks(form: &Form) -> Vec<&str> {
    form.iter().filter(|(name, _)| name == "permission").map(|(_, value)| value.as_str()).collect()
}

pub async fn send(browser: &Browser, path: &str, form: &Form) -> Seen {
    let pairs: Vec<(&str, &str)> = form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    browser.post(path, &pairs).await
}

/// Makes a group from a starting point; its page.
async fn made(browser: &Browser, start: &str, name: &str) -> String {
    let page = browser.get(&format!("/access-groups/new?start={start}")).await;
    assert_eq!(page.status, 200, "{}", page.html);
    let done = send(browser, "/access-groups/new", &with(&form(&page.html, "/access-groups/new"), "name", name)).await;
    assert_eq!(done.status, 303, "{}", done.html);
    done.location.expect("a page")
}

async fn known(server: &Server, group: &str) -> Value {
    server.ok("list_access_groups", json!({"access_group": group})).await["access_groups"][0].clone()
}

/// Somebody in a group with these permissions, and their browser.
async fn holder(server: &Server, name: &str, permissions: &[&str]) -> Browser {
    group(server, name, permissions).await;
    let email = format!("{name}@example.com");
    server.member(&email, &[name]).await;
    Browser::in_by_password(server, &email).await
}

/// A browser that is signed in at another organization.
async fn signed_in_at(server: &Server, org: &str, email: &str) -> Browser {
    let made = server.cli(&["sign-in-link", "--org", org, "--user", email, "--json"]).await;
    let token = made["url"].as_str().and_then(|url| url.rsplit('/').next()).expect("a token").to_owned();
    let browser = Browser::of(server);
    assert_eq!(browser.open(&format!("{}/link/{token}", server.address())).await.status, 303);
    browser
}

/// Who is in a group, by address, as its page has it.
fn members(seen: &Seen) -> Vec<String> {
    assert_eq!(seen.status, 200, "{}", seen.html);
    let aside = seen.html.split("<aside").nth(1).and_then(|rest| rest.split("</aside>").next()).expect("members").replace("<wbr>", "");
    aside.split("<bdi>").filter_map(|part| part.split("</bdi>").next()).filter(|part| part.contains('@')).map(str::to_owned).collect()
}

#[tokio::test]
async fn b05_each_starting_point_gives_exactly_what_its_situation_needs() {
    on_both(async |engine| {
        let (server, boss) = with_boss(engine).await;
        let (_, bare) = server.member("bare@example.com", &[]).await;
        let base = server.tools(&bare).await;
        for (start, tools, gives, gives_not) in [
            (
                "sales",
                &[] as &[&str],
                &["customers:create", "centers:update", "dashboard:read"][..],
                &["billing:read", "users:read", "customers:export", "centers:delete"][..],
            ),
            ("support", &["list_users"], &["customers:update", "centers:read"], &["customers:delete", "centers:update"]),
            (
                "auditor",
                &["list_users", "list_access_groups", "list_audit_events"],
                &["billing:read", "settings:read", "audit_log:export"],
                &["users:invite", "customers:update", "settings:update"],
            ),
            ("contractor", &[], &["connectors:read"], &["dashboard:read", "connectors:update"]),
            ("connectors", &[], &["connectors:create", "connectors:delete"], &["billing:read", "billing:update"]),
        ] {
            let place = made(&boss, start, start).await;
            let email = format!("{start}@example.com");
            let (_, token) = server.member(&email, &[start]).await;
            let mut more = server.tools(&token).await;
            more.retain(|tool| !base.contains(tool));
            for tool in tools {
                assert!(more.iter().any(|more| more == tool), "{start}: {tool} of {more:?}");
            }
            assert!(more.iter().all(|tool| tools.contains(&tool.as_str()) || start == "auditor" && tool.starts_with("list_")), "{more:?}");
            let allowed = async |permission: &str| {
                server.ok("check_membership", json!({"user": email, "permission": permission})).await["allowed"] == true
            };
            for permission in gives {
                assert!(allowed(permission).await, "{start}: {permission}");
            }
            for permission in gives_not {
                assert!(!allowed(permission).await, "{start}: {permission}");
            }
            let theirs = Browser::in_by_password(&server, &email).await;
            let sees = |path: &str| match path {
                "/users" => tools.contains(&"list_users"),
                "/access-groups" => tools.contains(&"list_access_groups"),
                _ => false,
            };
            for path in ["/users", "/access-groups", "/users/invite", "/access-groups/new"] {
                assert_eq!(theirs.get(path).await.status, if sees(path) { 200 } else { 404 }, "{start} at {path}");
            }
            assert_eq!(theirs.get(&place).await.status, if sees("/access-groups") { 200 } else { 404 }, "{start} at their group");
            if start == "auditor" {
                // Everything is there to be read, and nothing to be pressed.
                let page = theirs.get(&place).await.html;
                for absent in ["Save Changes", "type=\"checkbox\"", "/add\"", "/delete\"", "/remove\""] {
                    assert!(!page.contains(absent), "{absent}: {page}");
                }
                assert!(page.contains("Users: </span>read</span>") && page.contains("Users: invite, not given"), "{page}");
                assert!(!theirs.get("/access-groups").await.html.contains("/access-groups/new"));
                assert!(!theirs.get("/users").await.html.contains("/users/invite"));
            }
        }
        // The engagement ends: they are taken out, and nothing is left from the next question on.
        let contractor = known(&server, "contractor").await["id"].as_str().expect("an id").to_owned();
        let place = format!("/access-groups/{contractor}");
        let page = boss.get(&place).await;
        assert_eq!(members(&page), ["contractor@example.com"]);
        let remove = format!("{place}/remove");
        assert_eq!(send(&boss, &remove, &form(&page.html, &remove)).await.location.as_deref(), Some(place.as_str()));
        let page = boss.get(&place).await;
        assert!(members(&page).is_empty() && page.html.contains("They are out of the group."), "{}", page.html);
        let left = server.ok("check_membership", json!({"user": "contractor@example.com", "permission": "connectors:read"})).await;
        assert_eq!(left["allowed"], false);
        assert_eq!(server.verified().await["ok"], true);
    })
    .await;
}

#[tokio::test]
async fn the_list_counts_searches_and_says_what_to_do_where_there_is_nothing() {
    on_both(async |engine| {
        let (server, boss) = with_boss(engine).await;
        let empty = boss.get("/access-groups").await;
        assert!(empty.status == 200 && empty.html.contains("There is no access group yet"), "{}", empty.html);
        assert!(empty.html.contains("href=\"/access-groups/new?start=support\">Support</a>"), "{}", empty.html);
        for n in 0..52 {
            group(&server, &format!("Team {n}"), &[]).await;
        }
        let shown = |seen: &Seen| seen.html.matches("class=\"open\"").count();
        let first = boss.get("/access-groups").await;
        assert!(shown(&first) == 50 && first.html.contains("50 of 52 groups, oldest first"), "{}", first.html);
        let next = first.html.split("href=\"/access-groups?cursor=").nth(1).and_then(|rest| rest.split('"').next()).expect("a next page");
        let second = boss.get(&format!("/access-groups?cursor={next}")).await;
        assert!(shown(&second) == 2 && second.html.contains(">First page</a>"), "{}", second.html);
        // What a group gives and who is in it are counted; names are data.
        let hostile = made(&boss, "support", "<b>Nuñez</b> & ليلى").await;
        server.member("kim@example.com", &["<b>Nuñez</b> & ليلى"]).await;
        let found = boss.get("/access-groups?query=NUNEZ").await;
        assert!(shown(&found) == 1 && found.html.contains("1 group<"), "{}", found.html);
        let row = format!(
            "<a class=\"open\" href=\"{hostile}\"><bdi>&#60;b&#62;Nuñez&#60;/b&#62; &#38; ليلى</bdi></a></th><td class=\"muted\"></td><td class=\"num\">1</td><td class=\"num\">5</td>"
        );
        assert!(found.html.contains(&row), "{}", found.html);
        let none = boss.get("/access-groups?query=%3Cscript%3E").await;
        assert!(none.html.contains("No group matches “<bdi>&#60;script&#62;</bdi>”") && none.html.contains("Show all groups"), "{}", none.html);
        for odd in ["cursor=gone", "cursor=%00", &format!("query={}", "x".repeat(201))] {
            assert_eq!(boss.get(&format!("/access-groups?{odd}")).await.location.as_deref(), Some("/access-groups"), "{odd}");
        }
        assert_eq!(boss.get("/access-groups?query=%FF").await.status, 200);
        // It stands in the sidebar of whoever may see it, and is there they begin where nothing else is.
        let reader = holder(&server, "reader", &["access_groups:read"]).await;
        assert_eq!(reader.get("/").await.location.as_deref(), Some("/access-groups"));
        let page = reader.get("/access-groups").await.html;
        assert!(page.contains("<a href=\"/access-groups\" aria-current=\"page\">") && !page.contains("href=\"/users\""), "{page}");
        assert!(!page.contains("Create access group"), "{page}");
        // Who is in a group is for those who may see people.
        let seen = reader.get(&hostile).await.html;
        assert!(seen.contains("Who is in it is shown to those who may see people.") && !seen.contains("kim"), "{seen}");
    })
    .await;
}

#[tokio::test]
async fn a_group_is_made_from_a_starting_point_and_what_is_wrong_is_said_beside_its_field() {
    on_both(async |engine| {
        let (server, boss) = with_boss(engine).await;
        group(&server, "Support", &[]).await;
        let new = "/access-groups/new";
        let page = boss.get(&format!("{new}?start=support")).await.html;
        assert!(page.contains("aria-current=\"true\">Support</a>") && page.contains("5 of 31 ticked"), "{page}");
        let filled = form(&page, new);
        assert_eq!(ticks(&filled), ["users:read", "dashboard:read", "centers:read", "customers:read", "customers:update"]);
        assert_eq!(ticks(&form(&boss.get(new).await.html, new)), Vec::<&str>::new());
        assert_eq!(ticks(&form(&boss.get(&format!("{new}?start=whatever")).await.html, new)), Vec::<&str>::new());
        let typed = with(&unticked(&ticked(&filled, "permission", "billing:read"), "users:read"), "description", "\"Day\" <i>shift</i>");
        for (name, words) in [
            ("", "Name must not be empty."),
            ("SUPPORT", "An access group with this name exists already"),
            ("see www.example.com", "aria-describedby=\"g-name-e\""),
        ] {
            let seen = send(&boss, new, &with(&typed, "name", name)).await;
            assert!(seen.status == 422 && seen.html.contains(words) && !seen.html.contains('`'), "{name}: {}", seen.html);
            assert!(seen.html.contains("id=\"g-name-e\"") && seen.html.contains("<title>Not saved yet: "), "{}", seen.html);
            let again = form(&seen.html, new);
            assert_eq!(ticks(&again), ["dashboard:read", "centers:read", "customers:read", "customers:update", "billing:read"]);
            assert!(again.contains(&("name".to_owned(), name.to_owned())), "{again:?}");
            assert!(again.contains(&("description".to_owned(), "\"Day\" <i>shift</i>".to_owned())), "{again:?}");
        }
        for (field, value, words) in
            [("description", "x\u{7}", "id=\"g-for-e\""), ("description", &"x".repeat(501) as &str, "may have at most 500 characters")]
        {
            let seen = send(&boss, new, &with(&with(&typed, "name", "Fine"), field, value)).await;
            assert!(seen.status == 422 && seen.html.contains(words), "{words}: {}", seen.html);
        }
        let odd = send(&boss, new, &with(&ticked(&typed, "permission", "no:such"), "name", "Fine")).await;
        assert!(odd.status == 422 && odd.html.contains("One of these permissions exists no more."), "{}", odd.html);
        assert_eq!(server.ok("list_access_groups", json!({})).await["total"], 1);
        // A second click makes no second group, and leads to the same page.
        let right = with(&typed, "name", "Day shift");
        let (first, second) = (send(&boss, new, &right).await, send(&boss, new, &right).await);
        assert_eq!((first.status, &first.location), (303, &second.location), "{} {}", first.html, second.html);
        let page = boss.get(first.location.as_deref().expect("a page")).await.html;
        assert!(page.contains("The group is there, and nobody is in it yet.") && page.contains("<h1><bdi>Day shift</bdi></h1>"), "{page}");
        assert!(page.contains("Nobody is in it, so saving changes nobody’s access."), "{page}");
        let kept = known(&server, "Day shift").await;
        assert_eq!(kept["permissions"], json!(["billing:read", "centers:read", "customers:read", "customers:update", "dashboard:read"]));
        assert_eq!((&kept["description"], &kept["version"]), (&json!("\"Day\" <i>shift</i>"), &json!(1)));
        assert_eq!(server.ok("list_access_groups", json!({})).await["total"], 2);
        let event = server.ok("list_audit_events", json!({"action": "access_groups:create"})).await["events"][0].clone();
        assert_eq!((&event["surface"], &event["actor"]["name"]), (&json!("web"), &json!("Test Person")), "{event}");
    })
    .await;
}

#[tokio::test]
async fn two_who_edit_one_group_see_both_and_lose_nothing() {
    on_both(async |engine| {
        let (server, boss) = with_boss(engine).await;
        server.administrator("second@example.com").await;
        let second = Browser::in_by_password(&server, "second@example.com").await;
        let place = made(&boss, "contractor", "Meridian").await;
        server.member("kim@example.com", &["Meridian"]).await;
        let page = boss.get(&place).await.html;
        assert!(page.contains("Holds for 1 member on their very next request."), "{page}");
        let theirs = form(&second.get(&place).await.html, &place);
        let mine = with(&ticked(&form(&page, &place), "permission", "dashboard:read"), "name", "Meridian Ltd");
        // Two clicks are one change.
        for _ in 0..2 {
            assert_eq!(send(&boss, &place, &mine).await.location.as_deref(), Some(place.as_str()));
        }
        assert!(boss.get(&place).await.html.contains("The group is saved. It holds for everybody in it on their very next request."));
        assert_eq!((&known(&server, "Meridian Ltd").await["version"], members(&boss.get(&place).await).len()), (&json!(2), 1));
        let allowed = server.ok("check_membership", json!({"user": "kim@example.com", "permission": "dashboard:read"})).await;
        assert_eq!(allowed["allowed"], true);
        // Whoever read it before is shown both, and neither is lost.
        let late = with(&ticked(&theirs, "permission", "billing:read"), "description", "For <Q4>");
        let seen = send(&second, &place, &late).await;
        assert_eq!(seen.status, 409, "{}", seen.html);
        for row in [
            "<th scope=\"row\">Name</th><td><bdi>Meridian Ltd</bdi></td><td><bdi>Meridian</bdi></td>",
            "<th scope=\"row\">Description</th><td><bdi></bdi></td><td><bdi>For &#60;Q4&#62;</bdi></td>",
            "<th scope=\"row\">Also gives</th><td><bdi>dashboard:read</bdi></td><td><bdi>billing:read</bdi></td>",
        ] {
            assert!(seen.html.contains(row), "{row}: {}", seen.html);
        }
        assert_eq!(known(&server, "Meridian Ltd").await["version"], 2, "nothing was saved");
        let again = form(&seen.html, &place);
        assert_eq!(ticks(&again), ["connectors:read", "billing:read"]);
        assert!(again.contains(&("name".to_owned(), "Meridian".to_owned())) && again.contains(&("version".to_owned(), "2".to_owned())));
        // Having seen both they may save theirs.
        assert_eq!(send(&second, &place, &again).await.status, 303);
        let kept = known(&server, "Meridian").await;
        assert_eq!((&kept["permissions"], &kept["description"]), (&json!(["billing:read", "connectors:read"]), &json!("For <Q4>")));
        // The browser's arrow brings an old form back: it is not taken for saved while something else stands.
        let back = send(&boss, &place, &mine).await;
        assert!(back.status == 409 && back.html.contains("Meridian Ltd"), "{} {}", back.status, back.html);
        assert_eq!(known(&server, "Meridian").await["version"], 3);
        // A form without a version is drawn by nobody, and changes nothing unseen.
        let unversioned: Form = with(&again, "name", "Other").into_iter().filter(|(name, _)| name != "version").collect();
        assert_eq!(send(&second, &place, &unversioned).await.status, 409);
        // What both want alike is no conflict, and an empty description takes the old one away.
        let (one, other) = (form(&boss.get(&place).await.html, &place), form(&second.get(&place).await.html, &place));
        assert_eq!(send(&boss, &place, &with(&one, "description", "")).await.status, 303);
        assert_eq!(send(&second, &place, &with(&other, "description", " ")).await.status, 303);
        assert_eq!(
            (&known(&server, "Meridian").await["description"], &known(&server, "Meridian").await["version"]),
            (&Value::Null, &json!(4))
        );
        // A starting point on a group that is there only changes ticks.
        let page = boss.get(&format!("{place}?start=sales")).await.html;
        let drawn = form(&page, &place);
        assert_eq!((ticks(&drawn).len(), known(&server, "Meridian").await["version"].clone()), (7, json!(4)));
        // Deleted meanwhile: what was typed is there to make it anew.
        server.ok("delete_access_group", json!({"access_group": "Meridian"})).await;
        let gone = send(&boss, &place, &with(&drawn, "name", "Anew")).await;
        assert!(gone.status == 404 && gone.html.contains("This group is not there any more"), "{} {}", gone.status, gone.html);
        let anew = form(&gone.html, "/access-groups/new");
        assert_eq!(ticks(&anew).len(), 7);
        assert_eq!(send(&boss, "/access-groups/new", &anew).await.status, 303);
        assert_eq!(known(&server, "Anew").await["permissions"].as_array().map(Vec::len), Some(7));
        assert_eq!(server.verified().await["ok"], true);
    })
    .await;
}

#[tokio::test]
async fn b18_people_are_put_in_by_ticks_that_outlive_a_search_all_or_nobody() {
    on_both(async |engine| {
        let (server, boss) = with_boss(engine).await;
        let place = made(&boss, "support", "Support").await;
        let (add, id) = (format!("{place}/add"), place.rsplit('/').next().expect("an id").to_owned());
        let ana = invited(&server, "ana@example.com", "Ana", "Núñez").await;
        let bo = invited(&server, "bo@example.com", "Bo", "<i>Li</i>").await;
        let found = boss.get(&format!("{add}?query=nunez")).await.html;
        assert!(found.contains("<bdi>Ana Núñez</bdi> (<bdi>ana<wbr>@example.com</bdi>) <span class=\"muted\">· Pending</span>"), "{found}");
        assert!(!found.contains(&bo) && found.contains("1 person<"), "{found}");
        // Enter in the search looks, and adds nobody; what was ticked goes along.
        let looking = with(&with(&ticked(&form(&found, &add), "user", &ana), "query", "bo@"), "do", "search");
        let moved = send(&boss, &add, &looking).await;
        let next = moved.location.expect("a place");
        assert_eq!(next, format!("{add}?query=bo%40&user={ana}"));
        let shown = boss.get(&next).await.html;
        assert!(shown.contains("Ticked before; a search does not take them away.") && shown.contains("Bo &#60;i&#62;Li"), "{shown}");
        assert_eq!(known(&server, "Support").await["member_count"], 0);
        let both = with(&ticked(&form(&shown, &add), "user", &bo), "do", "add");
        assert!(both.contains(&("user".to_owned(), ana.clone())), "{both:?}");
        // Two clicks, and everybody is in once.
        for _ in 0..2 {
            let done = send(&boss, &add, &both).await;
            assert_eq!(done.location.as_deref(), Some(place.as_str()), "{}", done.html);
        }
        let page = boss.get(&place).await;
        assert_eq!(members(&page), ["bo@example.com", "ana@example.com"]);
        assert!(page.html.contains("They are in the group.") && page.html.contains("aria-label=\"Remove Ana Núñez\""), "{}", page.html);
        assert!(page.html.contains(&format!("href=\"/users?access_group={id}\"")), "{}", page.html);
        let event = server.ok("list_audit_events", json!({"action": "access_groups:assign"})).await["events"].clone();
        assert_eq!(event.as_array().map(Vec::len), Some(2), "{event}");
        // Who is in already cannot be ticked.
        let again = boss.get(&add).await.html;
        assert!(again.contains(&format!("value=\"{ana}\" disabled")) && again.contains("already in this group"), "{again}");
        let drawn = form(&again, &add);
        let nobody = send(&boss, &add, &with(&drawn, "do", "add")).await;
        assert!(nobody.status == 422 && nobody.html.contains("Nobody is ticked yet."), "{}", nobody.html);
        // All or nobody: one who is not there keeps the others out, and they stay ticked.
        let cy = invited(&server, "cy@example.com", "Cy", "Ode").await;
        for stranger in ["01990b1c-7e1a-7000-8000-000000000001", "nobody@example.com", "nonsense", "\0"] {
            let seen = send(&boss, &add, &with(&ticked(&ticked(&drawn, "user", &cy), "user", stranger), "do", "add")).await;
            assert!(seen.status == 422 && seen.html.contains("Nobody was added: one of them is not among"), "{stranger}: {}", seen.html);
            assert!(seen.html.contains(&format!("value=\"{cy}\" checked")), "{}", seen.html);
        }
        let many: Vec<_> = (0..101).map(|n| ("user".to_owned(), format!("01990b1c-7e1a-7000-8000-{n:012}"))).collect();
        let seen = send(&boss, &add, &with(&[drawn.clone(), many].concat(), "do", "add")).await;
        assert!(seen.status == 422 && seen.html.contains("At most 100 people are added in one step."), "{}", seen.html);
        assert_eq!(known(&server, "Support").await["member_count"], 2);
        // Out again; the same form from a page of long ago says that it did nothing.
        let remove = format!("{place}/remove");
        let out = with(&form(&boss.get(&place).await.html, &remove), "user", &ana);
        assert_eq!(send(&boss, &remove, &out).await.status, 303);
        assert_eq!(send(&boss, &remove, &out).await.status, 303);
        assert!(boss.get(&place).await.html.contains("They are out of the group."));
        server.ok("add_to_access_group", json!({"users": [ana], "access_groups": [id]})).await;
        assert_eq!(send(&boss, &remove, &out).await.status, 303);
        let page = boss.get(&place).await;
        assert!(page.html.contains("Nothing was done: this form was sent before") && members(&page).len() == 2, "{}", page.html);
        for person in ["01990b1c-7e1a-7000-8000-000000000001", "nonsense"] {
            let seen = send(&boss, &remove, &with(&out, "user", person)).await;
            assert!(seen.status == 422 && seen.html.contains("Nobody was removed"), "{person}: {}", seen.html);
        }
        // Many members are several pages, and removing somebody stays on theirs.
        for n in 0..26 {
            let someone = json!({"email": format!("p{n}@example.com"), "first_name": "P", "last_name": "N", "access_groups": [id]});
            server.ok("invite_user", someone).await;
        }
        let first = boss.get(&place).await;
        let next =
            first.html.split(&format!("href=\"{place}?cursor=")).nth(1).and_then(|rest| rest.split('"').next()).expect("a next page");
        let second = format!("{place}?cursor={next}");
        assert_eq!((members(&first).len(), members(&boss.get(&second).await).len()), (25, 3));
        let out = form(&boss.get(&second).await.html, &remove);
        assert_eq!(send(&boss, &remove, &out).await.location.as_deref(), Some(second.as_str()));
        assert_eq!(members(&boss.get(&format!("{place}?cursor=gone")).await).len(), 25);
    })
    .await;
}

#[tokio::test]
async fn whoever_gives_gives_no_more_than_they_hold_and_is_told_because_of_whom() {
    on_both(async |engine| {
        let (server, boss) = with_boss(engine).await;
        let own = ["users:read", "access_groups:read", "access_groups:create", "access_groups:update", "access_groups:assign"];
        let manager = holder(&server, "manager", &own).await;
        let readers = group(&server, "Readers", &["users:read"]).await;
        let strong = group(&server, "Strong", &["users:read", "billing:update"]).await;
        let (good, _) = server.member("good@example.com", &[]).await;
        let (held, _) = server.member("held@example.com", &["Strong"]).await;
        let chief = server.ok("get_user", json!({"user": "boss@example.com"})).await["user"]["id"].as_str().expect("an id").to_owned();
        let add = format!("/access-groups/{readers}/add");
        let page = manager.get(&add).await.html;
        assert!(
            page.contains(&format!("value=\"{chief}\" disabled")) && page.contains("only Administrators put Administrators into groups")
        );
        let mut all = with(&form(&page, &add), "do", "add");
        for person in [&good, &held, &chief] {
            all = ticked(&all, "user", person);
        }
        let seen = send(&manager, &add, &all).await;
        assert_eq!(seen.status, 422, "{}", seen.html);
        for said in [
            "(<bdi>held<wbr>@example.com</bdi>) would then hold what you do not: billing:update.",
            "(<bdi>boss<wbr>@example.com</bdi>) is an Administrator, whom only Administrators put into groups.",
        ] {
            assert!(seen.html.contains(said), "{said}: {}", seen.html);
        }
        assert!(!seen.html.split("role=\"alert\"").nth(1).and_then(|rest| rest.split("</ul>").next()).expect("why").contains("good"));
        assert_eq!(known(&server, "Readers").await["member_count"], 0);
        // A group that gives more than they hold is closed to them, and its form says so.
        let closed = manager.get(&format!("/access-groups/{strong}/add")).await.html;
        assert!(
            closed.contains("This group gives what you do not hold yourself: billing:update.") && !closed.contains("type=\"checkbox\"")
        );
        let place = format!("/access-groups/{strong}");
        let page = manager.get(&place).await.html;
        assert!(page.contains("as long as it stays, you can add nothing"), "{page}");
        // What they do not hold is greyed, with the reason; what the group has of it they can take away.
        assert!(
            page.contains("value=\"billing:read\" disabled aria-describedby=\"g-closed\"") && page.contains("id=\"g-closed\""),
            "{page}"
        );
        assert!(page.contains("value=\"billing:update\" checked>"), "{page}");
        let drawn = form(&page, &place);
        for wide in [ticked(&drawn, "permission", "billing:read"), ticked(&drawn, "permission", "access_groups:read")] {
            let seen = send(&manager, &place, &wide).await;
            assert!(
                seen.status == 422 && seen.html.contains("It would then give what you do not hold yourself: billing:"),
                "{}",
                seen.html
            );
            assert!(seen.html.contains("id=\"g-perm-e\""), "{}", seen.html);
        }
        let weaker = ticked(&unticked(&drawn, "billing:update"), "permission", "access_groups:read");
        assert_eq!(send(&manager, &place, &weaker).await.status, 303);
        assert_eq!(known(&server, "Strong").await["permissions"], json!(["access_groups:read", "users:read"]));
        // A starting point leaves out what they cannot give, and says so.
        let new = manager.get("/access-groups/new?start=support").await.html;
        assert_eq!(ticks(&form(&new, "/access-groups/new")), ["users:read"]);
        assert!(
            new.contains("Left out, because you do not hold it yourself: dashboard:read, centers:read, customers:read, customers:update.")
        );
        let wide = with(&ticked(&form(&new, "/access-groups/new"), "permission", "customers:read"), "name", "Wide");
        let seen = send(&manager, "/access-groups/new", &wide).await;
        assert!(seen.status == 422 && seen.html.contains("do not hold yourself: customers:read."), "{}", seen.html);
        // Nobody takes an Administrator out who is none.
        server.ok("add_to_access_group", json!({"users": [chief, good], "access_groups": ["Readers"]})).await;
        let place = format!("/access-groups/{readers}");
        let (page, remove) = (manager.get(&place).await.html, format!("{place}/remove"));
        assert_eq!(page.matches(&format!("action=\"{remove}\"")).count(), 1, "{page}");
        let seen = send(&manager, &remove, &with(&form(&page, &remove), "user", &chief)).await;
        assert!(seen.status == 422 && seen.html.contains("only Administrators take Administrators out of groups"), "{}", seen.html);
        // Refusals are evidence, as those of tools are.
        let evidence = async || {
            let events = server.ok("list_audit_events", json!({"outcome": "refused", "user": "manager@example.com"})).await;
            let codes: Vec<_> = events["events"].as_array()?.iter().map(|event| event["code"].clone()).collect();
            (codes.contains(&json!("escalation_forbidden")) && codes.contains(&json!("permission_denied"))).then_some(())
        };
        until("the evidence", evidence).await;
        // Whoever may not see people names one by their address.
        let porter = holder(&server, "porter", &["access_groups:read", "access_groups:assign"]).await;
        let empty = group(&server, "Empty", &[]).await;
        let add = format!("/access-groups/{empty}/add");
        let page = porter.get(&add).await.html;
        assert!(page.contains("name one by their address") && !page.contains("good@"), "{page}");
        let asked = with(&form(&page, &add), "do", "add");
        let seen = send(&porter, &add, &with(&asked, "user", "who@example.com")).await;
        assert!(seen.status == 422 && seen.html.contains("value=\"who@example.com\""), "{}", seen.html);
        let seen = send(&porter, &add, &with(&asked, "user", "held@example.com")).await;
        assert!(seen.status == 422 && seen.html.contains("Nobody was added: this person would then hold what you do not"), "{}", seen.html);
        server.ok("remove_from_access_group", json!({"users": [good], "access_groups": ["Readers"]})).await;
        assert_eq!(send(&porter, &add, &with(&asked, "user", "good@example.com")).await.status, 303);
        assert_eq!(known(&server, "Empty").await["member_count"], 1);
        // An Administrator may do all of it.
        let add = format!("/access-groups/{readers}/add");
        assert_eq!(
            send(&boss, &add, &with(&ticked(&form(&boss.get(&add).await.html, &add), "user", &held), "do", "add")).await.status,
            303
        );
    })
    .await;
}

#[tokio::test]
async fn each_finds_only_what_they_may_do_and_others_find_nothing() {
    on_both(async |engine| {
        let (server, boss) = with_boss(engine).await;
        let place = made(&boss, "blank", "Plain").await;
        let (ana, _) = server.member("ana@example.com", &["Plain"]).await;
        let base = form(&boss.get(&place).await.html, &place);
        let [add, remove, delete] = ["add", "remove", "delete"].map(|word| format!("{place}/{word}"));
        // (permissions, what of: list, new, one, add, delete answers GET; what of: new, one, add, remove, delete takes a form)
        for (name, permissions, reads, takes) in [
            ("nobody", &["users:read"][..], [404; 5], [404; 5]),
            ("looks", &["access_groups:read"], [200, 404, 200, 404, 404], [404; 5]),
            ("makes", &["access_groups:create"], [404, 200, 404, 404, 404], [303, 404, 404, 404, 404]),
            ("edits", &["access_groups:read", "access_groups:update"], [200, 404, 200, 404, 404], [404, 303, 404, 404, 404]),
            ("assigns", &["access_groups:assign"], [404; 5], [404, 404, 303, 303, 404]),
            ("seats", &["access_groups:read", "access_groups:assign"], [200, 404, 200, 200, 404], [404, 404, 303, 303, 404]),
            ("ends", &["access_groups:read", "access_groups:delete"], [200, 404, 200, 404, 200], [404, 404, 404, 404, 303]),
        ] {
            let theirs = holder(&server, name, permissions).await;
            for (path, status) in ["/access-groups", "/access-groups/new", &place, &add, &delete].into_iter().zip(reads) {
                let seen = theirs.get(path).await;
                assert_eq!(seen.status, status, "{name} looks at {path}: {}", seen.html);
                assert!(status == 200 || seen.html.contains("There is nothing at this address"), "{name} {path}");
            }
            let drawn = drawn_for(&theirs.get("/me").await.html);
            let version = known(&server, "Plain").await["version"].to_string();
            let form = with(&with(&with(&base, "as", &drawn), "version", &version), "description", name);
            let forms = [
                ("/access-groups/new", with(&form, "name", &format!("Of {name}"))),
                (&place, form.clone()),
                (&add, with(&with(&form, "user", &ana), "do", "add")),
                (&remove, with(&form, "user", &ana)),
                (&delete, form.clone()),
            ];
            for ((path, form), status) in forms.into_iter().zip(takes) {
                let seen = send(&theirs, path, &form).await;
                assert_eq!(seen.status, status, "{name} sends {path}: {} {:?}", seen.html, seen.location);
            }
            let page = if reads[2] == 200 && name != "ends" { theirs.get(&place).await.html } else { String::new() };
            for (mark, may) in [("Save Changes", name == "edits"), ("Add people", name == "seats"), ("Delete group", false)] {
                assert_eq!(page.contains(mark), may, "{name} {mark}: {page}");
            }
        }
        assert_eq!(server.refused("list_access_groups", json!({"access_group": "Plain"})).await["code"], "access_group_not_found");
        // Whoever may make groups and no more begins there, and hears that it was done.
        let maker = Browser::in_by_password(&server, "makes@example.com").await;
        assert_eq!(maker.get("/").await.location.as_deref(), Some("/access-groups/new"));
        assert_eq!(made(&maker, "blank", "Another").await, "/access-groups/new");
        assert!(maker.get("/access-groups/new").await.html.contains("The group is there"));
        // Whoever saves away what lets them look goes on where they begin.
        let editor = holder(&server, "editor", &["access_groups:read", "access_groups:update", "users:read"]).await;
        let own = format!("/access-groups/{}", known(&server, "editor").await["id"].as_str().expect("an id"));
        let less = unticked(&form(&editor.get(&own).await.html, &own), "access_groups:read");
        assert_eq!(send(&editor, &own, &less).await.location.as_deref(), Some("/"));
        // Another organization's groups are nothing, to look at and to send to (B06).
        let second = second_organization(&server).await;
        let theirs = signed_in_at(&server, &second, "ana@example.com").await;
        let foreign = made(&theirs, "support", "Theirs").await;
        let drawn = drawn_for(&boss.get("/access-groups").await.html);
        for id in
            [foreign.as_str(), "/access-groups/01990b1c-7e1a-7000-8000-000000000001", "/access-groups/not-an-id", "/access-groups/%00"]
        {
            for path in [id.to_owned(), format!("{id}/add"), format!("{id}/delete")] {
                assert_eq!(boss.get(&path).await.status, 404, "{path}");
            }
            for path in [id.to_owned(), format!("{id}/add"), format!("{id}/remove"), format!("{id}/delete")] {
                let form = [("as", drawn.as_str()), ("name", "X"), ("version", "1"), ("user", &ana), ("do", "add")];
                assert_eq!(boss.post(&path, &form).await.status, 404, "{path}");
            }
        }
        let page = theirs.get(&foreign).await.html;
        assert!(page.contains("<bdi>Theirs</bdi>") && !boss.get("/access-groups").await.html.contains("Theirs"));
        assert_eq!(Browser::of(&server).get("/access-groups").await.location.as_deref(), Some("/sign-in"));
    })
    .await;
}

#[tokio::test]
async fn whoever_deletes_a_group_is_told_first_who_loses_what_and_what_remains() {
    on_both(async |engine| {
        let (server, boss) = with_boss(engine).await;
        let place = made(&boss, "support", "Support").await;
        group(&server, "Readers", &["users:read", "billing:read"]).await;
        group(&server, "Twin", &["users:read", "dashboard:read", "centers:read", "customers:read", "customers:update"]).await;
        let (_, token) = server.member("kim@example.com", &["Support"]).await;
        for (email, first, groups) in [
            ("a@example.com", "Old", json!(["Support"])),
            ("b@example.com", "Twin", json!(["Support", "Twin"])),
            ("c@example.com", "Reader", json!(["Support", "Readers"])),
            ("d@example.com", "<b>Gone", json!(["Support"])),
        ] {
            server.ok("invite_user", json!({"email": email, "first_name": first, "last_name": "Person", "access_groups": groups})).await;
        }
        server.ok("add_to_access_group", json!({"users": ["boss@example.com"], "access_groups": ["Support"]})).await;
        let delete = format!("{place}/delete");
        let page = boss.get(&delete).await.html;
        for said in [
            "6 people are in it. What it gives them ends the moment you confirm:",
            "<b><bdi>&#60;b&#62;Gone Person</bdi></b> loses all 5, and is left with nothing once they join.",
            "<b><bdi>Reader Person</bdi></b> loses 4 of 5 (centers:read, customers:read, customers:update, dashboard:read), and keeps 2 permissions of other groups once they join.",
            "<b><bdi>Twin Person</bdi></b> loses nothing: other groups give all of it, too.",
            "<b><bdi>Test Person</bdi></b> loses all 5, and is left with nothing.",
            "and 1 more",
            "It gives 5: <code>centers:read</code>",
        ] {
            assert!(page.contains(said), "{said}: {page}");
        }
        // The way out comes first.
        assert!(page.find("Keep group").expect("a way out") < page.find("<button class=\"btn danger primary\"").expect("a button"), "{page}");
        assert_eq!(known(&server, "Support").await["member_count"], 6, "looking changes nothing");
        let filled = form(&page, &delete);
        let wrong = send(&boss, &delete, &with(&filled, "reason", "no\u{7}line")).await;
        assert!(wrong.status == 422 && wrong.html.contains("id=\"del-r-e\"") && !wrong.html.contains('`'), "{}", wrong.html);
        // Two clicks are one end.
        let sure = with(&filled, "reason", "The team is gone");
        for _ in 0..2 {
            let done = send(&boss, &delete, &sure).await;
            assert_eq!((done.status, done.location.as_deref()), (303, Some("/access-groups")), "{}", done.html);
        }
        let list = boss.get("/access-groups").await.html;
        assert!(list.contains("The group is gone, and with it what it gave.") && !list.contains("<bdi>Support</bdi>"), "{list}");
        assert_eq!(server.call(&token, "list_users", json!({})).await.error()["code"], "permission_denied", "from the next call on");
        let event = server.ok("list_audit_events", json!({"action": "access_groups:delete"})).await["events"].clone();
        assert_eq!(event.as_array().map(Vec::len), Some(1), "{event}");
        assert_eq!((&event[0]["reason"], &event[0]["surface"]), (&json!("The team is gone"), &json!("web")), "{event}");
        assert_eq!(boss.get(&place).await.status, 404);
        // Without a reason, and to whom people are not shown: the number alone.
        let ender = holder(&server, "ender", &["access_groups:read", "access_groups:delete"]).await;
        let twin = format!("/access-groups/{}/delete", known(&server, "Twin").await["id"].as_str().expect("an id"));
        let page = ender.get(&twin).await.html;
        assert!(page.contains("1 person is in it. What it gives them ends the moment you confirm.") && !page.contains("Twin Person"), "{page}");
        assert_eq!(send(&ender, &twin, &form(&page, &twin)).await.status, 303);
        assert_eq!(server.verified().await["ok"], true);
    })
    .await;
}

#[tokio::test]
async fn a_group_past_those_that_a_form_offers_is_reached_from_its_own_page() {
    on_both(async |engine| {
        let (server, boss) = with_boss(engine).await;
        for n in 0..101 {
            group(&server, &format!("Team {n}"), &[]).await;
        }
        let last = known(&server, "Team 100").await["id"].as_str().expect("an id").to_owned();
        assert!(!boss.get("/users/invite").await.html.contains(&last), "a form offers the first hundred");
        let page = boss.get(&format!("/access-groups/{last}")).await.html;
        let link = format!("/users/invite?access_group={last}");
        assert!(page.contains(&format!("href=\"{link}\">Invite somebody into it")), "{page}");
        let invite = form(&boss.get(&link).await.html, "/users/invite");
        assert!(invite.contains(&("access_group".to_owned(), last.clone())), "{invite:?}");
        let filled = with(&with(&with(&invite, "first_name", "Ana"), "last_name", "Ruiz"), "do", "invite");
        // What is wrong elsewhere in the form leaves it ticked.
        let wrong = send(&boss, "/users/invite", &with(&filled, "email", "no address")).await;
        assert!(wrong.status == 422 && wrong.html.contains(&format!("value=\"{last}\" checked")), "{}", wrong.html);
        assert_eq!(send(&boss, "/users/invite", &with(&filled, "email", "ana@example.com")).await.status, 303);
        assert_eq!(members(&boss.get(&format!("/access-groups/{last}")).await), ["ana@example.com"]);
        // The roster is narrowed to it by the link from its page, too.
        let roster = boss.get(&format!("/users?access_group={last}")).await;
        assert!(
            roster.status == 200 && roster.html.contains("Team 100") && roster.html.contains("ana<wbr>@example.com"),
            "{}",
            roster.html
        );
        for odd in ["gone", "01990b1c-7e1a-7000-8000-000000000001", "%00"] {
            assert_eq!(boss.get(&format!("/users/invite?access_group={odd}")).await.status, 200, "{odd}");
        }
    })
    .await;
}

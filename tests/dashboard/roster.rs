//! The roster's orders, its pages in both directions, who was not seen for long, and the file to take away.

use super::{group, invited, listed, rows, with_boss};
use crate::{
    common::{Server, database::Connection, on_both},
    search::{
        roster::{Person, filler},
        seed,
    },
    signing_in::{Browser, Seen, drawn_for},
};
use serde_json::json;
use std::collections::BTreeSet;

/// Where a page's link leads.
pub fn link(seen: &Seen, rel: &str) -> Option<String> {
    let before = seen.html.split(&format!("\" rel=\"{rel}\"")).next().filter(|before| before.len() < seen.html.len())?;
    Some(before.rsplit("href=\"").next()?.replace("&#38;", "&"))
}

/// What a page says of which people it shows.
fn range(seen: &Seen) -> String {
    seen.html.split("<div class=\"pager\"><span>").nth(1).and_then(|rest| rest.split('<').next()).expect("a range").to_owned()
}

/// All pages of a list from the first on; each is shown again by going back.
async fn there_and_back(browser: &Browser, list: &str) -> Vec<Vec<String>> {
    let mut pages = vec![browser.get(list).await];
    assert_eq!(link(&pages[0], "prev"), None, "{list}");
    while let Some(next) = link(pages.last().expect("a page"), "next") {
        pages.push(browser.get(&next).await);
        assert!(pages.len() < 100, "{list} never ends");
    }
    let mut back = link(pages.last().expect("a page"), "prev");
    for page in pages.iter().rev().skip(1) {
        let seen = browser.get(&back.expect("a page before")).await;
        assert_eq!((listed(&seen), range(&seen)), (listed(page), range(page)), "{list}");
        back = link(&seen, "prev");
    }
    assert_eq!(back, None, "{list} begins with its first page");
    pages.iter().map(listed).collect()
}

async fn seeded(server: &Server, people: &[Person]) {
    let connection = Connection::to(server).await;
    seed::people(&connection, seed::number(&connection, &server.org).await, people).await;
    connection.close().await;
}

async fn seen_ago(server: &Server, email: &str, days: i64) {
    let sql = format!("UPDATE users SET last_seen_at = created_at - {days} * CAST(86400000 AS BIGINT) WHERE email_key = '{email}'");
    assert!(server.tamper(&sql).await);
}

#[tokio::test]
async fn the_roster_sorts_by_its_columns_and_says_by_which() {
    on_both(async |engine| {
        let (server, boss) = with_boss(engine).await;
        for (email, first, last) in [("c@x.example", "Ärne", "Z"), ("a@x.example", "zoe", "A"), ("b@x.example", "Bo", "Z")] {
            invited(&server, email, first, last).await;
        }
        seen_ago(&server, "a@x.example", 3).await;
        seen_ago(&server, "c@x.example", 40).await;
        let at = async |query: &str| listed(&boss.get(&format!("/users?query=x.example&{query}")).await);
        assert_eq!(at("sort=name").await, ["c@x.example", "b@x.example", "a@x.example"], "folded: Ä is an A");
        assert_eq!(at("sort=-name").await, ["a@x.example", "b@x.example", "c@x.example"]);
        assert_eq!(at("sort=email").await, ["a@x.example", "b@x.example", "c@x.example"]);
        assert_eq!(at("sort=-email").await, ["c@x.example", "b@x.example", "a@x.example"]);
        assert_eq!(at("sort=created").await, ["c@x.example", "a@x.example", "b@x.example"]);
        assert_eq!(at("sort=last_seen").await, ["b@x.example", "c@x.example", "a@x.example"], "never is longest ago");
        assert_eq!(at("sort=-last_seen").await, ["a@x.example", "c@x.example", "b@x.example"]);
        for usual in ["", "sort=-created", "sort=whatever", "sort=--name"] {
            assert_eq!(at(usual).await, ["b@x.example", "a@x.example", "c@x.example"], "{usual}");
        }
        let page = boss.get("/users?sort=name&status=pending").await;
        assert_eq!(page.html.matches("aria-sort=").count(), 1, "{}", page.html);
        let heading = "aria-sort=\"ascending\"><a href=\"/users?status=pending&#38;sort=-name\">Name";
        assert!(page.html.contains(heading) && page.html.contains("3 in all, by name"), "{}", page.html);
        // The order stands in every link and form of the list.
        assert!(page.html.contains("<input type=\"hidden\" name=\"sort\" value=\"name\">"), "{}", page.html);
        assert!(page.html.contains("href=\"/users?status=active&#38;sort=name\">Active"), "{}", page.html);
        assert!(page.html.contains("href=\"/users?status=pending\">Created"), "newest first is the order without a word: {}", page.html);
    })
    .await;
}

#[tokio::test]
async fn pages_go_back_as_they_went_in_every_order() {
    on_both(async |engine| {
        let (server, boss) = with_boss(engine).await;
        let mut people: Vec<_> = (0..118).map(filler).collect();
        people[3] = Person::new("Wren", "Twice", "wren1@x.example");
        people[4] = Person::new("Wren", "Twice", "wren2@x.example");
        seeded(&server, &people).await;
        for (n, person) in people.iter().enumerate().filter(|(n, _)| n % 3 == 0) {
            seen_ago(&server, &person.email, i64::try_from(n / 9).expect("a number")).await;
        }
        let everybody = 120;
        for sort in ["-created", "created", "name", "-name", "email", "-email", "last_seen", "-last_seen"] {
            for filter in ["", "&status=pending", "&query=e", "&last_seen=never&role=User"] {
                let list = format!("/users?sort={sort}{filter}");
                let pages = there_and_back(&boss, &list).await;
                let all: Vec<_> = pages.concat();
                assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "{list}: everybody once");
                assert!(pages.iter().rev().skip(1).all(|page| page.len() == 50), "{list}");
                let expected = match filter {
                    "" => everybody,
                    "&status=pending" => everybody - 2,
                    _ => all.len(),
                };
                assert_eq!(all.len(), expected, "{list}");
                if sort.ends_with("email") {
                    let mut sorted = all.clone();
                    sorted.sort();
                    if sort.starts_with('-') {
                        sorted.reverse();
                    }
                    assert_eq!(all, sorted, "{list}");
                }
            }
        }
        let second = boss.get(&link(&boss.get("/users?sort=name").await, "next").expect("a page")).await;
        assert_eq!(range(&second), "51–100 of 120, by name");
        // Whoever is invited meanwhile moves nobody; back at the beginning they are there.
        invited(&server, "aaa@x.example", "Aaa", "Aaa").await;
        let back = boss.get(&link(&second, "prev").expect("a page")).await;
        assert_eq!(listed(&back).len(), 50);
        let start = boss.get(&link(&back, "prev").expect("whoever came first")).await;
        assert_eq!((listed(&start)[0].as_str(), listed(&start).len(), link(&start, "prev")), ("aaa@x.example", 50, None));
        // A cursor is of one list, one order and one person.
        let next = link(&second, "next").expect("a page");
        for (other, clean) in [
            (next.replace("sort=name", "sort=email"), "/users?sort=email"),
            (next.replace("sort=name", "sort=-name"), "/users?sort=-name"),
            (next.replace("sort=name", "sort=name&status=pending"), "/users?status=pending&sort=name"),
        ] {
            assert_eq!(boss.get(&other).await.location.as_deref(), Some(clean));
        }
        server.administrator("other@example.com").await;
        let other = Browser::in_by_password(&server, "other@example.com").await;
        assert_eq!(other.get(&next).await.location.as_deref(), Some("/users?sort=name"));
    })
    .await;
}

#[tokio::test]
async fn a_large_roster_is_found_whole_in_every_order_however_many_match() {
    on_both(async |engine| {
        let (server, boss) = with_boss(engine).await;
        group(&server, "Support", &[]).await;
        let people: Vec<_> = (0..1300).map(filler).collect();
        seeded(&server, &people).await;
        let wide = "INSERT INTO group_members (group_key, user_key, added_at)
                    SELECT g.key, u.key, u.created_at FROM access_groups g, users u WHERE u.email_key LIKE '%filler.example'";
        assert!(server.tamper(wide).await);
        assert!(server.tamper("UPDATE access_groups SET members = 1300").await);
        assert!(server.tamper("UPDATE users SET last_seen_at = created_at WHERE key % 100 = 7").await);
        for filter in ["query=filler.example", "query=an", "query=novak-9", "access_group=Support", "last_seen=never", "role=Administrator"]
        {
            let mut found = Vec::new();
            for sort in ["name", "-last_seen"] {
                let list = format!("/users?{filter}&sort={sort}");
                let mut page = boss.get(&list).await;
                let mut all = listed(&page);
                while let Some(next) = link(&page, "next") {
                    page = boss.get(&next).await;
                    all.extend(listed(&page));
                }
                assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "{list}: everybody once");
                found.push(all.into_iter().collect::<BTreeSet<_>>());
            }
            assert_eq!(found[0], found[1], "{filter}");
            let fits = |person: &&Person| match filter {
                "query=an" => format!("{} {} {}", person.first, person.last, person.email).to_lowercase().contains("an"),
                "query=novak-9" => person.last.starts_with("Novak-9"),
                "role=Administrator" => person.role == "Administrator",
                _ => true,
            };
            let expected = people.iter().filter(fits).count();
            let also = found[0].iter().filter(|email| !email.ends_with("filler.example")).count();
            let unseen = if filter == "last_seen=never" { 13 } else { 0 };
            assert_eq!(found[0].len() - also, expected - unseen, "{filter}");
        }
        assert_eq!(range(&boss.get("/users?query=filler.example&sort=name").await), "1–50 of more than 1,000, by name");
        assert_eq!(range(&boss.get("/users?sort=name").await), "1–50 of 1,302, by name");
    })
    .await;
}

#[tokio::test]
async fn a_filter_that_many_fit_fills_its_pages_wherever_they_stand() {
    on_both(async |engine| {
        let (server, boss) = with_boss(engine).await;
        group(&server, "Early", &[]).await;
        let early = |n| Person::new("Qzed", &format!("Early-{n}"), &format!("zed.{n}@early.example"));
        // They came first, and so stand behind all the others where the newest do not.
        let people: Vec<_> = (0..1100).map(early).chain((0..4500).map(filler)).collect();
        seeded(&server, &people).await;
        let members = "INSERT INTO group_members (group_key, user_key, added_at)
                       SELECT g.key, u.key, u.created_at FROM access_groups g, users u WHERE u.email_key LIKE '%early.example'";
        assert!(server.tamper(members).await);
        assert!(server.tamper("UPDATE access_groups SET members = 1100").await);
        for (filter, total) in [
            ("query=early.example", "more than 1,000"),
            ("query=qz", "more than 1,000"),
            ("access_group=Early", "1,100"),
            ("query=zed&access_group=Early&role=User", "more than 1,000"),
        ] {
            for sort in ["-created", "created", "name", "-name", "email", "-email", "last_seen", "-last_seen"] {
                let list = format!("/users?{filter}&sort={sort}");
                let first = boss.get(&list).await;
                assert!(range(&first).starts_with(&format!("1–50 of {total}, ")), "{list}: {}", range(&first));
                let second = boss.get(&link(&first, "next").expect("a page")).await;
                for page in [&first, &second] {
                    let found = listed(page);
                    assert!(found.len() == 50 && found.iter().all(|email| email.ends_with("early.example")), "{list}: {found:?}");
                }
                let back = boss.get(&link(&second, "prev").expect("the page before")).await;
                assert_eq!((listed(&back), link(&back, "prev")), (listed(&first), None), "{list}");
            }
        }
        // After the last of them nobody is promised.
        for list in ["/users?query=early.example&sort=email", "/users?access_group=Early"] {
            let all = there_and_back(&boss, list).await.concat();
            assert_eq!((all.len(), all.iter().collect::<BTreeSet<_>>().len()), (1100, 1100), "{list}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_page_whose_people_are_gone_is_the_one_before_it_and_loses_nobody() {
    on_both(async |engine| {
        for filter in ["status=pending", "status=pending&query=filler.example"] {
            let (server, boss) = with_boss(engine).await;
            seeded(&server, &(0..118).map(filler).collect::<Vec<_>>()).await;
            let second = boss.get(&link(&boss.get(&format!("/users?{filter}&sort=email")).await, "next").expect("a page")).await;
            let next = link(&second, "next").expect("a page");
            for email in listed(&boss.get(&next).await) {
                assert!(server.tamper(&format!("UPDATE users SET status = 'deactivated' WHERE email_key = '{email}'")).await);
            }
            let gone = boss.get(&next).await;
            let last = boss.get(&gone.location.expect("another page")).await;
            assert_eq!((listed(&last), listed(&last).len()), (listed(&second), 50), "{filter}");
        }
    })
    .await;
}

#[tokio::test]
async fn whoever_was_not_seen_for_long_is_found() {
    on_both(async |engine| {
        let (server, boss) = with_boss(engine).await;
        for (email, days) in [("now@x.example", 1), ("month@x.example", 40), ("quarter@x.example", 100)] {
            invited(&server, email, "A", "B").await;
            seen_ago(&server, email, days).await;
        }
        invited(&server, "never@x.example", "A", "B").await;
        let at = async |query: &str| listed(&boss.get(&format!("/users?query=x.example&{query}")).await);
        assert_eq!(at("last_seen=30d").await, ["quarter@x.example", "month@x.example"]);
        assert_eq!(at("last_seen=90d").await, ["quarter@x.example"]);
        assert_eq!(at("last_seen=never").await, ["never@x.example"]);
        assert_eq!(at("last_seen=whatever").await.len(), 4);
        let page = boss.get("/users?query=x.example&sort=email").await;
        assert!(rows(&page)[1].ends_with("– never seen") && rows(&page)[2].ends_with("Last seen Yesterday"), "{:?}", rows(&page));
        let none = boss.get("/users?last_seen=90d&status=active").await;
        assert!(none.html.contains("You are looking only at Active people who were last seen over 90 days ago."), "{}", none.html);
        assert!(none.html.contains("Last seen: over 90 days ago") && none.html.contains("Clear filters"), "{}", none.html);
    })
    .await;
}

/// The lines of a file, each as its cells.
fn cells(text: &str) -> Vec<Vec<String>> {
    let line = |line: &str| {
        let inside = line.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).expect("every cell is quoted");
        inside.split("\",\"").map(|cell| cell.replace("\"\"", "\"")).collect()
    };
    text.trim_start_matches('\u{feff}').split_terminator("\r\n").map(line).collect()
}

#[tokio::test]
async fn r_b86_the_roster_is_taken_away_as_a_file_that_no_spreadsheet_runs() {
    on_both(async |engine| {
        let (server, boss) = with_boss(engine).await;
        let support = group(&server, "=Support", &[]).await;
        for (n, first) in ["=HYPERLINK(\"A1\")", "+1", "-2+3", "@SUM(1)", "＝1"].into_iter().enumerate() {
            let email = format!("f{n}@x.example");
            server.ok("invite_user", json!({"email": email, "first_name": first, "last_name": "Ruiz", "access_groups": [support]})).await;
        }
        seeded(&server, &(0..520).map(filler).collect::<Vec<_>>()).await;
        let page = boss.get("/users?query=x.example&sort=email").await;
        assert!(page.html.contains("name=\"list\" value=\"query=x.example&#38;sort=email\""), "{}", page.html);
        let drawn = drawn_for(&page.html);
        let take = async |list: &str| boss.take("/users/export", &[("as", &drawn), ("list", list)]).await;
        let file = take("query=x.example&sort=email").await;
        let header = |name: &str| file.headers()[name].to_str().expect("text").to_owned();
        assert_eq!((file.status().as_u16(), header("cache-control").as_str()), (200, "no-store"));
        assert!(header("content-type").starts_with("text/csv") && header("x-content-type-options") == "nosniff");
        let name = header("content-disposition");
        assert!(name.starts_with(&format!("attachment; filename=\"users-{}-2", server.org)) && name.ends_with(".csv\""), "{name}");
        let text = file.text().await.expect("a file");
        let lines = cells(&text);
        assert_eq!(lines[0][..8], ["id", "email", "first_name", "last_name", "role", "status", "slack_id", "access_groups"]);
        let names: Vec<_> = lines[1..].iter().map(|line| line[2].as_str()).collect();
        assert_eq!(names, ["'=HYPERLINK(\"A1\")", "'+1", "'-2+3", "'@SUM(1)", "'＝1"]);
        assert_eq!((lines[1][1].as_str(), lines[1][5].as_str(), lines[1][7].as_str()), ("f0@x.example", "pending", "'=Support"));
        // The whole roster, part by part, in the order asked for, each once.
        let whole = cells(&take("sort=email").await.text().await.expect("a file"));
        let emails: Vec<_> = whole[1..].iter().map(|line| line[1].clone()).collect();
        assert_eq!(emails.len(), 527);
        assert!(emails.is_sorted() && emails.iter().collect::<BTreeSet<_>>().len() == 527);
        // Each is in the log, with what it was narrowed to; of the search only that there was one.
        let events = server.ok("list_audit_events", json!({"action": "users:exported"})).await["events"].clone();
        assert_eq!(events.as_array().map(Vec::len), Some(2), "{events}");
        assert_eq!((&events[1]["actor"]["name"], &events[1]["surface"]), (&json!("Test Person"), &json!("web")));
        assert_eq!(events[1]["changes"][0], json!({"field": "searched", "before": null, "after": "yes"}));
        assert!(!events.to_string().contains("x.example"), "{events}");
        assert_eq!(server.verified().await["ok"], true);
        // Nothing happens by following a link, and nothing is there for whoever may not see the roster.
        assert_eq!(boss.get("/users/export").await.location.as_deref(), Some("/users"), "a link exports nothing");
        server.member("kim@example.com", &[]).await;
        let kim = Browser::in_by_password(&server, "kim@example.com").await;
        let drawn = drawn_for(&kim.get("/").await.html);
        assert_eq!(kim.post("/users/export", &[("as", &drawn)]).await.status, 404);
        // Whoever may not know of groups gets the file without them.
        group(&server, "Readers", &["users:read"]).await;
        server.ok("add_to_access_group", json!({"users": ["kim@example.com"], "access_groups": ["Readers"]})).await;
        let file = kim.take("/users/export", &[("as", &drawn), ("list", "query=x.example&access_group=Readers")]).await;
        let lines = cells(&file.text().await.expect("a file"));
        assert!(lines.len() == 6 && lines[1..].iter().all(|line| line[7].is_empty()), "{lines:?}");
    })
    .await;
}

#[tokio::test]
async fn b11_sending_an_invite_again_comes_back_to_the_same_page_of_the_same_list() {
    on_both(async |engine| {
        let (server, boss) = with_boss(engine).await;
        seeded(&server, &(0..60).map(filler).collect::<Vec<_>>()).await;
        assert!(server.tamper("UPDATE links SET sent_at = sent_at - 604801000, expires_at = expires_at - 604801000").await);
        let second = link(&boss.get("/users?status=pending&sort=name").await, "next").expect("a page");
        let page = boss.get(&second).await;
        let id = page.html.split("action=\"/users/").nth(2).and_then(|rest| rest.split('/').next()).expect("an id").to_owned();
        let words = page.html.split("name=\"list\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a list");
        let list = words.replace("&#38;", "&");
        assert_eq!(format!("/users?{list}"), second);
        let drawn = drawn_for(&page.html);
        let resend = format!("/users/{id}/resend");
        let done = boss.post(&resend, &[("as", &drawn), ("list", &list)]).await;
        assert_eq!((done.status, done.location.as_deref()), (303, Some(second.as_str())), "{}", done.html);
        let again = boss.get(&second).await;
        assert_eq!(listed(&again), listed(&page));
        // Closing what is said leads to this page, too.
        let close = format!("<a href=\"{}\" aria-label=\"Dismiss\">", second.replace('&', "&#38;"));
        assert!(again.html.contains(&close), "{}", again.html);
        // What cannot be done is said on that list; its address loaded again is the roster.
        server.ok("deactivate_user", json!({"user": id})).await;
        let late = boss.post(&resend, &[("as", &drawn), ("list", "status=active")]).await;
        assert!(late.status == 422 && late.html.contains("They are deactivated meanwhile"), "{}", late.html);
        assert!(late.html.contains("href=\"/users?status=active\" aria-current=\"true\""), "{}", late.html);
        assert_eq!(boss.get(&resend).await.location.as_deref(), Some("/users"));
        // A list of elsewhere is none.
        let odd = boss.post(&resend, &[("as", &drawn), ("list", "//evil.example/?status=x")]).await;
        assert!(odd.status == 422 && !odd.html.contains("evil.example"), "{}", odd.html);
    })
    .await;
}

//! Page by page: everybody once, in one order.

use super::{
    roster::{Person, Roster, SMALL, filler, walk},
    seed,
};
use crate::common::{Engine, Server, database::Connection, on_both};
use serde_json::{Value, json};
use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::task::JoinSet;

#[tokio::test]
async fn r_b79_pages_show_everybody_once_while_people_come_and_change() {
    on_both(async |engine| {
        for people in [250, SMALL + 50] {
            let server = Server::quickstart(engine).await;
            let connection = Connection::to(&server).await;
            // All of one moment, so that a time alone would order nothing.
            seed::people(&connection, 1, &(0..people).map(filler).collect::<Vec<_>>()).await;
            connection.close().await;
            let token = server.token.clone();
            let searches = [json!({}), json!({"query": "filler.example"}), json!({"query": "@", "status": "pending"})];
            for (round, arguments) in searches.into_iter().enumerate() {
                let before = walk(&server, &token, &arguments, 100).await.emails;
                let over = Arc::new(AtomicBool::new(false));
                let mut others = JoinSet::new();
                // People come, are renamed, and are seen, while somebody reads page by page.
                for worker in 0..4 {
                    let over = Arc::clone(&over);
                    let arguments = |n: usize| {
                        let email = format!("new.{round}.{worker}.{n}@filler.example");
                        [
                            ("invite_user", json!({"email": email, "first_name": "Newly", "last_name": "Come"})),
                            (
                                "update_user",
                                json!({"user": filler((worker * 40 + n) % people).email, "first_name": format!("Renamed{round}")}),
                            ),
                            ("whoami", json!({})),
                        ]
                    };
                    let calls: Vec<_> =
                        (0..40).flat_map(arguments).map(|(tool, arguments)| server.request(&token, tool, &arguments)).collect();
                    others.spawn(async move {
                        for call in calls {
                            if over.load(Ordering::Relaxed) {
                                break;
                            }
                            call.await.structured();
                        }
                    });
                }
                let during = walk(&server, &token, &arguments, 31).await;
                over.store(true, Ordering::Relaxed);
                while let Some(worker) = others.join_next().await {
                    worker.expect("its calls go through");
                }
                let mut times: HashMap<&str, usize> = HashMap::new();
                for email in &during.emails {
                    *times.entry(email).or_default() += 1;
                }
                for email in &before {
                    assert_eq!(times.get(email.as_str()), Some(&1), "{email} with {arguments} among {people}");
                }
                assert!(times.values().all(|times| *times == 1), "{arguments} among {people}");
                // And in one order.
                let old: BTreeSet<&String> = before.iter().collect();
                let kept: Vec<&String> = during.emails.iter().filter(|email| old.contains(email)).collect();
                assert_eq!(kept, before.iter().collect::<Vec<_>>(), "{arguments} among {people}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn r_b80_people_who_were_never_seen_have_their_place_on_either_database() {
    let mut orders = Vec::new();
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let server = Server::quickstart(engine).await;
        let mut expected = vec!["admin@example.com".to_owned()];
        for n in 0..30 {
            let email = format!("p{n}@example.com");
            if n % 10 == 5 {
                let (_, token) = server.member(&email, &[]).await;
                server.call(&token, "whoami", json!({})).await.structured();
            } else {
                server.ok("invite_user", json!({"email": email, "first_name": "P", "last_name": "Erson"})).await;
            }
            expected.insert(0, email);
        }
        server.ok("deactivate_user", json!({"user": "p7@example.com"})).await;
        for (arguments, limit) in [(json!({}), 7), (json!({"query": "erson"}), 7), (json!({"query": "p"}), 100)] {
            let found = walk(&server, &server.token, &arguments, limit).await.emails;
            // The Administrator's name and address have another end.
            let named = |email: &&String| arguments["query"] != "erson" || *email != "admin@example.com";
            let expected: Vec<&String> = expected.iter().filter(named).collect();
            assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{arguments}");
        }
        orders.push(walk(&server, &server.token, &json!({}), 100).await.emails);
    }
    assert_eq!(orders[0], orders[1]);
}

#[tokio::test]
async fn r_b82_more_than_the_bounds_is_refused_in_words_and_what_is_within_works() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        let connection = Connection::to(&server).await;
        // More than the thousand that SQLite long took parameters; where the run is long, than what either engine takes.
        let many = if std::env::var_os("USHER_TEST_LONG").is_some() { 40_000 } else { 1100 };
        let people: Vec<Person> = (0..many).map(filler).collect();
        seed::people(&connection, 1, &people).await;
        connection.close().await;
        let all = walk(&server, &server.token, &json!({}), 100).await;
        assert_eq!(all.emails.iter().collect::<BTreeSet<_>>().len(), many + 1);
        assert!(all.totals.iter().all(|total| *total == (many + 1, true)));
        server.ok("create_access_group", json!({"name": "All", "permissions": ["users:read"]})).await;
        let emails: Vec<&str> = people.iter().map(|person| person.email.as_str()).collect();
        let over = server.refused("add_to_access_group", json!({"users": emails[..101], "access_groups": ["All"]})).await;
        assert_eq!((&over["code"], &over["field"]), (&json!("invalid_argument"), &json!("users")));
        assert!(over["message"].as_str().expect("words").contains("100"), "{over}");
        let groups: Vec<String> = (1..11).map(|n| format!("Group {n}")).collect();
        for name in &groups {
            server.ok("create_access_group", json!({"name": name})).await;
        }
        let all: Vec<&str> = std::iter::once("All").chain(groups.iter().map(String::as_str)).collect();
        // Eleven hundred memberships in one call, and as many taken away.
        let added = server.ok("add_to_access_group", json!({"users": emails[..100], "access_groups": all})).await;
        assert_eq!(added["users"].as_array().map(Vec::len), Some(100));
        let listed = server.ok("list_access_groups", json!({"limit": 100})).await;
        assert!(listed["access_groups"].as_array().expect("groups").iter().all(|group| group["member_count"] == 100), "{listed}");
        server.ok("remove_from_access_group", json!({"users": emails[..100], "access_groups": groups})).await;
        let page = server.ok("list_users", json!({"access_group": "All", "limit": 100})).await;
        assert_eq!((&page["total"], page["users"].as_array().map(Vec::len)), (&json!(100), Some(100)));
        assert!(page["users"].as_array().expect("users").iter().all(|user| user["access_groups"][0]["name"] == "All"));
    })
    .await;
}

/// What a cursor is refused with.
fn refused(answer: &crate::common::Answer) {
    let error = answer.error();
    assert_eq!((&error["code"], &error["field"]), (&json!("invalid_argument"), &json!("cursor")), "{error}");
}

#[tokio::test]
async fn requirement_16_a_cursor_goes_on_with_its_own_list_only() {
    on_both(async |engine| {
        let roster = Roster::new(engine, 40).await;
        let server = &roster.server;
        let token = &roster.many.token;
        let ask = async |token: &str, tool: &str, arguments: Value| server.call(token, tool, arguments).await;
        let first = ask(token, "list_users", json!({"query": "example", "limit": 5})).await.structured();
        let cursor = first["next_cursor"].as_str().expect("a cursor").to_owned();
        assert!(cursor.len() <= 512);
        // The same question goes on, whatever the page size and the case of the letters.
        let next = ask(token, "list_users", json!({"query": "EXAMPLE ", "limit": 7, "cursor": cursor})).await.structured();
        assert_eq!(next["users"].as_array().map(Vec::len), Some(7));

        // Another filter, tool or organization.
        for arguments in [
            json!({"cursor": cursor}),
            json!({"query": "exampl", "cursor": cursor}),
            json!({"query": "example", "status": "pending", "cursor": cursor}),
            json!({"query": "example", "role": "User", "cursor": cursor}),
            json!({"query": "example", "access_group": "Support", "cursor": cursor}),
            json!({"query": "example", "invite_expired": false, "cursor": cursor}),
        ] {
            refused(&ask(token, "list_users", arguments).await);
        }
        refused(&ask(token, "list_access_groups", json!({"query": "example", "cursor": cursor})).await);
        refused(&ask(token, "list_audit_events", json!({"cursor": cursor})).await);
        refused(&ask(&roster.few.token, "list_users", json!({"query": "example", "cursor": cursor})).await);
        // Another person of the same organization.
        let made = server.cli(&["org", "list", "--json"]).await;
        assert_eq!(made.as_array().map(Vec::len), Some(2));
        let (_, other) = server.administrator("second@example.com").await;
        ask(&other, "list_users", json!({"query": "example"})).await.structured();
        refused(&ask(&other, "list_users", json!({"query": "example", "cursor": cursor})).await);
        // One's own other token is oneself.
        let own = server.token_for("admin@example.com", &[]).await;
        ask(&own, "list_users", json!({"query": "example", "cursor": cursor})).await.structured();

        // Altered ones.
        let middle = cursor.len() / 2;
        let altered = format!("{}{}{}", &cursor[..middle], if &cursor[middle..=middle] == "A" { "B" } else { "A" }, &cursor[middle + 1..]);
        for wrong in [altered.as_str(), &cursor[1..], &cursor[..cursor.len() - 1], "AAAA", "0", "%00", "../../x"] {
            refused(&ask(token, "list_users", json!({"query": "example", "cursor": wrong})).await);
        }
    })
    .await;
}

#[tokio::test]
async fn a_page_holds_one_to_a_hundred() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        let connection = Connection::to(&server).await;
        seed::people(&connection, 1, &(0..130).map(filler).collect::<Vec<_>>()).await;
        connection.close().await;
        for (limit, shown) in [(Value::Null, 25), (json!(1), 1), (json!(99), 99), (json!(100), 100)] {
            for query in [Value::Null, json!("filler"), json!("f")] {
                let page = server.ok("list_users", json!({"limit": limit, "query": query})).await;
                assert_eq!(page["users"].as_array().map(Vec::len), Some(shown), "{limit} {query}");
                assert_eq!(page["total"], if query.is_null() { 131 } else { 130 + i64::from(query == "f") }, "{limit} {query}");
            }
        }
        for limit in [json!(0), json!(101), json!(-1), json!(1_000_000_000_000_i64), json!(2.5)] {
            let error = server.refused("list_users", json!({"limit": limit})).await;
            assert_eq!((&error["code"], &error["field"]), (&json!("invalid_argument"), &json!("limit")), "{limit}");
        }
        // The last page says that it is the last.
        let page = server.ok("list_users", json!({"limit": 100, "query": "-129"})).await;
        assert_eq!((&page["total"], &page["next_cursor"]), (&json!(1), &Value::Null));
        let page = server.ok("list_users", json!({"limit": 100, "query": "nobody-here"})).await;
        assert_eq!((&page["total"], &page["total_is_exact"], &page["next_cursor"]), (&json!(0), &json!(true), &Value::Null));
    })
    .await;
}

#[tokio::test]
async fn access_groups_page_alike() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        for n in 0..30 {
            let arguments = json!({"name": format!("Group {n:02}"), "description": if n % 3 == 0 { "Öffentlich 100%" } else { "" }});
            server.ok("create_access_group", arguments).await;
        }
        let names = |page: &Value| -> Vec<String> {
            page["access_groups"]
                .as_array()
                .expect("groups")
                .iter()
                .map(|group| group["name"].as_str().expect("a name").to_owned())
                .collect()
        };
        for (query, count) in [("", 30), ("group", 30), ("GROUP 1", 10), ("offentlich", 10), ("%", 10), ("_", 0), ("\u{200b}", 0)] {
            let mut arguments = json!({"query": query, "limit": 7});
            let mut found = Vec::new();
            loop {
                let page = server.ok("list_access_groups", arguments.clone()).await;
                assert_eq!(page["total"], count, "{query}");
                found.extend(names(&page));
                if page["next_cursor"].is_null() {
                    break;
                }
                arguments["cursor"] = page["next_cursor"].clone();
            }
            assert_eq!(found.len(), count, "{query}");
            assert_eq!(found.iter().collect::<BTreeSet<_>>().len(), count, "{query}");
        }
        // Whoever turns the page after the rest was deleted still learns how many there are.
        let page = server.ok("list_access_groups", json!({"limit": 28})).await;
        for name in ["Group 28", "Group 29"] {
            server.ok("delete_access_group", json!({"access_group": name})).await;
        }
        let rest = server.ok("list_access_groups", json!({"limit": 28, "cursor": page["next_cursor"]})).await;
        assert_eq!((&rest["total"], &rest["access_groups"]), (&json!(28), &json!([])));
    })
    .await;
}

//! The audit log in the browser: what it says, what it can be narrowed to, its chain, and the files that leave it.

use super::{group, invited, with_boss};
use crate::{
    common::{Engine, Server, database::Connection, on_both, until},
    signing_in::{Browser, Seen, drawn_for, second_organization},
};
use serde_json::{Value, json};

/// The entries on a page, each as the words of its first line.
fn lines(seen: &Seen) -> Vec<String> {
    assert_eq!(seen.status, 200, "{}", seen.html);
    let entries = seen.html.split("aria-label=\"Entries\"").nth(1).expect("the entries");
    let words = |entry: &str| {
        let line = entry.split("<div><p>").nth(1).and_then(|rest| rest.split("</p>").next()).expect("a line");
        let mut words = line.to_owned();
        while let (Some(from), Some(to)) = (words.find('<'), words.find('>')) {
            words.replace_range(from..=to, "");
        }
        words
    };
    entries.split("<li").skip(1).map(words).collect()
}

/// The numbers of the entries on a page.
fn numbers(seen: &Seen) -> Vec<i64> {
    assert_eq!(seen.status, 200, "{}", seen.html);
    let number = |rest: &str| rest.split('<').next().and_then(|number| number.parse().ok()).expect("a number");
    seen.html.split(" of entry ").skip(1).map(number).collect()
}

/// The numbers of the entries that the tool lists.
async fn listed(server: &Server, arguments: Value) -> Vec<i64> {
    let mut arguments = arguments;
    arguments["limit"] = json!(100);
    let found = server.ok("list_audit_events", arguments).await;
    found["events"].as_array().expect("events").iter().map(|event| event["sequence"].as_i64().expect("a number")).collect()
}

/// Somebody who was refused something, once that is written.
async fn refused_kim(server: &Server) {
    let (_, kim) = server.member("kim@example.com", &[]).await;
    assert_eq!(server.call(&kim, "deactivate_user", json!({"user": "admin@example.com"})).await.error()["code"], "permission_denied");
    until("the refusal is told", async || (!listed(server, json!({"outcome": "refused"})).await.is_empty()).then_some(())).await;
}

/// Where a link of the page leads, such as the one to older entries.
fn link_to(seen: &Seen, word: &str) -> Option<String> {
    let link = seen
        .html
        .split("<a class=\"btn s\" href=\"")
        .skip(1)
        .find(|link| link.split("</a>").next().is_some_and(|text| text.contains(word)));
    Some(link?.split('"').next()?.replace("&#38;", "&"))
}

#[tokio::test]
async fn the_log_says_in_words_what_happened_by_whom_and_through_which_tool() {
    on_both(async |engine| {
        let (server, boss) = with_boss(engine).await;
        let kim =
            json!({"email": "dana@example.com", "first_name": "<b>Dana</b>", "last_name": "ליאור", "reason": "customs <i>paperwork</i>"});
        server.ok("invite_user", kim).await;
        server.ok("update_user", json!({"user": "dana@example.com", "last_name": "(Vendor)"})).await;
        refused_kim(&server).await;
        let page = boss.get("/audit").await;
        assert_eq!(
            lines(&page)[..6],
            [
                "Test Person was refused: deactivate First Administrator via an AI tool",
                "The operator of this server made the token made on the host",
                "Test Person was signed in after joining",
                "Test Person opened the invite and set a password",
                "First Administrator invited Test Person as User via an AI tool",
                "First Administrator renamed &#60;b&#62;Dana&#60;/b&#62; ליאור to &#60;b&#62;Dana&#60;/b&#62; (Vendor) via an AI tool",
            ]
        );
        // Names are those of the time, stand apart from our words, and no tag of theirs is one.
        assert!(lines(&page)[6].starts_with("First Administrator invited &#60;b&#62;Dana&#60;/b&#62; ליאור as User"), "{:?}", lines(&page));
        assert!(
            page.html.contains("The AI tool gives this reason: “<bdi>customs &#60;i&#62;paperwork&#60;/i&#62;</bdi>”"),
            "{}",
            page.html
        );
        assert!(!page.html.contains("<b>Dana") && !page.html.contains("<i>paper"), "{}", page.html);
        assert!(
            page.html.contains("<li class=\"no\">") && page.html.contains("or their credential may only read. Nothing changed."),
            "{}",
            page.html
        );
        assert!(
            page.html.contains("<h2>Today, ")
                && page.html.contains("<dt>Last name</dt><dd><b><bdi>ליאור</bdi></b> → <b><bdi>(Vendor)</bdi></b></dd>")
        );
        for part in ["Done by", "Request", "Credential", "Entry"] {
            assert!(page.html.contains(&format!("<dt>{part}</dt>")), "{part}");
        }
        assert!(!page.html.contains("usher_pat_"), "no secret");
        // What was erased is said to be.
        assert!(
            server.tamper("DELETE FROM audit_values WHERE subject = (SELECT id FROM users WHERE email_key = 'dana@example.com')").await
        );
        let page = boss.get("/audit?action=users:invite").await;
        assert!(
            lines(&page).contains(&"First Administrator invited a person whose data was erased as User via an AI tool".to_owned()),
            "{:?}",
            lines(&page)
        );
        assert!(page.html.contains("<span class=\"erased\">") && !page.html.contains("Dana"), "{}", page.html);
    })
    .await;
}

#[tokio::test]
async fn filters_stand_in_the_address_and_hold_together() {
    on_both(async |engine| {
        let (server, boss) = with_boss(engine).await;
        refused_kim(&server).await;
        let kim = server.ok("get_user", json!({"user": "kim@example.com"})).await["user"]["id"].as_str().expect("an id").to_owned();
        let at = async |query: &str| numbers(&boss.get(&format!("/audit?{query}")).await);
        for (query, arguments) in [
            ("", json!({})),
            ("user=kim%40example.com", json!({"user": "kim@example.com"})),
            (&format!("user={kim}"), json!({"user": kim})),
            ("action=users%3Ainvite", json!({"action": "users:invite"})),
            ("surface=cli", json!({"surface": "cli"})),
            ("outcome=refused", json!({"outcome": "refused"})),
            ("surface=mcp&outcome=done&user=KIM%40example.com", json!({"surface": "mcp", "outcome": "done", "user": "kim@example.com"})),
        ] {
            let wanted = listed(&server, arguments).await;
            assert!(!wanted.is_empty() && at(query).await == wanted, "{query}");
        }
        let all = listed(&server, json!({})).await;
        let [first, last] = ["1970-01-01", "2999-12-31"];
        for query in
            [&format!("from={first}&to={last}"), "surface=elsewhere", "outcome=", "from=yesterday", "to=2026-02-31", "nothing=known"]
        {
            assert_eq!(at(query).await, all, "{query} narrows nothing");
        }
        for query in [
            &format!("to={first}"),
            &format!("from={last}"),
            "client=No+such+host",
            "action=no%3Asuch",
            "user=nobody%40example.com",
            "user=01990b1c-7e1a-7000-8000-000000000001",
            "user=neither",
        ] {
            let page = boss.get(&format!("/audit?{query}")).await;
            assert_eq!((numbers(&page), page.html.contains("No entry matches")), (Vec::new(), true), "{query}: {}", page.html);
        }
        // The links of a narrowed log keep what holds.
        let page = boss.get("/audit?user=kim%40example.com&outcome=done").await;
        assert!(page.html.contains("href=\"/audit?user=kim%40example.com&#38;surface=web&#38;outcome=done\""), "{}", page.html);
        assert!(page.html.contains("<input type=\"hidden\" name=\"outcome\" value=\"done\">") && page.html.contains("Clear filters"));
        for query in ["user=%00", "cursor=%00", &format!("client={}", "x".repeat(201)), &format!("newer={}", "x".repeat(513))] {
            assert_eq!(boss.get(&format!("/audit?{query}")).await.location.as_deref(), Some("/audit"), "{query}");
        }
        assert_eq!(boss.get("/audit?client=%3Cscript%3E").await.html.matches("<bdi>&#60;script&#62;</bdi>").count(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_long_log_goes_on_page_by_page_and_back() {
    on_both(async |engine| {
        let (server, boss) = with_boss(engine).await;
        for n in 0..104 {
            invited(&server, &format!("p{n}@example.com"), "P", "N").await;
        }
        let first = boss.get("/audit?surface=mcp").await;
        let wanted = listed(&server, json!({"surface": "mcp"})).await;
        assert_eq!((numbers(&first).len(), link_to(&first, "Newer")), (50, None));
        let second = boss.get(&link_to(&first, "Older").expect("older ones")).await;
        let third = boss.get(&link_to(&second, "Older").expect("older ones")).await;
        assert_eq!(link_to(&third, "Older"), None);
        assert_eq!([numbers(&first), numbers(&second)].concat(), wanted);
        assert_eq!(numbers(&second).last().map(|last| last - 1), numbers(&third).first().copied());
        // Whatever happens meanwhile moves nothing on the pages below, and the way back leads over them.
        invited(&server, "late@example.com", "P", "N").await;
        let back = boss.get(&link_to(&third, "Newer").expect("newer ones")).await;
        assert_eq!(numbers(&back), numbers(&second));
        // There is one newer than a page's worth by now.
        let again = boss.get(&link_to(&back, "Newer").expect("newer ones")).await;
        assert_eq!(numbers(&again), numbers(&first));
        let top = boss.get(&link_to(&again, "Newer").expect("the late one")).await;
        assert_eq!((top.status, top.location.as_deref()), (303, Some("/audit?surface=mcp")), "that is the first page");
        // Without a filter the page says which entries these are.
        let whole = boss.get("/audit").await;
        let newest = numbers(&whole)[0];
        assert!(whole.html.contains(&format!("Entries {newest} to {} of {newest}, newest first", newest - 49)), "{}", whole.html);
        // A cursor of other filters, and one that is none, lead to the newest.
        let cursor = link_to(&first, "Older").and_then(|link| link.split("cursor=").nth(1).map(str::to_owned)).expect("a cursor");
        for query in [format!("cursor={cursor}"), format!("newer={cursor}"), "cursor=none".to_owned()] {
            assert_eq!(boss.get(&format!("/audit?{query}")).await.location.as_deref(), Some("/audit"), "{query}");
        }
    })
    .await;
}

#[tokio::test]
async fn the_chain_is_checked_when_somebody_asks_and_a_broken_one_is_said_to_be() {
    on_both(async |engine| {
        let (server, boss) = with_boss(engine).await;
        let page = boss.get("/audit").await;
        assert!(page.html.contains("not checked since this server started"), "{}", page.html);
        let drawn = drawn_for(&page.html);
        let checked = async || {
            let seen = boss.post("/audit/verify", &[("as", &drawn)]).await;
            assert_eq!((seen.status, seen.location.as_deref()), (303, Some("/audit")), "{}", seen.html);
            until("the check is over", async || {
                let page = boss.get("/audit").await;
                (!page.html.contains("A check is under way")).then_some(page)
            })
            .await
        };
        let page = checked().await;
        let (verified, entries) = (server.verified().await, numbers(&page)[0]);
        let head = &verified["head"].as_str().expect("a head")[..16];
        assert!(page.html.contains(&format!("Unbroken</span><p><b>{entries} entries</b>")), "{}", page.html);
        assert!(page.html.contains(&format!("head <code>{head}</code>")) && verified["entries"] == entries, "{}", page.html);
        invited(&server, "ana@example.com", "Ana", "Ruiz").await;
        assert!(boss.get("/audit").await.html.contains(&format!("{} entries now", entries + 1)), "what has come since is said");
        let narrowed = boss.post("/audit/verify", &[("as", &drawn), ("outcome", "done"), ("from", "2020-01-01"), ("action", "")]).await;
        assert_eq!(narrowed.location.as_deref(), Some("/audit?outcome=done&from=2020-01-01"), "the list stays as it was narrowed");
        until("that check is over", async || (!boss.get("/audit").await.html.contains("A check is under way")).then_some(())).await;
        // Somebody who has the database itself.
        let intruder = Connection::alone(&server).await;
        let open = match engine {
            Engine::Sqlite => "DROP TRIGGER audit_log_no_update",
            Engine::Postgres => "SET session_replication_role = replica",
        };
        assert!(intruder.run(open).await && intruder.run("UPDATE audit_log SET action = 'users:update' WHERE seq = 2").await);
        intruder.close().await;
        let page = checked().await;
        assert!(
            page.html.contains("<div class=\"note bad\" role=\"alert\">") && page.html.contains("<b>Broken at entry 2.</b>"),
            "{}",
            page.html
        );
        assert_eq!(server.verified().await["first_bad"], 2);
    })
    .await;
}

/// The records of a file of comma-separated values.
fn records(text: &str) -> Vec<Vec<String>> {
    // Without the mark that Excel needs.
    let text = text.strip_prefix('\u{feff}').filter(|text| text.ends_with("\r\n")).expect("a file");
    let (mut records, mut record, mut rest) = (Vec::new(), Vec::new(), text);
    while !rest.is_empty() {
        let mut quoted = rest.strip_prefix('"').expect("a quote");
        let mut cell = String::new();
        loop {
            let (before, after) = quoted.split_once('"').expect("the other quote");
            cell.push_str(before);
            let Some(more) = after.strip_prefix('"') else {
                rest = after;
                break;
            };
            cell.push('"');
            quoted = more;
        }
        record.push(cell);
        if let Some(next) = rest.strip_prefix("\r\n") {
            records.push(std::mem::take(&mut record));
            rest = next;
        } else {
            rest = rest.strip_prefix(',').expect("a comma");
        }
    }
    records
}

#[tokio::test]
async fn requirement_66_an_export_holds_what_matches_computes_nothing_and_is_an_entry_itself() {
    on_both(async |engine| {
        let (server, boss) = with_boss(engine).await;
        invited(&server, "ana@example.com", "=1+1", "＝cmd \"x\"").await;
        server.ok("update_user", json!({"user": "ana@example.com", "last_name": "Vega", "reason": "+49 30 1234"})).await;
        let drawn = drawn_for(&boss.get("/audit").await.html);
        let export = async |form: &[(&str, &str)]| {
            let mut whole = vec![("as", drawn.as_str())];
            whole.extend(form);
            let answer = boss.send("/audit/export", &whole).await;
            assert_eq!(answer.status(), 200);
            for (name, value) in [("cache-control", "no-store"), ("x-content-type-options", "nosniff")] {
                assert_eq!(answer.headers()[name], value);
            }
            let head = |name: &str| answer.headers()[name].to_str().expect("text").to_owned();
            let (kind, name) = (head("content-type"), head("content-disposition"));
            assert!(name.starts_with(&format!("attachment; filename=\"audit-{}-2", server.org)), "{name}");
            (kind, name, answer.text().await.expect("a file"))
        };
        let before = server.ok("list_audit_events", json!({"limit": 100})).await["events"].as_array().expect("events").clone();
        let (kind, name, text) = export(&[("format", "jsonl")]).await;
        assert!(kind.starts_with("application/jsonl") && name.ends_with(".jsonl\""), "{kind} {name}");
        let exported: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!(exported, before, "the same entries as the tool lists, newest first");

        let (kind, name, text) = export(&[("format", "csv"), ("user", "ana@example.com"), ("surface", "mcp")]).await;
        assert!(kind.starts_with("text/csv") && name.ends_with(".csv\""), "{kind} {name}");
        let records = records(&text);
        let column = |name: &str| records[0].iter().position(|cell| cell == name).expect("a column");
        let cells = |name: &str| records[1..].iter().map(|record| record[column(name)].clone()).collect::<Vec<_>>();
        assert!(records.iter().all(|record| record.len() == records[0].len()), "{text}");
        assert_eq!(cells("target_name"), ["'=1+1 ＝cmd \"x\"", "'=1+1 ＝cmd \"x\""]);
        assert_eq!(cells("reason"), ["'+49 30 1234", ""]);
        assert_eq!(cells("action"), ["users:update", "users:invite"]);

        // Each is an entry, with what it was narrowed to, and no export holds its own.
        let events = server.ok("list_audit_events", json!({"action": "audit_log:export"})).await["events"].clone();
        let ana = server.ok("get_user", json!({"user": "ana@example.com"})).await["user"]["id"].clone();
        let change = |field: &str, after: &Value| json!({"field": field, "before": null, "after": after});
        assert_eq!(events[0]["changes"], json!([change("format", &json!("csv")), change("user", &ana), change("surface", &json!("mcp"))]));
        assert_eq!((&events[0]["surface"], &events[1]["changes"]), (&json!("web"), &json!([change("format", &json!("jsonl"))])));
        let page = boss.get("/audit?action=audit_log:export").await;
        assert_eq!(lines(&page), ["Test Person exported the audit log as CSV", "Test Person exported the audit log as JSON Lines"]);
        // Whose entries are none of this organization's leave in no file, and no other form exists.
        assert_eq!(boss.post("/audit/export", &[("as", &drawn), ("format", "csv"), ("user", "x@example.com")]).await.status, 303);
        assert_eq!(boss.post("/audit/export", &[("as", &drawn), ("format", "xls")]).await.status, 400);
        assert_eq!(boss.get("/audit/export?format=csv").await.location.as_deref(), Some("/audit"), "a link exports nothing");
        // What was erased is missing in the file, and nothing stands in its place.
        assert!(server.tamper("DELETE FROM audit_values WHERE subject = (SELECT id FROM users WHERE email_key = 'ana@example.com')").await);
        let (_, _, text) = export(&[("format", "jsonl"), ("user", "ana@example.com"), ("surface", "mcp")]).await;
        assert!(text.lines().all(|line| line.contains("\"name\":null")) && !text.contains("cmd"), "{text}");
    })
    .await;
}

#[tokio::test]
async fn a_long_export_goes_on_page_by_page_and_ends_with_its_readers_access() {
    on_both(async |engine| {
        let (server, boss) = with_boss(engine).await;
        // As many as the table takes: nothing here looks at their chain.
        let more = match engine {
            Engine::Sqlite => {
                "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 1200)
                 INSERT INTO audit_log (org, seq, id, at, actor_kind, surface, action, outcome, detail, hash)
                 SELECT 1, n + (SELECT max(seq) FROM audit_log WHERE org = 1), randomblob(16), (SELECT max(at) FROM audit_log), 'cli', 'cli', 'token:created', 'done', '{}', zeroblob(32) FROM n"
            }
            Engine::Postgres => {
                "INSERT INTO audit_log (org, seq, id, at, actor_kind, surface, action, outcome, detail, hash)
                 SELECT 1, n + (SELECT max(seq) FROM audit_log WHERE org = 1), gen_random_uuid(), (SELECT max(at) FROM audit_log), 'cli', 'cli', 'token:created', 'done', '{}', ''::bytea FROM generate_series(1, 1200) n"
            }
        };
        let drawn = drawn_for(&boss.get("/audit").await.html);
        assert!(server.tamper(more).await);
        assert!(server.tamper("UPDATE org_heads SET audit_seq = (SELECT max(seq) FROM audit_log WHERE org = 1) WHERE org = 1").await);
        let form = [("as", drawn.as_str()), ("format", "jsonl"), ("surface", "cli")];
        let text = boss.send("/audit/export", &form).await.text().await.expect("a file");
        let numbers: Vec<i64> = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON")["sequence"].as_i64().expect("a number")).collect();
        assert!(numbers.len() > 1200 && numbers.windows(2).all(|pair| pair[0] > pair[1]), "{}", numbers.len());
        // The same begun, and its reader shut out before they read on: the file breaks off and is not taken for the whole.
        let mut answer = boss.send("/audit/export", &form).await;
        let mut read = answer.chunk().await.expect("a part").expect("some bytes").len();
        server.ok("deactivate_user", json!({"user": "boss@example.com"})).await;
        let broke_off = loop {
            match answer.chunk().await {
                Ok(Some(part)) => read += part.len(),
                Ok(None) => break false,
                Err(_) => break true,
            }
        };
        // What fits into the buffers on the way may have left before.
        assert!(broke_off || read == text.len(), "{read} of {}", text.len());
    })
    .await;
}

#[tokio::test]
async fn the_drawing_counts_each_day_and_a_table_says_the_same() {
    on_both(async |engine| {
        let (server, boss) = with_boss(engine).await;
        refused_kim(&server).await;
        let numbers = async |query: &str| {
            let page = boss.get(&format!("/audit?{query}")).await;
            let body = page
                .html
                .split("<caption class=\"vh\">Activity per day")
                .nth(1)?
                .split("<tbody>")
                .nth(1)?
                .split("</tbody>")
                .next()?
                .to_owned();
            let today = body.split("</tr>").next()?.split("<td class=\"num\">").skip(1);
            Some(today.map(|cell| cell.split('<').next().and_then(|number| number.parse().ok()).expect("a number")).collect::<Vec<usize>>())
        };
        let count = async |arguments: Value| listed(&server, arguments).await.len();
        let (all, mcp, refused) =
            (count(json!({})).await, count(json!({"surface": "mcp", "outcome": "done"})).await, count(json!({"outcome": "refused"})).await);
        assert_eq!(numbers("").await, Some(vec![all - mcp - refused, mcp, refused]));
        assert_eq!(numbers("outcome=refused").await, Some(vec![0, 0, refused]));
        let invites = count(json!({"action": "users:invite", "user": "kim@example.com"})).await;
        assert_eq!(numbers("action=users%3Ainvite&user=kim%40example.com").await, Some(vec![0, invites, 0]));
        assert_eq!(numbers("client=none").await, None, "nothing to draw");
        let page = boss.get("/audit?from=2020-01-01").await;
        assert!(
            page.html.contains("<svg class=\"chart\"")
                && page.html.contains("<rect class=\"p\"")
                && page.html.contains("<rect class=\"t\"")
        );
        assert_eq!(page.html.matches("<th scope=\"row\">").count(), 92, "not more days than can be seen");
    })
    .await;
}

#[tokio::test]
async fn whoever_may_not_finds_nothing_and_nobody_sees_another_organizations_entries() {
    on_both(async |engine| {
        let (server, boss) = with_boss(engine).await;
        server.member("kim@example.com", &[]).await;
        let kim = Browser::in_by_password(&server, "kim@example.com").await;
        let drawn = drawn_for(&kim.get("/").await.html);
        assert!(!kim.get("/").await.html.contains("href=\"/audit\""), "no way there");
        let forms: [(&str, &[(&str, &str)]); 2] =
            [("/audit/verify", &[("as", &drawn)]), ("/audit/export", &[("as", &drawn), ("format", "csv")])];
        for (path, form) in forms {
            let seen = kim.post(path, form).await;
            assert!(seen.status == 404 && seen.html.contains("There is nothing at this address"), "{path}: {}", seen.html);
        }
        for path in ["/audit", "/audit?user=kim%40example.com"] {
            assert_eq!(kim.get(path).await.status, 404, "{path}");
        }
        // What they tried is evidence; what they looked at is none.
        until("the evidence", async || {
            let events = server.ok("list_audit_events", json!({"outcome": "refused", "user": "kim@example.com"})).await;
            let actions: Vec<_> =
                events["events"].as_array()?.iter().map(|event| event["action"].as_str().unwrap_or_default().to_owned()).collect();
            (actions == ["audit_log:export", "audit_log:read"] || actions == ["audit_log:read", "audit_log:export"]).then_some(())
        })
        .await;
        assert_eq!(Browser::of(&server).get("/audit").await.location.as_deref(), Some("/sign-in"));
        // Who reads the log starts there, checks it, and takes nothing out.
        group(&server, "Auditors", &["audit_log:read"]).await;
        server.ok("add_to_access_group", json!({"users": ["kim@example.com"], "access_groups": ["Auditors"]})).await;
        assert_eq!(kim.get("/").await.location.as_deref(), Some("/audit"));
        let page = kim.get("/audit").await;
        assert!(page.html.contains("href=\"/audit\" aria-current=\"page\"") && !page.html.contains("/audit/export"), "{}", page.html);
        assert_eq!(kim.post("/audit/verify", &[("as", &drawn)]).await.status, 303);
        assert_eq!(kim.post("/audit/export", &[("as", &drawn), ("format", "csv")]).await.status, 404);
        // Another organization on the same server.
        let second = second_organization(&server).await;
        let other = server.cli(&["sign-in-link", "--org", &second, "--user", "ana@example.com", "--json"]).await;
        let token = other["url"].as_str().and_then(|url| url.rsplit('/').next()).expect("a token").to_owned();
        let ana = Browser::of(&server);
        ana.open(&format!("{}/link/{token}", server.address())).await;
        let page = ana.get("/audit").await;
        assert!(
            lines(&page).last().is_some_and(|line| line.ends_with("made the organization, with Ana Two as its first Administrator")),
            "{:?}",
            lines(&page)
        );
        assert!(!page.html.contains("Test Person") && !page.html.contains("First Administrator"), "{}", page.html);
        let boss_id = server.ok("get_user", json!({"user": "boss@example.com"})).await["user"]["id"].as_str().expect("an id").to_owned();
        for foreign in [boss_id.as_str(), "boss%40example.com"] {
            assert_eq!(numbers(&ana.get(&format!("/audit?user={foreign}")).await), Vec::<i64>::new());
        }
        let drawn = drawn_for(&page.html);
        let text = ana.send("/audit/export", &[("as", &drawn), ("format", "jsonl")]).await.text().await.expect("a file");
        assert!(!text.is_empty() && !text.contains("boss") && !text.contains("First Administrator"), "{text}");
        let cursor = link_to(&boss.get("/audit").await, "Older");
        assert_eq!(cursor, None, "one page is all there is");
    })
    .await;
}

//! What a query finds.

use super::roster::{GROUP, Person, Roster, SMALL};
use crate::common::on_both;
use serde_json::{Value, json};

/// The addresses a query finds, on one page.
async fn found(roster: &Roster, few: bool, query: &str) -> Vec<String> {
    let page = roster.ask(few, json!({"query": query, "limit": 100})).await.structured();
    let mut emails: Vec<String> =
        page["users"].as_array().expect("users").iter().map(|user| user["email"].as_str().expect("an address").to_owned()).collect();
    emails.sort();
    assert_eq!(page["total"], emails.len(), "{query}");
    assert_eq!(page["total_is_exact"], true, "{query}");
    emails
}

/// Among few and among many the query finds exactly these.
async fn finds(roster: &Roster, query: &str, emails: &[&str]) {
    for few in [true, false] {
        assert_eq!(found(roster, few, query).await, emails, "{query:?} among {}", if few { "few" } else { "many" });
    }
}

/// Enough for the index to be read.
const FILLERS: usize = SMALL + 12;

#[tokio::test]
async fn r_b76_case_and_accents_do_not_matter_on_either_database() {
    on_both(async |engine| {
        let roster = Roster::new(engine, FILLERS).await;
        for (query, email) in [
            ("nunez", "p01"),
            ("NÚÑEZ", "p01"),
            ("nu\u{301}n\u{303}ez", "p01"),
            ("ägnes", "p02"),
            ("A\u{308}GNES", "p02"),
            ("agnes oz", "p02"),
            ("öz ägnes", "p02"),
            ("черв", "p03"),
            ("ЧЕРВОНИЙ", "p03"),
            ("inci", "p04"),
            ("İNCİ", "p04"),
            ("ιωαννας", "p24"),
            ("παπαδοπουλοΣ", "p24"),
            ("ZOE", "p21"),
            ("van\u{a0}der  berg", "p21"),
            ("wide name", "p22"),
            ("ｗｉｄｅ", "p22"),
            ("عبد", "p25"),
        ] {
            finds(&roster, query, &[&format!("{email}@example.com")]).await;
        }
        for query in ["strasse", "STRASSE", "straße", "STRAẞE", "Straſſe"] {
            finds(&roster, query, &["p05@example.com", "p06@example.com"]).await;
        }
        // Scripts whose words are a letter or two long.
        for query in ["山", "山田", "太郎 山田", "山田 太郎"] {
            finds(&roster, query, &["p19@example.com"]).await;
        }
        for query in ["ﾀﾛ", "タロウ", "ﾔﾏﾀﾞ", "ヤマダ タロウ"] {
            finds(&roster, query, &["p20@example.com"]).await;
        }
        for query in ["🦉", "🦉🦉 owl"] {
            finds(&roster, query, &["p23@example.com"]).await;
        }
        finds(&roster, "öz", &["p02@example.com"]).await;
    })
    .await;
}

#[tokio::test]
async fn r_b77_wildcards_and_operators_of_a_search_are_letters() {
    on_both(async |engine| {
        let roster = Roster::new(engine, FILLERS).await;
        for (query, emails) in [
            ("％", &["p12@example.com"][..]),
            ("%", &["p12@example.com"]),
            ("0% S", &["p12@example.com"]),
            ("＿", &["p13@example.com"]),
            ("_", &["p13@example.com"]),
            ("r_s", &["p13@example.com"]),
            ("＼", &["p14@example.com"]),
            ("\\", &["p14@example.com"]),
            ("k\\slash", &["p14@example.com"]),
            ("\"", &["p15@example.com"]),
            ("quo\"te", &["p15@example.com"]),
            ("\"quo", &[]),
            ("'", &["p15@example.com"]),
            ("o'neil", &["p15@example.com"]),
            ("*", &["p16@example.com"]),
            ("star*", &["p16@example.com"]),
            ("sta*", &[]),
            ("ops OR ors", &["p16@example.com"]),
            ("hopper OR berg", &[]),
            ("grace AND hopper", &[]),
            ("NOT hopper", &[]),
            ("-dash", &["p17@example.com"]),
            ("hopper -dash", &[]),
            ("NEAR(", &["p17@example.com"]),
            ("near(x y)", &["p17@example.com"]),
            ("NEAR(grace hopper)", &[]),
            ("folded: hopper", &[]),
            ("colon: folded", &["p18@example.com"]),
            ("^car", &["p18@example.com"]),
            ("^hopper", &[]),
            ("{folded}", &[]),
            ("hopper; DROP TABLE users", &[]),
            ("%%%", &[]),
            ("___", &[]),
            ("\"\"\"", &[]),
            ("\\\\\\", &[]),
            ("%' OR '1'='1", &[]),
        ] {
            finds(&roster, query, emails).await;
        }
    })
    .await;
}

#[tokio::test]
async fn b15_people_are_found_by_any_part_of_what_identifies_them() {
    on_both(async |engine| {
        let mut roster = Roster::new(engine, 1012).await;
        for (query, emails) in [
            // In the middle, across the names, in both orders.
            ("thol", &["p07@example.com"][..]),
            ("bartholomew featherstonehaugh", &["p07@example.com"]),
            ("grace hop", &["p08@example.com"]),
            ("hopper gr", &["p08@example.com"]),
            ("e h", &["p08@example.com"]),
            // The address as typed, in any case, whole or in part; an internationalized one in both forms.
            ("mixed.case+tag@example.com", &["Mixed.Case+Tag@Example.COM"]),
            ("+TAG@", &["Mixed.Case+Tag@Example.COM"]),
            ("ida@bücher", &["ida@bücher.example"]),
            ("BUCHER.EX", &["ida@bücher.example"]),
            ("münchen", &["puny@xn--mnchen-3ya.example"]),
            ("xn--mnchen", &["puny@xn--mnchen-3ya.example"]),
            ("p26@example.com", &["p26@example.com"]),
            // A name and an address are not one text.
            ("hopper p08", &[]),
            ("hopper\ngrace", &["p08@example.com"]),
            ("grace\nhopper", &["p08@example.com"]),
            ("x q", &["p26@example.com"]),
            ("nobody at all", &[]),
        ] {
            finds(&roster, query, emails).await;
        }

        // Everybody whom a query names, whatever its length, and no one else; many hits are counted to a thousand.
        for query in [
            "a",
            "o",
            "q",
            "z",
            "@",
            "-",
            " ",
            "an",
            "ov",
            "-1",
            "é",
            "in",
            "mar",
            "ovak",
            "iris",
            "example",
            "filler",
            "1",
            "@filler.example",
        ] {
            roster.agrees(json!({"query": query})).await;
        }

        // Nothing asked is everybody; something asked that no text can hold is nobody.
        for query in ["", " ", " \t\u{a0}"] {
            roster.agrees(json!({"query": query})).await;
        }
        for query in ["\u{301}", "\u{200b}", "\u{202e}\u{200d}", "\u{1}"] {
            finds(&roster, query, &[]).await;
        }

        // Long ones.
        finds(&roster, &"a".repeat(200), &[]).await;
        finds(&roster, &"山".repeat(200), &[]).await;
        finds(&roster, &"ﷺ".repeat(200), &[]).await;
        let long = roster.ask(false, json!({"query": "a".repeat(201)})).await.error();
        assert_eq!((&long["code"], &long["field"]), (&json!("invalid_argument"), &json!("query")));

        // A full name as long as names may be.
        for few in [true, false] {
            let token = &roster.organization(few).token;
            let (first, last) = ("Y".repeat(98), "W".repeat(100));
            let arguments = json!({"email": "long@example.com", "first_name": first, "last_name": last});
            roster.server.call(token, "invite_user", arguments).await.structured();
        }
        finds(&roster, &format!("{} {}", "y".repeat(98), "w".repeat(100)), &["long@example.com"]).await;
        finds(&roster, &format!("{} {}", "w".repeat(100), "y".repeat(98)), &["long@example.com"]).await;
        for few in [true, false] {
            let organization = if few { &mut roster.few } else { &mut roster.many };
            organization.people.push(Person::new(&"Y".repeat(98), &"W".repeat(100), "long@example.com"));
        }

        // Together with every other filter.
        roster.age(true).await;
        roster.age(false).await;
        let filters = [
            json!({"status": "pending"}),
            json!({"status": "active"}),
            json!({"status": "deactivated"}),
            json!({"role": "Administrator"}),
            json!({"role": "User", "status": "pending"}),
            json!({"access_group": GROUP}),
            json!({"access_group": GROUP, "status": "deactivated"}),
            json!({"invite_expired": true}),
            json!({"invite_expired": false}),
            json!({"invite_expired": true, "status": "deactivated"}),
            json!({"invite_expired": true, "role": "User", "access_group": GROUP, "status": "pending"}),
        ];
        for filter in filters {
            roster.agrees(filter.clone()).await;
            let mut asked = filter;
            asked["query"] = Value::from("an");
            roster.agrees(asked).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_search_shows_nobody_of_another_organization() {
    on_both(async |engine| {
        // The same names and addresses on both sides; ids tell them apart.
        let roster = Roster::new(engine, FILLERS).await;
        let mut ids = Vec::new();
        for few in [true, false] {
            let mut own = Vec::new();
            let mut arguments = json!({"limit": 100});
            loop {
                let page = roster.ask(few, arguments.clone()).await.structured();
                own.extend(page["users"].as_array().expect("users").iter().map(|user| user["id"].to_string()));
                if page["next_cursor"].is_null() {
                    break;
                }
                arguments["cursor"] = page["next_cursor"].clone();
            }
            assert_eq!(own.len(), roster.organization(few).people.len());
            ids.push(own);
        }
        for (side, few) in [true, false].into_iter().enumerate() {
            for query in ["hopper", "ho", "h", "grace hopper", "p08@example.com", "山", "%", "example.com"] {
                let page = roster.ask(few, json!({"query": query, "limit": 100})).await.structured();
                for user in page["users"].as_array().expect("users") {
                    assert!(ids[side].contains(&user["id"].to_string()), "{query}");
                    assert!(!ids[1 - side].contains(&user["id"].to_string()), "{query}");
                }
            }
        }
        // Who is only among the many is not found by the few.
        let page = roster.ask(true, json!({"query": format!("-{}", FILLERS - 1)})).await.structured();
        assert_eq!((&page["total"], &page["users"]), (&json!(0), &json!([])));
        // Nor a person by id.
        let stranger: String = serde_json::from_str(&ids[1][0]).expect("an id");
        let answer = roster.server.call(&roster.few.token, "get_user", json!({"user": stranger})).await.error();
        assert_eq!(answer["code"], "user_not_found");
    })
    .await;
}

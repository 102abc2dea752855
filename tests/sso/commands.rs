//! `usher sso` on the host.

use super::{
    ALLOWED, connect, get, invite, joined_up, me, own::own, post, provider_for, redirect_address, register, sign_in_at, status, via,
};
use crate::common::{
    Engine, PASSWORD, Server,
    database::Connection,
    oidc::{Idp, browser},
    on_both, until,
};
use reqwest::Client;
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt as _;

async fn sso(server: &Server, words: &[&str]) -> Value {
    let mut command = vec!["sso"];
    command.extend(words);
    command.extend(["--org", &server.org, "--json"]);
    command.extend(ALLOWED);
    server.cli(&command).await
}

async fn refused(server: &Server, words: &[&str]) -> String {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_usher"));
    command.arg("sso").args(words).args(["--org", &server.org]).args(ALLOWED);
    command.env("USHER_DATA_DIR", server.data_dir.path()).env("USHER_LOG", "warn").env("USHER_SSO_CLIENT_SECRET", Idp::SECRET);
    let output = command.output().await.expect("it runs");
    assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The secret as the database holds it.
async fn kept(server: &Server) -> String {
    let connection = Connection::to(server).await;
    let rows = connection.rows("SELECT client_secret FROM sso_connections").await;
    connection.close().await;
    rows[0]["client_secret"].clone().expect("a text")
}

/// Somebody who joined by a mailed invite signs in through the provider for the first time, and opens the link that they are sent.
async fn link_by_mailbox(browser: &Client, server: &Server, connection: &str, person: &str) {
    let back = sign_in_at(browser, server, &server.org, connection, person).await;
    assert_eq!(back.heading(), "Is this account yours?", "{}", back.html);
    post(browser, &back.place, &[("do", "go")]).await;
    let shown = get(browser, &server.newest_link_to(&format!("{person}@example.com"), 2).await).await;
    post(browser, &shown.place, &[("do", "go")]).await;
}

/// The subjects of the mails to this person that have these words in them, oldest first, once there are so many.
async fn subjects(server: &Server, email: &str, words: &str, count: usize) -> Vec<String> {
    let to = format!("<{email}>");
    until("the notices", async || {
        let mails: Vec<_> = server.mails().iter().map(|mail| mail.replace("\r\n ", " ")).collect();
        let theirs = mails.iter().filter(|mail| mail.lines().any(|line| line.starts_with("To:") && line.contains(&to)));
        let subjects = theirs.filter_map(|mail| mail.lines().find_map(|line| line.strip_prefix("Subject: ")));
        let told: Vec<_> = subjects.filter(|subject| subject.contains(words)).map(str::to_owned).collect();
        (told.len() == count).then_some(told)
    })
    .await
}

/// Waits until this person was told so much of single sign-on by mail, and no more.
async fn told(server: &Server, email: &str, expected: &[&str]) {
    let expected: Vec<_> = expected.iter().map(|words| format!("Single sign-on {words} My organization")).collect();
    assert_eq!(subjects(server, email, "Single sign-on ", expected.len()).await, expected);
}

#[tokio::test]
async fn a_connection_is_added_listed_tested_and_removed_and_its_secret_is_never_shown() {
    on_both(async |engine| {
        let (server, idp, connection) = joined_up(engine).await;
        let listed = sso(&server, &["list"]).await;
        assert_eq!(listed[0]["id"], json!(connection));
        assert_eq!((&listed[0]["issuer"], &listed[0]["client_id"]), (&json!(idp.issuer), &json!("usher")));
        assert!(!listed.to_string().contains("secret"), "{listed}");
        assert_eq!(sso(&server, &["test"]).await["ok"], true);
        // In the database it lies sealed.
        let row = kept(&server).await;
        assert!(row.starts_with("1.") && !row.contains(Idp::SECRET), "{row}");
        let log = server.ok("list_audit_events", json!({"limit": 100})).await.to_string();
        assert!(log.contains("sso:connected") && !log.contains(Idp::SECRET));

        assert_eq!(sso(&server, &["remove"]).await["id"], json!(connection));
        assert_eq!(sso(&server, &["list"]).await, json!([]));
        assert_eq!(kept(&server).await, "");
        let door = get(&browser(), &format!("{}/sign-in/{}", server.address(), server.org)).await;
        assert!(!door.html.contains("Example Login"));
        assert_eq!(post(&browser(), &door.place, &[("do", &format!("sso:{connection}"))]).await.status, 404);
        told(&server, "admin@example.com", &["with Example Login was connected to", "with Example Login was removed from"]).await;
        assert_eq!(server.verified().await["ok"], true);
    })
    .await;
}

#[tokio::test]
async fn the_redirect_address_is_known_before_there_is_a_connection_and_stays() {
    on_both(async |engine| {
        let server = super::server(engine).await;
        let idp = provider_for(&server).await;
        let address = redirect_address(&server, &server.org, &idp.issuer).await;
        assert!(address.starts_with(&format!("{}/sign-in/sso/callback/{}-", server.address(), server.org)), "{address}");
        let connected = async || {
            let id = connect(&server, &server.org, &idp.issuer, Idp::SECRET).await;
            for said in [&sso(&server, &["list"]).await[0], &sso(&server, &["test"]).await] {
                assert_eq!((&said["id"], &said["redirect_uri"]), (&json!(id), &json!(address)));
            }
        };
        connected().await;
        let file = server.data_dir.path().join("another");
        std::fs::write(&file, "another").unwrap();
        sso(&server, &["relink", "--client-id", "usher-2", "--client-secret-file", &file.display().to_string()]).await;
        assert_eq!(sso(&server, &["list"]).await[0]["redirect_uri"], address);
        sso(&server, &["remove"]).await;
        connected().await;

        // Each issuer has its own; for several tenants it is the issuer's, whoever they are.
        let of = async |words: &[&str]| sso(&server, &[&["redirect-address", "--preset"], words].concat()).await["redirect_uri"].clone();
        let (one, two) = ("72f988bf-86f1-41af-91ab-2d7cd011db47", "5f0c1a52-6f3a-4f0e-9b37-2c1f4ad7f3f1");
        let all = [
            json!(address),
            of(&["google"]).await,
            of(&["microsoft", "--tenant", one]).await,
            of(&["microsoft", "--tenant", two]).await,
            of(&["microsoft", "--tenants", one]).await,
        ];
        assert!(all.iter().all(|address| all.iter().filter(|other| *other == address).count() == 1), "{all:?}");
        assert_eq!(of(&["microsoft", "--tenants", two]).await, all[4]);
    })
    .await;
}

#[tokio::test]
async fn what_is_no_provider_is_not_connected_and_the_words_say_why() {
    let server = super::server(Engine::Sqlite).await;
    let idp = provider_for(&server).await;
    let slash = format!("{}/", idp.issuer);
    for (words, said) in [
        (vec!["add", "--preset", "other", "--issuer", &slash, "--client-id", "usher"], "check the issuer, letter by letter"),
        (vec!["add", "--preset", "other", "--issuer", "http://127.0.0.1:1", "--client-id", "usher"], "cannot be reached"),
        (vec!["add", "--preset", "other", "--issuer", "https://10.0.0.1", "--client-id", "usher"], "--outbound-allow"),
        (vec!["add", "--preset", "other", "--issuer", "nonsense", "--client-id", "usher"], "not the address of an identity provider"),
        (vec!["add", "--preset", "other", "--client-id", "usher"], "--preset other needs --issuer"),
        (vec!["add", "--preset", "google", "--tenant", "x", "--client-id", "usher"], "--preset google takes no --tenant: leave it out"),
        (vec!["add", "--preset", "google", "--tenants", "x,y", "--client-id", "usher"], "--preset google takes no --tenants: leave it out"),
        (vec!["add", "--preset", "google", "--issuer", &slash, "--client-id", "usher"], "--preset google takes no --issuer: leave it out"),
        (
            vec!["add", "--preset", "other", "--issuer", &slash, "--tenant", "x", "--client-id", "usher"],
            "other takes no --tenant: leave it out",
        ),
        (vec!["add", "--preset", "microsoft", "--issuer", &slash, "--client-id", "usher"], "microsoft takes no --issuer: leave it out"),
        (vec!["add", "--preset", "microsoft", "--client-id", "usher"], "needs --tenant with your Directory (tenant) ID, or --tenants"),
        (vec!["add", "--preset", "microsoft", "--tenant", "common", "--client-id", "usher"], "Directory (tenant) ID"),
        (vec!["add", "--preset", "google", "--client-id", "usher", "--trust-unverified-email"], "serves more than one organization"),
        (vec!["test"], "no such connection"),
        (vec!["remove", "--connection", "nonsense"], "no such connection"),
    ] {
        let error = refused(&server, &words).await;
        assert!(error.contains(said), "{words:?}: {error}");
        assert!(!error.contains(Idp::SECRET));
    }
    assert_eq!(sso(&server, &["list"]).await, json!([]));
}

#[tokio::test]
async fn sso_is_required_only_with_a_proven_way_in_and_one_for_the_day_it_breaks() {
    on_both(async |engine| {
        let server = super::server(engine).await;
        server.administrator("ana@example.com").await;
        server.member("bo@example.com", &[]).await;
        let idp = provider_for(&server).await;
        let connection = connect(&server, &server.org, &idp.issuer, Idp::SECRET).await;
        if engine == Engine::Sqlite {
            assert!(refused(&server, &["require"]).await.contains("has signed in through a connection"));
        }
        let browser_of_ana = browser();
        link_by_mailbox(&browser_of_ana, &server, &connection, "ana").await;
        // The first Administrator never had a password; a link to choose one is out.
        let (door, admin) = (format!("{}/sign-in/{}", server.address(), server.org), browser());
        let ask = async |browser: &Client, email: &str| {
            assert_eq!(post(browser, &door, &[("email", email), ("do", "reset")]).await.status, 200);
        };
        ask(&admin, "admin@example.com").await;
        let out = server.newest_link_to("admin@example.com", 1).await;
        let required = sso(&server, &["require"]).await;
        let not_linked: Vec<_> = required["not_linked"].as_array().unwrap().iter().map(|one| one["email"].as_str().unwrap()).collect();
        assert_eq!((&required["required"], not_linked), (&json!(true), vec!["admin@example.com", "bo@example.com"]));

        let by_password = async |email: &str| {
            let browser = browser();
            post(&browser, &door, &[("email", email), ("password", PASSWORD), ("do", "password")]).await;
            me(&browser, &server).await.is_some()
        };
        assert!(!by_password("bo@example.com").await, "a member comes in through the provider only");
        assert!(by_password("ana@example.com").await, "an Administrator has a way in when it breaks");
        assert!(!get(&browser(), &door).await.html.contains("Email me a sign-in link"));
        // No mailbox opens what the provider is to guard: a link replaces a password, and makes none.
        let shown = get(&admin, &out).await;
        let set = post(&admin, &shown.place, &[("password", "nine quiet herons read the tide"), ("do", "go")]).await;
        assert!(set.status == 410 && me(&admin, &server).await.is_none(), "{}", set.html);
        ask(&admin, "admin@example.com").await;
        // They are looked at in order: once hers has come, nothing else comes.
        ask(&browser_of_ana, "ana@example.com").await;
        server.newest_link_to("ana@example.com", 3).await;
        let resets = server.mails().iter().filter(|mail| mail.contains("admin@example.com>") && mail.contains("/link/")).count();
        assert_eq!(resets, 1);
        // The last connection stays while it is the only way.
        if engine == Engine::Sqlite {
            assert!(refused(&server, &["remove"]).await.contains("Single sign-on is required here"));
        }
        assert_eq!(sso(&server, &["require", "--off"]).await["required"], false);
        // All Administrators hear of each change, for it decides who gets in; nobody else does.
        for email in ["admin@example.com", "ana@example.com"] {
            told(&server, email, &["with Example Login was connected to", "is now required at", "is no longer required at"]).await;
        }
        told(&server, "bo@example.com", &[]).await;
        assert!(by_password("bo@example.com").await);
        assert_eq!(server.verified().await["ok"], true);
    })
    .await;
}

/// Signs somebody in by password.
async fn by_password(server: &Server, email: &str) -> Client {
    let browser = browser();
    let door = format!("{}/sign-in/{}", server.address(), server.org);
    post(&browser, &door, &[("email", email), ("password", PASSWORD), ("do", "password")]).await;
    assert!(me(&browser, server).await.is_some(), "{email}");
    browser
}

/// Links Ana's identity by her mailbox, and lets her in by it.
async fn linked_ana(server: &Server, connection: &str) -> Client {
    let browser = browser();
    let back = sign_in_at(&browser, server, &server.org, connection, "ana").await;
    post(&browser, &back.place, &[("do", "go")]).await;
    let shown = get(&browser, &server.newest_link_to("ana@example.com", 2).await).await;
    post(&browser, &shown.place, &[("do", "go")]).await;
    assert!(me(&browser, server).await.is_some());
    browser
}

/// What a command says that is refused, on either database.
async fn not_done(server: &Server, words: &[&str]) -> String {
    server.cli_refused(&[&["sso"], words, &["--org", &server.org], &ALLOWED].concat()).await
}

#[tokio::test]
async fn requiring_sso_ends_the_sessions_that_came_in_by_a_way_it_closes() {
    on_both(async |engine| {
        let server = super::server(engine).await;
        server.administrator("ana@example.com").await;
        server.administrator("cy@example.com").await;
        server.member("bo@example.com", &[]).await;
        let idp = provider_for(&server).await;
        let connection = connect(&server, &server.org, &idp.issuer, Idp::SECRET).await;
        let cy = by_password(&server, "cy@example.com").await;
        let (ana, bo) = (by_password(&server, "ana@example.com").await, by_password(&server, "bo@example.com").await);
        let linked = linked_ana(&server, &connection).await;
        let bo_by_mail = browser();
        let door = format!("{}/sign-in/{}", server.address(), server.org);
        post(&bo_by_mail, &door, &[("email", "bo@example.com"), ("do", "link")]).await;
        let shown = get(&bo_by_mail, &server.newest_link_to("bo@example.com", 2).await).await;
        post(&bo_by_mail, &shown.place, &[("do", "go")]).await;
        assert!(me(&bo_by_mail, &server).await.is_some());
        let from_the_host = browser();
        let made = server.cli(&["sign-in-link", "--org", &server.org, "--user", "bo@example.com", "--json"]).await;
        let shown = get(&from_the_host, made["url"].as_str().expect("an address")).await;
        post(&from_the_host, &shown.place, &[("do", "go")]).await;

        // Bo came in by accepting the invite, too.
        assert_eq!(sso(&server, &["require"]).await["sessions_ended"], 3);
        for (browser, stays) in [(&ana, true), (&linked, true), (&bo, false), (&bo_by_mail, false), (&from_the_host, true)] {
            assert_eq!(me(browser, &server).await.is_some(), stays);
        }
        let log = server.ok("list_audit_events", json!({"action": "sso:required"})).await;
        assert!(log["events"][0]["changes"].to_string().contains("sessions_ended"), "{log}");
        // A password lets Administrators in beside it: whoever is none any more is out from the next request on.
        assert!(me(&cy, &server).await.is_some());
        server.ok("update_user", json!({"user": "cy@example.com", "role": "User"})).await;
        assert!(me(&cy, &server).await.is_none() && me(&ana, &server).await.is_some());
        assert_eq!(sso(&server, &["require"]).await["sessions_ended"], 0);
        assert_eq!(sso(&server, &["require", "--off"]).await["sessions_ended"], 0);
        assert!(me(&from_the_host, &server).await.is_some());
        assert_eq!(server.verified().await["ok"], true);
    })
    .await;
}

#[tokio::test]
async fn requiring_sso_ends_what_came_in_by_links_that_were_switched_off_before() {
    on_both(async |engine| {
        let server = super::server(engine).await;
        for email in ["ana@example.com", "cy@example.com"] {
            server.administrator(email).await;
        }
        server.member("bo@example.com", &[]).await;
        let idp = provider_for(&server).await;
        let connection = connect(&server, &server.org, &idp.issuer, Idp::SECRET).await;
        let by_link = async |email: &str| {
            let browser = browser();
            let door = format!("{}/sign-in/{}", server.address(), server.org);
            post(&browser, &door, &[("email", email), ("do", "link")]).await;
            let shown = get(&browser, &server.newest_link_to(email, 2).await).await;
            post(&browser, &shown.place, &[("do", "go")]).await;
            browser
        };
        let (bo, cy) = (by_link("bo@example.com").await, by_link("cy@example.com").await);
        assert!(server.tamper("UPDATE users SET password_hash = NULL WHERE email = 'cy@example.com'").await);
        let linked = linked_ana(&server, &connection).await;
        server.cli(&["org", "set", "--org", &server.org, "--magic-links", "off", "--json"]).await;
        assert!(me(&bo, &server).await.is_some() && me(&cy, &server).await.is_some(), "links close, and who is in stays");
        sso(&server, &["require"]).await;
        assert!(me(&bo, &server).await.is_none());
        assert!(me(&cy, &server).await.is_none(), "an Administrator without a password comes in through the provider, too");
        // No promotion revives it, and no change of mind.
        server.ok("update_user", json!({"user": "bo@example.com", "role": "Administrator"})).await;
        assert!(me(&bo, &server).await.is_none());
        sso(&server, &["require", "--off"]).await;
        assert!(me(&bo, &server).await.is_none() && me(&cy, &server).await.is_none());
        // A provider that is taken away takes along who came in through it.
        assert!(me(&linked, &server).await.is_some());
        sso(&server, &["remove"]).await;
        assert!(me(&linked, &server).await.is_none());
        assert_eq!(server.verified().await["ok"], true);
    })
    .await;
}

#[tokio::test]
async fn what_required_sso_rests_on_is_not_taken_away() {
    on_both(async |engine| {
        let server = super::server(engine).await;
        server.administrator("ana@example.com").await;
        let (idp, second) = (provider_for(&server).await, provider_for(&server).await);
        let first = connect(&server, &server.org, &idp.issuer, Idp::SECRET).await;
        // Linked is not yet come in by it.
        let ana = by_password(&server, "ana@example.com").await;
        let link_own = async |connection: &str| {
            let out = own(&ana, &server, "/me/identities", &[("connect", &format!("sso:{connection}"))]).await;
            let back = get(&ana, crate::common::oidc::sign_in(&ana, &out.onward(), "ana").await.as_str()).await;
            assert_eq!(post(&ana, &back.place, &[("do", "go")]).await.location.as_deref(), Some("/me"));
        };
        let come_in = async |connection: &str| {
            let browser = browser();
            let back = sign_in_at(&browser, &server, &server.org, connection, "ana").await;
            assert_eq!(post(&browser, &back.place, &[("do", "go")]).await.location.as_deref(), Some("/"), "{}", back.html);
        };
        link_own(&first).await;
        assert!(not_done(&server, &["require"]).await.contains("has signed in through a connection"));
        come_in(&first).await;
        sso(&server, &["require"]).await;

        // Ana is the only one who came in by it, and the only one with a password.
        let way_out = "usher sso require --off";
        for (tool, arguments) in [
            ("deactivate_user", json!({"user": "ana@example.com"})),
            ("deactivate_user", json!({"user": "ana@example.com", "dry_run": true})),
            ("update_user", json!({"user": "ana@example.com", "role": "User"})),
        ] {
            let error = server.refused(tool, arguments).await;
            assert_eq!(error["code"], "conflict", "{error}");
            assert!(error["hint"].as_str().unwrap().contains(way_out), "{error}");
        }
        let last_connection = not_done(&server, &["remove"]).await;
        assert!(last_connection.contains(way_out), "{last_connection}");
        let two = connect(&server, &server.org, &second.issuer, Idp::SECRET).await;
        let proven = not_done(&server, &["remove", "--connection", &first]).await;
        assert!(proven.contains("who signed in through it") && proven.contains(way_out), "{proven}");
        let file = server.data_dir.path().join("another");
        std::fs::write(&file, Idp::SECRET).unwrap();
        let file = file.display().to_string();
        let relink = ["relink", "--connection", &first, "--client-secret-file", &file, "--client-id"];
        assert!(not_done(&server, &[&relink[..], &["usher-2"]].concat()).await.contains(way_out));
        // Another secret changes nothing of who came in.
        sso(&server, &[&relink[..], &[Idp::CLIENT]].concat()).await;

        // A sign-in that was only linked does not stand in for the one that was used, until it is used itself.
        link_own(&two).await;
        let of_first = [("issuer", idp.issuer.as_str()), ("subject", "ana")];
        let kept = own(&ana, &server, "/me/identities", &of_first).await;
        assert!(kept.status == 422 && kept.html.contains("who signed in through it"), "{}", kept.html);
        come_in(&two).await;
        sso(&server, &["remove", "--connection", &first]).await;
        // One whose connection is gone opens nothing: it is taken off although one way in is left.
        let gone = own(&ana, &server, "/me/identities", &of_first).await;
        assert_eq!(gone.location.as_deref(), Some("/me"), "{}", gone.html);
        let last = own(&ana, &server, "/me/identities", &[("issuer", second.issuer.as_str()), ("subject", "ana")]).await;
        assert!(last.status == 422 && last.html.contains("It is the only way in"), "{}", last.html);

        // Somebody else with a password, and somebody else who came in: now she can go.
        server
            .ok("invite_user", json!({"email": "eve@elsewhere.example", "first_name": "Eve", "last_name": "Else", "role": "Administrator"}))
            .await;
        let eve = browser();
        let back = sign_in_at(&eve, &server, &server.org, &two, "eve").await;
        post(&eve, &back.place, &[("do", "go"), ("first_name", "Eve"), ("last_name", "Else")]).await;
        let no_password = server.refused("deactivate_user", json!({"user": "ana@example.com"})).await;
        assert!(no_password["message"].as_str().unwrap().contains("with a password"), "{no_password}");
        let set = own(&eve, &server, "/me/password", &[("password", PASSWORD)]).await;
        assert_eq!(set.status, 303, "{}", set.html);
        server.ok("deactivate_user", json!({"user": "ana@example.com"})).await;
        assert_eq!(server.refused("update_user", json!({"user": "eve@elsewhere.example", "role": "User"})).await["code"], "conflict");
        sso(&server, &["require", "--off"]).await;
        server.ok("update_user", json!({"user": "eve@elsewhere.example", "role": "User"})).await;
        assert_eq!(server.verified().await["ok"], true);
    })
    .await;
}

#[tokio::test]
async fn every_administrator_is_told_whose_password_is_a_way_in_beside_the_provider() {
    on_both(async |engine| {
        let server = super::server(engine).await;
        server.administrator("ana@example.com").await;
        server.member("bo@example.com", &[]).await;
        let idp = provider_for(&server).await;
        let connection = connect(&server, &server.org, &idp.issuer, Idp::SECRET).await;
        link_by_mailbox(&browser(), &server, &connection, "ana").await;
        // While there are other ways in, nobody breaks any glass.
        let role = async |role: &str| server.ok("update_user", json!({"user": "bo@example.com", "role": role})).await;
        role("Administrator").await;
        role("User").await;
        sso(&server, &["require"]).await;
        let (is_now, no_longer) = (
            |who: &str| format!("{who} is now a break-glass Administrator of My organization"),
            |who: &str| format!("{who} is no longer a break-glass Administrator of My organization"),
        );
        // What waits when somebody is no Administrator any more does not reach them.
        let told = async || {
            let connection = Connection::to(&server).await;
            let waiting = "SELECT count(*) FROM outbox WHERE state = 'queued'";
            until("the mail", async || (connection.number(waiting).await == 0).then_some(())).await;
            connection.close().await;
        };
        role("Administrator").await;
        told().await;
        server.ok("deactivate_user", json!({"user": "bo@example.com"})).await;
        server.ok("reactivate_user", json!({"user": "bo@example.com"})).await;
        told().await;
        role("User").await;
        // A first password is one more; another one in its place is not.
        let own = browser();
        let made = server.cli(&["sign-in-link", "--org", &server.org, "--user", "admin@example.com", "--json"]).await;
        let token = made["url"].as_str().and_then(|url| url.rsplit('/').next()).unwrap();
        let shown = get(&own, &format!("{}/link/{token}", server.address())).await;
        post(&own, &shown.place, &[("do", "go")]).await;
        let page = me(&own, &server).await.expect("in");
        let drawn = page.split("name=\"as\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
        for (current, password) in [("", "nine quiet herons read the tide"), ("nine quiet herons read the tide", PASSWORD)] {
            let form = [("as", drawn), ("current", current), ("password", password)];
            assert_eq!(post(&own, &format!("{}/me/password", server.address()), &form).await.status, 303);
        }
        let who = "Test Person";
        let expected = [is_now(who), no_longer(who), is_now(who), no_longer(who), is_now("First Administrator")];
        for email in ["admin@example.com", "ana@example.com"] {
            assert_eq!(subjects(&server, email, "break-glass", 5).await, expected);
        }
        assert_eq!(subjects(&server, "bo@example.com", "break-glass", 2).await, [is_now(who), is_now(who)]);
        assert_eq!(server.verified().await["ok"], true);
    })
    .await;
}

#[tokio::test]
async fn r_b115_another_registration_at_the_provider_has_a_way_out() {
    on_both(async |engine| {
        let (server, idp, connection) = joined_up(engine).await;
        super::invite(&server, "ana@example.com").await;
        let browser_of_ana = browser();
        let back = sign_in_at(&browser_of_ana, &server, &server.org, &connection, "ana").await;
        post(&browser_of_ana, &back.place, &[("do", "go"), ("first_name", "Ana"), ("last_name", "Ruiz")]).await;
        // And the only Administrator, who has no password.
        let by_mailbox = async |person: &str, email: &str| {
            let (fresh, so_far) = (browser(), server.links_to(email).len());
            let back = sign_in_at(&fresh, &server, &server.org, &connection, person).await;
            assert_eq!(back.heading(), "Is this account yours?", "{person}: {}", back.html);
            post(&fresh, &back.place, &[("do", "go")]).await;
            let shown = get(&fresh, &server.newest_link_to(email, so_far + 1).await).await;
            post(&fresh, &shown.place, &[("do", "go")]).await;
            assert!(me(&fresh, &server).await.is_some(), "{person}");
        };
        by_mailbox("admin", "admin@example.com").await;
        // The new registration names everybody anew; by itself it opens nothing.
        idp.order(&json!({"client_id": "usher-2", "client_secret": "another", "pairwise": true})).await;
        let door = format!("{}/sign-in/{}", server.address(), server.org);
        let out = post(&browser(), &door, &[("do", &format!("sso:{connection}"))]).await;
        assert_eq!(browser().get(out.onward()).send().await.unwrap().status(), 400, "the provider knows the old client no more");
        let file = server.data_dir.path().join("another");
        std::fs::write(&file, "another").unwrap();
        let file = file.display().to_string();
        sso(&server, &["relink", "--client-id", "usher-2", "--client-secret-file", &file]).await;
        by_mailbox("ana", "ana@example.com").await;
        by_mailbox("admin", "admin@example.com").await;
        assert_eq!(server.call(&server.token, "whoami", json!({})).await.status, 200, "her token is kept");
        let log = server.ok("list_audit_events", json!({"action": "sso:relinked"})).await;
        assert_eq!(log["events"][0]["actor"]["kind"], "cli");
        told(&server, "admin@example.com", &["with Example Login was connected to", "with Example Login was changed at"]).await;
    })
    .await;
}

#[tokio::test]
async fn a_connection_that_trusts_its_issuer_takes_silence_about_an_address_and_no_denial() {
    on_both(async |engine| {
        let server = super::server(engine).await;
        let idp = provider_for(&server).await;
        let file = server.data_dir.path().join("secret");
        std::fs::write(&file, Idp::SECRET).unwrap();
        let file = file.display().to_string();
        super::register(&server, &server.org, &idp.issuer).await;
        let add = ["add", "--preset", "other", "--issuer", &idp.issuer, "--client-id", Idp::CLIENT, "--client-secret-file", &file];
        let connection = sso(&server, &[&add[..], &["--trust-unverified-email"]].concat()).await["id"].as_str().unwrap().to_owned();
        assert_eq!(sso(&server, &["list"]).await[0]["trusts_unverified_email"], true);
        for (person, joins) in [("cy", true), ("bo", false)] {
            let email = format!("{person}@example.com");
            super::invite(&server, &email).await;
            let browser = browser();
            let back = sign_in_at(&browser, &server, &server.org, &connection, person).await;
            assert_eq!(back.heading() == "You are invited", joins, "{}", back.html);
            post(&browser, &back.place, &[("do", "go"), ("first_name", "Ana"), ("last_name", "Ruiz")]).await;
            assert_eq!(me(&browser, &server).await.is_some(), joins, "{person}");
            assert_eq!(super::status(&server, &email).await, if joins { "active" } else { "pending" });
        }
    })
    .await;
}

/// Runs one of the scripts in `examples/sso`; what it said, and whether it went through.
async fn example(script: &str, words: &[&str], environment: &[(&str, &str)]) -> (bool, String) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/sso").join(script);
    let mut command = tokio::process::Command::new(path);
    command.args(words).env("USHER", env!("CARGO_BIN_EXE_usher")).envs(environment.iter().copied());
    let output = command.output().await.expect("it runs");
    (output.status.success(), format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)))
}

#[tokio::test]
async fn the_examples_connect() {
    let server = super::server(Engine::Sqlite).await;
    let idp = provider_for(&server).await;
    let file = server.data_dir.path().join("secret");
    std::fs::write(&file, Idp::SECRET).unwrap();
    let (file, folder) = (file.display().to_string(), server.data_dir.path().display().to_string());
    let environment = [("USHER_DATA_DIR", folder.as_str()), ("USHER_OUTBOUND_ALLOW", "127.0.0.0/8")];
    let (done, said) = example("openid", &[&server.org, &idp.issuer, "Example Login", Idp::CLIENT, &file], &environment).await;
    assert!(done && said.contains("/sign-in/sso/callback"), "{said}");
    assert_eq!(sso(&server, &["list"]).await[0]["name"], "Example Login");
    // No test calls Google or Microsoft: their own words are understood, and find no database; and with the provider here in the
    // place of theirs, everything else that the script says connects, and somebody joins.
    let nowhere = [("USHER_DATA_DIR", "/nonexistent/usher")];
    let stand_in = server.data_dir.path().join("usher-with-a-stand-in");
    std::fs::write(&stand_in, STAND_IN).unwrap();
    std::fs::set_permissions(&stand_in, std::fs::Permissions::from_mode(0o700)).unwrap();
    let stand_in = stand_in.display().to_string();
    let here = [environment[0], environment[1], ("USHER", &stand_in), ("STAND_IN", &idp.issuer), ("REAL", env!("CARGO_BIN_EXE_usher"))];
    let tenant = "72f988bf-86f1-41af-91ab-2d7cd011db47";
    // Of Cy the provider does not say that the address is verified, as Microsoft says of nobody.
    for (script, of_provider, person) in [("google", vec![], "ana"), ("microsoft", vec![tenant], "cy")] {
        let words = [&[server.org.as_str()], &of_provider[..], &[Idp::CLIENT, &file]].concat();
        let (done, said) = example(script, &words, &nowhere).await;
        assert!(!done && said.contains("there is nothing of usher's"), "{script}: {said}");
        sso(&server, &["remove"]).await;
        register(&server, &server.org, &idp.issuer).await;
        let (done, said) = example(script, &words, &here).await;
        assert!(done && said.contains("/sign-in/sso/callback"), "{script}: {said}");
        let connection = sso(&server, &["list"]).await[0].clone();
        assert_eq!(connection["trusts_unverified_email"], script == "microsoft", "{script}");
        let (email, browser) = (format!("{person}@example.com"), browser());
        let opened = get(&browser, &invite(&server, &email).await).await;
        let back = via(&browser, &opened.place, connection["id"].as_str().expect("an id"), person).await;
        let names = [("do", "go"), ("first_name", "Ana"), ("last_name", "Ruiz")];
        assert_eq!(post(&browser, &back.place, &names).await.location.as_deref(), Some("/me"), "{script}: {}", back.html);
        assert_eq!(status(&server, &email).await, "active");
    }
}

/// Runs `usher` with the provider `STAND_IN` in the place of the one that a preset names.
const STAND_IN: &str = r#"#!/usr/bin/env bash
set -euo pipefail
words=()
while (($#)); do
    case $1 in
        --preset) words+=(--preset other --issuer "$STAND_IN"); shift 2 ;;
        --tenant) shift 2 ;;
        *) words+=("$1"); shift ;;
    esac
done
exec "$REAL" "${words[@]}"
"#;

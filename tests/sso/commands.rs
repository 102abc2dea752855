//! `usher sso` on the host.

use super::{ALLOWED, connect, get, joined_up, me, post, provider_for, sign_in_at};
use crate::common::{
    Engine, PASSWORD, Server,
    database::Connection,
    oidc::{Idp, browser},
    on_both, until,
};
use reqwest::Client;
use serde_json::{Value, json};

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
        (vec!["add", "--preset", "google", "--tenant", "x", "--client-id", "usher"], "--preset google takes neither"),
        (vec!["add", "--preset", "microsoft", "--client-id", "usher"], "--tenant"),
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
            assert!(refused(&server, &["remove"]).await.contains("SSO is required"));
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
        role("Administrator").await;
        server.ok("deactivate_user", json!({"user": "bo@example.com"})).await;
        server.ok("reactivate_user", json!({"user": "bo@example.com"})).await;
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
    // No test calls Google or Microsoft: their scripts are understood, and find no database.
    let nowhere = [("USHER_DATA_DIR", "/nonexistent/usher")];
    for (script, words) in [
        ("google", vec!["my-organization", "id.apps.googleusercontent.com", &file]),
        ("microsoft", vec!["my-organization", "72f988bf-86f1-41af-91ab-2d7cd011db47", "id", &file]),
    ] {
        let (done, said) = example(script, &words, &nowhere).await;
        assert!(!done && said.contains("there is nothing of usher's"), "{script}: {said}");
    }
}

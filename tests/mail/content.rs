//! What stands in a mail, and what never gets into it.

use super::{FROM, Taken, delivered, read, server_and_sink, taken, through};
use crate::{
    common::{
        Engine, PASSWORD, Server,
        oidc::{self, Idp},
        on_both,
        smtp::Sink,
        until,
    },
    sso,
};
use serde_json::{Value, json};

/// The headers of an invite, in order; never another one.
const HEADERS: [&str; 8] = ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type"];

/// Without the invisible joiners that keep names from becoming links.
fn plain(text: &str) -> String {
    text.replace('\u{2060}', "")
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

/// What must hold of every invite, whatever the names are; what an independent reader makes of it.
fn sound(mail: &Taken, email: &str) -> Value {
    assert_eq!(mail.to, [email], "one recipient on the wire");
    assert_eq!(mail.whole["envelope_from"], FROM);
    let raw = std::str::from_utf8(&mail.raw).expect("ASCII");
    assert!(raw.is_ascii() && raw.split("\r\n").all(|line| line.len() <= 998 && !line.contains(['\r', '\n', '\0'])), "{raw}");
    let said = read(mail);
    let mut headers: Vec<&str> = said["headers"].as_array().expect("names").iter().map(text).collect();
    headers.sort_unstable();
    let mut expected = HEADERS;
    expected.sort_unstable();
    assert_eq!(headers, expected);
    assert_eq!(said["to"].as_array().map(Vec::len), Some(1), "{}", said["to"]);
    assert_eq!(said["to"][0][1], email);
    assert_eq!(said["from"].as_array().map(Vec::len), Some(1), "{}", said["from"]);
    assert_eq!(said["from"][0][1], FROM);
    assert!(text(&said["from"][0][0]).ends_with(" via usher"), "{}", said["from"]);
    assert!(!text(&said["subject"]).contains(['\r', '\n']));
    assert_eq!(said["defects"], json!([]));
    assert_eq!(said["parts"], json!(["multipart/alternative", "text/plain", "text/html"]));
    // One link, whole, in both parts; nothing else is opened or loaded.
    let link = mail.link();
    assert!(link.len() <= 120);
    assert_eq!(said["loads"], json!([link, link]));
    let (plain_part, visible, html) = (text(&said["text"]), text(&said["visible"]), text(&said["html"]));
    assert_eq!((plain_part.matches("://").count(), plain_part.matches(&link).count()), (1, 1), "{plain_part}");
    assert_eq!((visible.matches("://").count(), visible.matches(&link).count()), (1, 1), "{visible}");
    let ours = ["a", "b", "bdi", "body", "br", "div", "h1", "head", "html", "main", "meta", "p", "style", "table", "td", "title", "tr"];
    assert_eq!(said["tags"], json!(ours));
    assert!(!html.contains("cid:") && !html.contains("url(") && !html.contains("<script"));
    said
}

async fn renamed_organization(server: &Server, name: &str) {
    assert_eq!(server.cli(&["org", "rename", "--org", &server.org, "--name", name, "--json"]).await["changed"], true);
}

#[tokio::test]
async fn r_b17_r_b100_and_r_b101_the_mail_says_who_invited_whom_to_what_and_until_when() {
    on_both(async |engine| {
        let sink = Sink::start(&[]).await;
        // Wherever the server stands, the mail names the zone (R-B101).
        let server = Server::quickstart_with(engine, &through(&sink).with("TZ", "Pacific/Auckland")).await;
        renamed_organization(&server, "Larkspur Freight").await;
        server.ok("update_user", json!({"user": "admin@example.com", "first_name": "Mirela", "last_name": "Vasquez-Thorne"})).await;
        let arguments = json!({"email": "oksana.petrenko@larkspur.example", "first_name": "Oksana", "last_name": "Petrenko"});
        let invited = server.ok("invite_user", arguments).await["user"].clone();
        delivered(&server, "oksana.petrenko@larkspur.example", "sent", None).await;
        let mail = taken(&sink).remove(0);
        let said = sound(&mail, "oksana.petrenko@larkspur.example");
        assert_eq!(said["from"], json!([["Larkspur Freight via usher", FROM]]));
        assert_eq!(said["to"], json!([["Oksana Petrenko", "oksana.petrenko@larkspur.example"]]));
        assert_eq!(said["subject"], "Mirela Vasquez-Thorne invited you to Larkspur Freight");
        // R-B100: the same instant to the second in the tool's result and in the mail.
        let instant = |name: &str| invited[name].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
        let (sent, until) = (instant("invite_sent_at"), instant("invite_expires_at"));
        assert_eq!(until.as_millisecond() - sent.as_millisecond(), 604_800_000);
        assert_eq!(invited["invite_sent_at"], invited["created_at"]);
        assert!(["invite_sent_at", "invite_expires_at"].iter().all(|name| invited[*name].as_str().unwrap().ends_with('Z')));
        assert_eq!(said["date"].as_i64(), Some(sent.as_second()));
        let words = until.strftime("%A %-d %B %Y, %H:%M UTC").to_string();
        let text = format!(
            "Hello Oksana,

Mirela Vasquez-Thorne invited you to Larkspur Freight.

Open this page, check the name that stands there, and join:

  {}

Nothing happens before you choose Join.

  Admits  Oksana Petrenko
  As      User
  Until   {words}

The link is for oksana.petrenko@larkspur.example alone: please do not
forward it. Not expected? Ignore this email; no account is opened
without you.

-- 
Sent once, because Mirela Vasquez-Thorne asked for it,
by usher at 127.0.0.1",
            mail.link()
        );
        assert_eq!(said["text"].as_str().unwrap().replace("\r\n", "\n").trim_end(), text);
        let visible = said["visible"].as_str().unwrap();
        for part in [
            "Mirela Vasquez-Thorne invited you to Larkspur Freight",
            "Nothing happens before you choose Join.",
            "Open the invite",
            "Oksana Petrenko",
            words.as_str(),
            until.strftime("%-d %b %Y, %H:%M UTC").to_string().as_str(),
            "The link is for oksana.petrenko@larkspur.example alone",
        ] {
            assert!(visible.contains(part), "{part} is missing in {visible}");
        }
        assert!(String::from_utf8_lossy(&mail.raw).contains("Auto-Submitted: auto-generated"));
        assert_eq!(server.http.get(mail.link()).send().await.unwrap().status(), 200);
    })
    .await;
}

#[tokio::test]
async fn r_b17_the_links_of_the_door_stand_whole_in_both_parts() {
    on_both(async |engine| {
        let sink = Sink::start(&[]).await;
        let mut options = through(&sink);
        options.arguments.extend(sso::ALLOWED.map(str::to_owned));
        let server = Server::quickstart_with(engine, &options).await;
        let email = "ana@example.com";
        super::invite(&server, email).await;
        delivered(&server, email, "sent", None).await;
        assert_eq!(server.accept(&taken(&sink).remove(0).link(), "Ana", "Ruiz", PASSWORD).await.status(), 200);
        let idp = sso::provider_for(&server).await;
        let connection = sso::connect(&server, &server.org, &idp.issuer, Idp::SECRET).await;
        let (browser, door) = (oidc::browser(), format!("{}/sign-in/{}", server.address(), server.org));
        for act in ["link", "reset"] {
            assert_eq!(sso::post(&browser, &door, &[("email", email), ("do", act)]).await.status, 200);
        }
        let back = sso::through_the_door(&browser, &server, &connection, "ana").await;
        assert_eq!(sso::post(&browser, &back.place, &[("do", "go")]).await.status, 200);
        drop(server.cli(&["user", "reset-password", "--org", &server.org, "--user", email, "--json"]).await);
        let is_of_the_door = |mail: &Taken| String::from_utf8_lossy(&mail.raw).contains("/link/");
        let mails = until("four mails", async || {
            let mails: Vec<_> = taken(&sink).into_iter().filter(is_of_the_door).collect();
            (mails.len() == 4).then_some(mails)
        })
        .await;
        for mail in mails {
            sound(&mail, email);
            assert!(mail.link().starts_with(&format!("{}/link/", server.address())), "{}", mail.link());
            assert_eq!(sso::get(&browser, &mail.link()).await.status, 200);
        }
    })
    .await;
}

/// Names that the rules let through and that mean something to mail programs, shells, browsers or readers.
const NAMES: [(&str, &str); 14] = [
    ("O'Neill, Ana", "(Vendor)"),
    ("\"Eve\" <eve", "x>"),
    ("a,b;c:", "d,"),
    ("Ana\\", "\\\"Ruiz"),
    ("<img src=x>", "<b>IT</b>"),
    ("</bdi><script>alert(1)</script>", "{{ link }}"),
    ("=?utf-8?q?Bcc?=", "?="),
    ("שלום", "محمد"),
    ("Núñez", "ŝ Ĝ"),
    ("李", "🙂"),
    ("Bcc: evil", "To: evil"),
    ("%0d%0aBcc: evil", "\\r\\nBcc: evil"),
    (".", "--"),
    ("Undisclosed recipients:;", "<>"),
];

#[tokio::test]
async fn requirement_54_no_name_adds_a_header_or_a_recipient() {
    on_both(async |engine| {
        let (server, sink) = server_and_sink(engine).await;
        renamed_organization(&server, "\"Eve\" <Larkspur>, Ltd; יזם").await;
        server.ok("create_access_group", json!({"name": "\"Bcc\": <x>, y"})).await;
        server.ok("update_user", json!({"user": "admin@example.com", "first_name": "\"Mirela\" <m", "last_name": "n>, Bcc: o"})).await;
        for (n, (first, last)) in NAMES.iter().enumerate() {
            let email = format!("p{n}@example.com");
            let arguments = json!({"email": email, "first_name": first, "last_name": last, "access_groups": ["\"Bcc\": <x>, y"]});
            let shown = server.ok("invite_user", arguments).await["user"].clone();
            delivered(&server, &email, "sent", None).await;
            let mail = taken(&sink).pop().unwrap();
            let said = sound(&mail, &email);
            let whole = format!("{} {}", shown["first_name"].as_str().unwrap(), shown["last_name"].as_str().unwrap());
            assert_eq!(plain(said["to"][0][0].as_str().unwrap()), whole, "the name arrives as it is");
            let subject = plain(said["subject"].as_str().unwrap());
            assert_eq!(subject, "\"Mirela\" <m n>, Bcc: o invited you to \"Eve\" <Larkspur>, Ltd; יזם");
            assert_eq!(plain(said["from"][0][0].as_str().unwrap()), "\"Eve\" <Larkspur>, Ltd; יזם via usher");
            assert!(plain(said["visible"].as_str().unwrap()).contains(&whole.split_whitespace().collect::<Vec<_>>().join(" ")));
        }
    })
    .await;
}

#[tokio::test]
async fn r_b98_a_line_break_is_refused_in_everything_that_reaches_a_header() {
    on_both(async |engine| {
        let (server, sink) = server_and_sink(engine).await;
        for broken in
            ["Ana\r\nBcc: evil@example.org", "Ana\rX: y", "Ana\n.\n", "A\0B", "A\u{2028}B", "A\u{85}B", "A\u{202e}B", "A\u{200b}B"]
        {
            for (field, arguments) in [
                ("first_name", json!({"email": "ana@example.com", "first_name": broken, "last_name": "Ruiz"})),
                ("last_name", json!({"email": "ana@example.com", "first_name": "Ana", "last_name": broken})),
                ("email", json!({"email": format!("ana@example.com{broken}"), "first_name": "Ana", "last_name": "Ruiz"})),
            ] {
                let refused = server.refused("invite_user", arguments).await;
                assert_eq!((&refused["code"], &refused["field"]), (&json!("invalid_argument"), &json!(field)), "{broken:?}");
            }
            assert_eq!(server.refused("create_access_group", json!({"name": broken})).await["code"], "invalid_argument");
            // No program can be given a NUL.
            if !broken.contains('\0') {
                let rename = ["org", "rename", "--org", &server.org, "--name", broken];
                let (renamed, words) = super::relays::said(&server, &rename, &[]).await;
                assert!(!renamed && words.contains("one line"), "{broken:?}: {words}");
            }
        }
        for email in [
            "ana@example.com\r\nRCPT TO:<evil@example.org>",
            "ana@example.com, evil@example.org",
            "ana@example.com>, <evil@example.org",
            "\"Eve\" <eve@example.com>",
            "ana@example.com evil@example.org",
            "ana@[127.0.0.1]",
        ] {
            let refused = server.refused("invite_user", json!({"email": email, "first_name": "Ana", "last_name": "Ruiz"})).await;
            assert_eq!((&refused["code"], &refused["field"]), (&json!("invalid_argument"), &json!("email")), "{email}");
        }
        assert!(sink.transcript().is_empty(), "the relay heard nothing of all this");
        assert_eq!(server.ok("list_users", json!({})).await["total"], 1);
    })
    .await;
}

#[tokio::test]
async fn r_b91_and_r_b92_what_is_stored_becomes_neither_markup_nor_a_link() {
    on_both(async |engine| {
        let (server, sink) = server_and_sink(engine).await;
        // Older than the rules, or written past them.
        let organizations = "UPDATE organizations SET name = '</div><a href=https://evil.example>Verify evil.example/login</a>'";
        let people = "UPDATE users SET first_name = '<b>IT</b> www.evil.example', last_name = 'http://evil.example/p.png'";
        assert!(server.tamper(organizations).await && server.tamper(people).await);
        let arguments = json!({"email": "ana@example.com", "first_name": "<img src=//evil.test/p.png>", "last_name": "Ruiz"});
        let refused = server.refused("invite_user", arguments).await;
        assert_eq!((&refused["code"], &refused["field"]), (&json!("invalid_argument"), &json!("first_name")));
        server.ok("invite_user", json!({"email": "ana@example.com", "first_name": "<img src=x>", "last_name": "Ruiz"})).await;
        delivered(&server, "ana@example.com", "sent", None).await;
        let said = sound(&taken(&sink)[0], "ana@example.com");
        for part in [&said["text"], &said["visible"], &said["subject"]] {
            let part = part.as_str().unwrap();
            assert!(!part.contains("evil.example") && !part.contains("www.e") && !part.contains("https://evil"), "{part}");
            assert!(plain(part).contains("evil.example"), "the name is there, and no link: {part}");
        }
    })
    .await;
}

#[tokio::test]
async fn in_the_mail_folder_the_link_stands_in_one_piece_whatever_the_names_are() {
    drop(rustls::crypto::ring::default_provider().install_default());
    let server = Server::quickstart(Engine::Sqlite).await;
    for (n, (first, last)) in [("Añá", "Núñez"), ("J.R.", "O.K."), ("李", "🙂"), ("Ana", "Ruiz")].into_iter().enumerate() {
        let email = format!("p{n}@example.com");
        server.ok("invite_user", json!({"email": email, "first_name": first, "last_name": last})).await;
        // As somebody reads it who opens the file, without any decoding.
        let link = server.link_to(&email).await;
        assert_eq!(server.accept(&link, first, last, PASSWORD).await.status(), 200, "{link}");
    }
}

#[tokio::test]
async fn r_b97_an_international_domain_needs_nothing_of_the_relay() {
    for smtputf8 in ["off", "on"] {
        drop(rustls::crypto::ring::default_provider().install_default());
        let sink = Sink::start(&["--smtputf8", smtputf8]).await;
        let server = Server::quickstart_with(Engine::Sqlite, &through(&sink)).await;
        let arguments = json!({"email": "ana@bücher.example", "first_name": "Añá", "last_name": "Ruiz"});
        let invited = server.ok("invite_user", arguments).await;
        assert_eq!(invited["user"]["email"], "ana@bücher.example");
        delivered(&server, "ana@bücher.example", "sent", None).await;
        let mail = taken(&sink).remove(0);
        let said = sound(&mail, "ana@xn--bcher-kva.example");
        assert_eq!(said["to"][0][0], "Añá Ruiz");
        assert_eq!(mail.whole["mail_options"], json!([]), "no extension is asked for");
        let refused = server.refused("invite_user", json!({"email": "añá@example.com", "first_name": "Añá", "last_name": "Ruiz"})).await;
        assert_eq!((&refused["code"], &refused["field"]), (&json!("invalid_argument"), &json!("email")));
    }
}

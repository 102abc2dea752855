use super::*;
use crate::{
    domain::{IdentityChange, Role, SecondFactorChange, SsoChange, Timestamp},
    mail::{
        letter::{Letter, Link, Matter},
        words::Language,
    },
};
use samples::{UNTIL, about, letters};

#[path = "samples.rs"]
mod samples;

const LINK: &str = "https://usher.larkspur.example/invite/3vX9kQ2mT7pLr0WzB4cJ3vX9kQ2mT7pLr0WzB4cJ3vX";

fn invite(inviter: &'static str, url: &'static str) -> Matter<'static> {
    Matter::Invite { inviter, role: Role::User, link: Link { url, until: UNTIL }, again: false }
}

fn mail() -> Letter<'static> {
    about(invite("Mirela Vasquez-Thorne", LINK))
}

/// A mail as a receiver reads it: unfolded, decoded.
struct Received {
    raw: String,
    headers: Vec<(String, String)>,
    text: String,
    html: String,
}

impl Received {
    fn header(&self, name: &str) -> &str {
        let mut found = self.headers.iter().filter(|(header, _)| header == name);
        let value = &found.next().expect("header").1;
        assert!(found.next().is_none(), "{name} stands twice");
        value
    }
}

/// As a relay takes it.
fn built(letter: &Letter) -> Result<Message, MailBuildError> {
    build(letter, Way::Relay)
}

fn receive(mail: &Letter) -> Received {
    let message = built(mail).expect("mail");
    assert_eq!(message.envelope().to().len(), 1);
    assert_eq!(message.envelope().to()[0].to_string(), mail.to_email);
    let raw = String::from_utf8(message.formatted()).expect("headers and parts are ASCII");
    assert!(raw.is_ascii());
    assert!(!raw.replace("\r\n", "").contains(['\r', '\n']), "a lone CR or LF");
    assert!(raw.split("\r\n").all(|line| line.len() <= LINE_MAX));
    let (head, body) = raw.split_once("\r\n\r\n").expect("head and body");
    let headers = headers(head);
    let kind = headers.iter().find(|(name, _)| name == "Content-Type").expect("content type");
    let boundary = kind.1.split("boundary=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("boundary");
    let parts: Vec<&str> = body.split(&format!("--{boundary}")).collect();
    assert_eq!(parts.len(), 4, "preamble, text, HTML, end");
    assert!(parts[3].starts_with("--"));
    Received { text: decoded(parts[1], "text/plain; charset=utf-8"), html: decoded(parts[2], "text/html; charset=utf-8"), headers, raw }
}

fn headers(head: &str) -> Vec<(String, String)> {
    head.replace("\r\n ", " ")
        .split("\r\n")
        .map(|line| {
            let (name, value) = line.split_once(": ").expect("a header line");
            (name.to_owned(), words(value))
        })
        .collect()
}

fn decoded(part: &str, kind: &str) -> String {
    let (head, body) = part.trim_start().split_once("\r\n\r\n").expect("part");
    let headers = headers(head);
    let value = |name: &str| headers.iter().find(|(header, _)| header == name).expect("header").1.as_str();
    assert_eq!(value("Content-Type"), kind);
    match value("Content-Transfer-Encoding") {
        "7bit" => body.to_owned(),
        "quoted-printable" => String::from_utf8(unquoted(&body.replace("=\r\n", ""), b'=')).expect("UTF-8"),
        other => panic!("unexpected encoding {other}"),
    }
}

/// `=XX` to bytes.
fn unquoted(text: &str, mark: u8) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        if *first == mark {
            let hex = std::str::from_utf8(&tail[..2]).expect("hex");
            out.push(u8::from_str_radix(hex, 16).expect("hex"));
            rest = &tail[2..];
        } else {
            out.push(*first);
            rest = tail;
        }
    }
    out
}

/// Encoded words of RFC 2047 in base64, joined where only a space stands between two.
fn words(value: &str) -> String {
    use base64::Engine;
    let mut out = String::new();
    let mut rest = value;
    while let Some((before, after)) = rest.split_once("=?utf-8?b?") {
        let (word, tail) = after.split_once("?=").expect("end of word");
        let gap_between_words = !out.is_empty() && before == " ";
        if !gap_between_words {
            out.push_str(before);
        }
        let bytes = base64::engine::general_purpose::STANDARD.decode(word).expect("base64");
        out.push_str(&String::from_utf8(bytes).expect("UTF-8"));
        rest = tail;
    }
    out + rest
}

#[test]
fn the_headers_are_those_of_an_invite() {
    let received = receive(&mail());
    assert_eq!(received.header("From"), "\"Larkspur Freight via usher\" <usher@larkspur.example>");
    assert_eq!(received.header("To"), "\"Oksana Petrenko\" <oksana.petrenko@larkspur.example>");
    assert_eq!(received.header("Subject"), "Mirela Vasquez-Thorne invited you to Larkspur Freight");
    assert_eq!(received.header("Auto-Submitted"), "auto-generated");
    assert_eq!(received.header("Message-ID"), "<01990b1c7e1a.1@usher.larkspur.example>");
    assert_eq!(received.header("Date"), "Wed, 25 Nov 2026 14:00:00 +0000");
    assert_eq!(received.header("MIME-Version"), "1.0");
    assert_eq!(received.headers.len(), 8, "{}", received.raw);
}

#[test]
fn r_b17_both_parts_hold_the_same_whole_link() {
    let longest: &'static str = format!("https://usher.example/invite/{}", "a".repeat(LINK_MAX - 29)).leak();
    assert_eq!(longest.len(), LINK_MAX);
    for link in [LINK, longest] {
        for organization in ["Larkspur Freight", "Ларкспур Фрахт Інтернешнл", "運送会社"] {
            let received = receive(&Letter { organization, matter: invite("Mirela Vasquez-Thorne", link), ..mail() });
            assert!(received.text.lines().any(|line| line.trim() == link), "{}", received.text);
            assert_eq!(received.text.matches("http").count(), 1);
            assert!(received.html.contains(&format!("href=\"{link}\"")));
            assert!(received.html.contains(&format!(">{link}</a>")));
            let targets = received.html.matches("href=\"").count();
            assert_eq!(targets, received.html.matches(&format!("href=\"{link}\"")).count());
            assert_eq!(received.html.matches("http").count(), 3, "button, address and its text");
        }
    }
}

#[test]
fn an_ascii_text_shows_the_link_in_the_raw_file() {
    assert!(receive(&mail()).raw.contains(&format!("\r\n  {LINK}\r\n")));
}

#[test]
fn in_the_folder_every_text_shows_the_link_in_the_raw_file() {
    for (first, organization) in [("Añá", "Larkspur Freight"), ("Ana", "Larkspur Inc.x"), ("李", "運送会社"), ("Ana", "Larkspur Freight")]
    {
        let mail = Letter { to_first: first, organization, ..mail() };
        let raw = String::from_utf8(build(&mail, Way::Folder).expect("mail").formatted()).expect("UTF-8");
        assert!(raw.contains(&format!("\r\n  {LINK}\r\n")), "{raw}");
        assert!(raw.contains(&format!("Hello {first},\r\n")), "{raw}");
        let (head, text) = raw.split_once("\r\n\r\n").expect("head and body");
        assert!(head.is_ascii(), "a header has no eight bits: {head}");
        let plain = text.split("text/html").next().expect("the text part");
        assert_eq!(plain.contains("Content-Transfer-Encoding: 8bit"), !plain.is_ascii(), "{plain}");
        assert!(raw.split("\r\n").all(|line| line.len() <= LINE_MAX && !line.contains(['\r', '\n'])));
    }
    // A line too long for mail is broken all the same.
    let long = "ж".repeat(600);
    let raw = build(&Letter { organization: &long, ..mail() }, Way::Folder).expect("mail").formatted();
    assert!(raw.split(|byte| *byte == b'\n').all(|line| line.len() <= LINE_MAX));
}

#[test]
fn both_parts_say_the_same() {
    let received = receive(&mail());
    for fact in [
        "Mirela Vasquez-Thorne",
        "Larkspur Freight",
        "Oksana Petrenko",
        "User",
        "Wednesday 2 December 2026, 14:00 UTC",
        "oksana.petrenko@larkspur.example",
        "Nothing happens before you choose Join.",
        "usher.larkspur.example",
    ] {
        assert!(received.text.contains(fact), "text: {fact}");
        assert!(received.html.contains(fact), "HTML: {fact}");
    }
    assert!(received.text.contains("Mirela Vasquez-Thorne invited you to Larkspur Freight."));
}

#[test]
fn r_b91_html_in_names_stays_text() {
    let received = receive(&Letter {
        organization: "</div><a href=https://evil.example>Verify</a>",
        matter: invite("<b>IT</b>", LINK),
        to_first: "<img src=https://evil.example/p.png>",
        ..mail()
    });
    for tag in ["</div><a", "<b>IT", "<img", "<script", "src=\""] {
        assert!(!received.html.contains(tag), "{tag}");
    }
    assert!(received.html.contains("&#60;b&#62;IT&#60;"));
    assert!(received.text.contains("<b>IT<"), "the text needs no escapes");
    assert_eq!(received.html.matches("href=\"").count(), 2);
    assert!(!received.html.contains("evil.example") && !received.text.contains("evil.example"));
    assert!(!received.html.contains("https://evil") && !received.text.contains("https://evil"));
}

#[test]
fn r_b92_names_are_not_linked() {
    let received = receive(&Letter {
        organization: "Urgent: evil.example/login",
        matter: invite("www.evil.example", LINK),
        to_first: "https://evil.example",
        to_last: "x@evil.example",
        ..mail()
    });
    let seen = [
        received.text.as_str(),
        received.html.as_str(),
        received.header("Subject"),
        received.header("From"),
        received.header("To"),
        &received.raw,
    ];
    for place in seen {
        for bait in ["evil.example", "www.evil", "https://evil", "x@evil"] {
            assert!(!place.contains(bait), "{bait} in {place}");
        }
    }
    assert!(received.text.contains("Urgent: evil.\u{2060}example/\u{2060}login"));
    assert_eq!(received.header("Subject"), "www.\u{2060}evil.\u{2060}example invited you to Urgent: evil.\u{2060}example/\u{2060}login");
}

#[test]
fn r_b92_ordinary_names_stay_as_they_are() {
    for name in ["St. John", "Larkspur Freight Inc.", "O'Neill & Sons", "(Vendor)", "Añá", ""] {
        assert_eq!(unlinked(name), name);
    }
    for name in ["J.R.", "a.b@c:d/e", "=?utf-8?q?x?=", "中国。公司"] {
        let once = unlinked(name);
        assert_ne!(once, name);
        assert_eq!(unlinked(&once), once, "the rule holds when applied twice");
        assert_eq!(once.replace('\u{2060}', ""), name);
    }
}

#[test]
fn r_b97_names_are_encoded_and_addresses_are_ascii() {
    let received =
        receive(&Letter {
            to_email: "ana@xn--bcher-kva.example", to_first: "Añá", to_last: "Núñez", organization: "Ларкспур", ..mail()
        });
    assert!(received.header("To").contains("Añá Núñez"));
    assert!(received.header("To").ends_with("<ana@xn--bcher-kva.example>"));
    assert!(received.header("From").contains("Ларкспур via usher"));
    assert!(received.header("Subject").ends_with("invited you to Ларкспур"));
    for to_email in ["ana@bücher.example", "añá@example.com", "ana", "", "a@b, c@d.example", "Ana <ana@example.com>"] {
        let result = built(&Letter { to_email, ..mail() });
        assert!(matches!(result, Err(MailBuildError::Address("to_email"))), "{to_email}");
    }
}

#[test]
fn r_b98_line_breaks_are_refused_in_every_field() {
    for poison in ["Ana\r\nBcc: evil@example.org", "Ana\rX: y", "Ana\n.\n", "Ana\0", "Ana\u{85}x", "Ana\u{2028}x"] {
        type Set = fn(&mut Letter<'static>, &'static str);
        let fields: [(&str, Set); 7] = [
            ("from", |mail, text| mail.from = text),
            ("to_email", |mail, text| mail.to_email = text),
            ("to_first", |mail, text| mail.to_first = text),
            ("to_last", |mail, text| mail.to_last = text),
            ("organization", |mail, text| mail.organization = text),
            ("host", |mail, text| mail.host = text),
            ("message_id", |mail, text| mail.message_id = text),
        ];
        for (field, set) in fields {
            let mut poisoned = mail();
            set(&mut poisoned, poison);
            match built(&poisoned) {
                Err(MailBuildError::Control(found)) => assert_eq!(found, field),
                other => panic!("{field}: {other:?}"),
            }
        }
        for letter in letters(poison, LINK) {
            assert!(matches!(built(&letter), Err(MailBuildError::Control(_))), "{}", subject_of(&letter));
        }
        for letter in letters("Ana", poison).into_iter().filter(|letter| letter.link().is_some()) {
            assert!(matches!(built(&letter), Err(MailBuildError::Control("link"))), "{}", subject_of(&letter));
        }
    }
}

fn subject_of(letter: &Letter) -> &'static str {
    letter.language.words(letter).subject
}

#[test]
fn display_names_cannot_add_a_recipient() {
    for name in [
        "Ana, evil@example.org",
        "evil@example.org>, <x",
        "\"Ana\" <evil@example.org>,",
        "Ana\\\" <evil@example.org>, \\\"",
        "Ana; Bcc: evil@example.org",
        "(comment) Ana",
        "=?utf-8?q?Ana=0d=0aBcc:_evil@example.org?=",
        "=?utf-8?b?QW5hDQpCY2M6IGU=?=",
        "undisclosed-recipients:;",
        "  ",
    ] {
        let received = receive(&Letter { to_first: name, organization: name, matter: invite(name, LINK), ..mail() });
        let raw_head = received.raw.split("\r\n\r\n").next().expect("head");
        assert!(!raw_head.to_lowercase().contains("\nbcc"), "{raw_head}");
        assert!(!raw_head.contains("=?utf-8?q?Ana"), "{raw_head}");
        assert_eq!(received.headers.len(), 8, "{raw_head}");
        assert!(received.header("To").ends_with("<oksana.petrenko@larkspur.example>"));
        assert!(received.header("From").ends_with("<usher@larkspur.example>"));
        assert!(!received.header("To").contains("evil@example.org"));
    }
}

#[test]
fn long_names_fold_and_arrive_whole() {
    for letter in ["a", "ж", "運", "e ", "\u{1F4EC}"] {
        let name: &'static str = letter.repeat(100).trim_end().to_owned().leak();
        let received = receive(&Letter { to_first: name, to_last: name, organization: name, matter: invite(name, LINK), ..mail() });
        assert_eq!(received.header("Subject"), format!("{name} invited you to {name}"));
        assert!(received.text.replace('\n', " ").contains(name));
        assert!(received.html.contains(name));
    }
}

#[test]
fn the_sender_may_be_bare_or_named() {
    for from in ["usher@larkspur.example", "usher <usher@larkspur.example>", "\"A, B\" <usher@larkspur.example>"] {
        let received = receive(&Letter { from, ..mail() });
        assert_eq!(received.header("From"), "\"Larkspur Freight via usher\" <usher@larkspur.example>");
    }
    for from in ["", "usher", "usher <usher@larkspur.example", "a@b.example, c@d.example"] {
        let result = built(&Letter { from, ..mail() });
        assert!(matches!(result, Err(MailBuildError::Address("from"))), "{from}");
    }
}

#[test]
fn only_a_plain_web_address_is_a_link() {
    let long: &'static str = format!("https://usher.example/invite/{}", "a".repeat(LINK_MAX)).leak();
    for link in
        ["", "https://", "javascript:alert(1)", "https://a b", "https://a\"b", "https://a'b", "https://a<b", "https://ü.example/", long]
    {
        assert!(matches!(built(&about(invite("Mirela", link))), Err(MailBuildError::Link)), "{link}");
    }
    for link in ["http://127.0.0.1:8080/invite/x", "http://[::1]:8080/p/invite/x_-y"] {
        assert!(built(&about(invite("Mirela", link))).is_ok(), "{link}");
    }
}

#[test]
fn identity_and_date_are_checked() {
    let with_id = |message_id| built(&Letter { message_id, ..mail() });
    assert!(with_id("a@b").is_ok());
    for id in ["", "a", "@b", "a@", "<a@b", "a@b>", "a b@c", "a@b@c", "ä@b"] {
        assert!(matches!(with_id(id), Err(MailBuildError::MessageId)), "{id}");
    }
    let at = |ms| built(&Letter { date: Timestamp::from_millis(ms), ..mail() });
    assert!(at(0).is_ok() && at(253_402_300_799_999).is_ok());
    for ms in [-1, i64::MIN, 253_402_300_800_000, i64::MAX] {
        assert!(matches!(at(ms), Err(MailBuildError::Date)), "{ms}");
    }
}

#[test]
fn nothing_is_loaded_from_anywhere() {
    let html = receive(&mail()).html;
    for loader in ["<img", "<link", "<script", "url(", "@import", " src=", "background=\""] {
        assert!(!html.contains(loader), "{loader}");
    }
}

#[test]
fn debug_output_and_errors_hold_no_secret() {
    assert!(!format!("{:?}", mail()).contains("3vX9kQ2mT7pLr0WzB4cJ"));
    let result = built(&about(invite("Mirela", "ftp://3vX9kQ2mT7pLr0WzB4cJ")));
    let error = result.expect_err("no web address");
    assert!(!format!("{error} {error:?}").contains("3vX9"));
}

/// What a reader of the HTML sees: no tags, no style, no entities of ours, one space between words.
fn visible(html: &str) -> String {
    let body = html.split_once("<main>").expect("main").1;
    let mut out = String::new();
    let mut within = false;
    for c in body.chars() {
        match c {
            '<' => within = true,
            '>' => {
                within = false;
                out.push(' ');
            }
            _ if !within => out.push(c),
            _ => {}
        }
    }
    let text = out.replace("&#39;", "'").replace("&#38;", "&");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn in_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn both_parts_of_every_letter_say_the_same() {
    for letter in letters("Dana Whitfield", LINK) {
        let received = receive(&letter);
        let (words, shared) = (letter.language.words(&letter), letter.language.shared());
        let (text, seen) = (in_one_line(&received.text), visible(&received.html));
        let mut sentences = vec![words.title, shared.greeting, words.sent];
        sentences.extend(words.paragraphs);
        sentences.extend(words.foot);
        for sentence in sentences {
            let line = in_one_line(&Line::of(&letter, sentence).expect("facts").plain());
            assert!(text.contains(&line), "text: {line}\n{text}");
            // A name is an element of its own, so that the spaces about it may be two.
            let squeezed = |text: &str| text.replace(' ', "");
            assert!(squeezed(&seen).contains(&squeezed(&line)), "HTML: {line}\n{seen}");
        }
        let rows = rows(&letter, &words);
        assert_eq!(rows.len(), words.rows.len(), "every fact is known here");
        for row in rows {
            assert!(text.contains(&format!("{} {}", row.label, row.value.long)), "text: {}", row.label);
            assert!(seen.contains(&format!("{} {}", row.label, row.value.short)), "HTML: {}", row.label);
        }
        if let Some(link) = letter.link() {
            assert_eq!(received.text.lines().filter(|line| line.trim() == link.url).count(), 1);
            assert_eq!(received.html.matches(&format!("href=\"{}\"", link.url)).count(), 2);
            assert!(received.text.contains("Wednesday 2 December 2026, 14:00 UTC"));
            let words = words.link.expect("words about it");
            assert!(text.contains(words.after) && seen.contains(words.after) && seen.contains(words.button));
        } else {
            assert!(!received.raw.contains("://") && !received.html.contains("href"), "a notice has no link");
            assert!(words.link.is_none());
        }
    }
}

#[test]
fn every_letter_says_when_and_what_to_do_next_and_who_sent_it() {
    for letter in letters("Dana Whitfield", LINK) {
        let received = receive(&letter);
        let words = letter.language.words(&letter);
        let timed = words.rows.iter().any(|(_, fact)| matches!(fact, Fact::When | Fact::Until | Fact::Ends));
        assert!(timed, "{}", words.subject);
        assert!(received.text.matches(" UTC").count() >= 1);
        let next = words.foot.or(words.paragraphs.last().copied()).expect("what to do");
        assert!(["Not expected?", "If ", "not ask for it?", "not you?"].iter().any(|way| next.contains(way)), "{next}");
        assert!(received.text.trim_end().ends_with("by usher at usher.larkspur.example"));
        assert_eq!(received.header("Auto-Submitted"), "auto-generated");
        assert_eq!(received.header("Message-ID"), "<01990b1c7e1a.1@usher.larkspur.example>");
        assert_eq!(received.header("From"), "\"Larkspur Freight via usher\" <usher@larkspur.example>");
        assert_eq!(received.headers.len(), 8);
        assert!(!received.header("Subject").ends_with('.') && received.header("Subject").len() < 120);
    }
}

#[test]
fn a_link_that_works_for_minutes_says_so_and_in_which_browser() {
    for letter in letters("Dana Whitfield", LINK) {
        if let Matter::SignInLink { .. } | Matter::ResetLink { .. } | Matter::LinkIdentity { .. } = letter.matter {
            let received = receive(&letter);
            for part in [in_one_line(&received.text), visible(&received.html)] {
                assert!(part.contains("for 10 minutes, and only in the browser"), "{part}");
            }
        }
    }
}

#[test]
fn what_is_not_known_is_not_mentioned() {
    for matter in [
        Matter::PasswordChanged { browser: None, first: false },
        Matter::SecondFactorChanged { change: SecondFactorChange::Removed, by: None, browser: None },
        Matter::SignInLink { link: Link { url: LINK, until: UNTIL }, browser: None },
        Matter::AdministratorMade { who: "Dana Whitfield", by: None },
    ] {
        let received = receive(&about(matter));
        assert!(!received.text.contains("  In ") && !received.text.contains("  By ") && !received.text.contains("Asked in"));
        assert!(!received.html.contains(">In<br>") && !received.html.contains(">By<br>") && !received.html.contains("Asked in"));
        assert!(!received.raw.contains("None"));
    }
}

#[test]
fn r_b91_r_b92_no_letter_makes_markup_or_links_of_what_people_chose() {
    for name in
        ["<img src=https://evil.example/p.png>", "www.evil.example", "</bdi><a href=\"https://evil.example\">x</a>", "{host} {link} {}"]
    {
        for letter in letters(name, LINK) {
            let letter = Letter { to_first: name, to_last: name, organization: name, ..letter };
            let received = receive(&letter);
            for place in [&received.text, &received.html, &received.raw] {
                assert!(!place.contains("evil.example") && !place.contains("www.e"), "{place}");
            }
            for tag in ["<img", "<a href=\"https://evil", "</bdi><a", "<script"] {
                assert!(!received.html.contains(tag), "{tag}");
            }
            assert_eq!(received.html.matches("href=\"").count(), if letter.link().is_some() { 2 } else { 0 });
            if name.starts_with('{') {
                assert!(received.text.contains("{host} {link} {}"), "braces in a name are no fact: {}", received.text);
            }
        }
    }
}

#[test]
fn no_sentence_asks_for_a_fact_that_the_letter_lacks() {
    for letter in letters("Dana Whitfield", LINK) {
        let received = receive(&letter);
        assert!(!received.text.contains(['{', '}']), "{}", received.text);
        assert!(!visible(&received.html).contains(['{', '}']));
    }
    let unknown = Line::of(&mail(), "Hello {nobody},");
    assert!(matches!(unknown, Err(MailBuildError::Words(name)) if name == "nobody"));
}

#[test]
fn the_text_part_wraps_at_spaces_and_keeps_its_breaks() {
    assert_eq!(wrapped("a b\nc"), "a b\nc");
    let long = "word ".repeat(40);
    let lines = wrapped(long.trim_end());
    assert!(lines.lines().all(|line| line.chars().count() <= WRAP_AT && !line.ends_with(' ')));
    assert_eq!(lines.replace('\n', " "), long.trim_end());
    let unbroken = "x".repeat(200);
    assert_eq!(wrapped(&unbroken), unbroken);
    for letter in letters("Dana Whitfield", LINK) {
        for line in receive(&letter).text.lines().filter(|line| !line.contains("://")) {
            assert!(line.chars().count() <= WRAP_AT + 4, "{line}");
        }
    }
}

//! Mail gateways open every link, rewrite it, cut it short and fill forms in; none of that is an answer.

use super::{ANA, KIM, Kind, NEW, World, browser};
use crate::{
    common::{on_both, until},
    sso::{Seen, get, post},
};
use reqwest::{Client, Method, redirect::Policy};
use tokio::task::JoinSet;
use url::Url;

/// Programs that open links before a person does, by what they say of themselves.
const SCANNERS: [&[(&str, &str)]; 7] = [
    &[("user-agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 HeadlessChrome/156.0 Safari/537.36")],
    &[("user-agent", "Mozilla/5.0 (compatible; MSIE 10.0; Windows NT 6.2; Trident/6.0)"), ("accept", "*/*")],
    &[("user-agent", "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)"), ("range", "bytes=0-32768")],
    &[("user-agent", "Mozilla/5.0 (Macintosh) Safari/605.1.15"), ("purpose", "prefetch"), ("x-purpose", "preview")],
    &[("sec-purpose", "prefetch;prerender"), ("sec-fetch-site", "cross-site"), ("sec-fetch-dest", "document")],
    &[("user-agent", "Mozilla/5.0 Firefox/145.0"), ("x-moz", "prefetch"), ("sec-fetch-mode", "navigate")],
    &[],
];

/// A program that follows where it is sent, with a memory for cookies or without.
fn scanner(remembers: bool) -> Client {
    Client::builder().cookie_store(remembers).redirect(Policy::limited(5)).build().expect("a client")
}

/// Everything that scanners ask of a link, all at once: HEAD, five times GET, what else is safe or never let through.
async fn scan(link: &str) {
    let mut asked = JoinSet::new();
    for headers in SCANNERS {
        for remembers in [false, true] {
            let mut addresses = vec![link.to_owned(); 5];
            addresses.push(format!("{link}?follow=true"));
            addresses.push(format!("{link}?follow=true&utm_source=x"));
            let client = scanner(remembers);
            asked.spawn(async move {
                for (n, address) in addresses.iter().enumerate() {
                    let method = if n == 0 { Method::HEAD } else { Method::GET };
                    let request =
                        headers.iter().fold(client.request(method, address), |request, (name, value)| request.header(*name, *value));
                    let seen = Seen::of(request.send().await.expect("an answer")).await;
                    assert!(matches!(seen.status, 200 | 403 | 404), "{} {}", seen.status, seen.html);
                    assert!(seen.cookies.iter().all(|cookie| !cookie.starts_with("usher_session")), "{:?}", seen.cookies);
                }
                for method in [Method::OPTIONS, Method::PUT, Method::DELETE, Method::PATCH] {
                    assert_eq!(client.request(method, &addresses[0]).send().await.expect("an answer").status(), 405);
                }
            });
        }
    }
    asked.join_all().await;
}

#[tokio::test]
async fn r_b14_get_and_head_never_consume_a_link_of_any_kind() {
    on_both(async |engine| {
        for kind in Kind::ALL {
            let world = World::of(kind, engine).await;
            let person = browser();
            let link = world.ask(&person, ANA).await;
            let before = world.digest().await;
            scan(&link).await;
            assert_eq!(world.digest().await, before, "{kind:?}");
            // In the very browser that asked, too.
            for _ in 0..5 {
                assert_eq!(get(&person, &link).await.status, 200, "{kind:?}");
            }
            assert_eq!(world.digest().await, before, "{kind:?}");
            // Four minutes later comes the person: once.
            world.age(4 * 60_000).await;
            let place = get(&person, &link).await.place;
            let done = world.press(&person, &place, ANA).await;
            assert!(matches!(done.status, 200 | 303), "{kind:?}: {}", done.html);
            assert!(world.is_in(&person, ANA).await, "{kind:?}");
            assert_eq!(world.uses(ANA).await, 1, "{kind:?}");
            for address in [&link, &place] {
                assert_eq!(get(&person, address).await.status, 410, "{kind:?}");
                assert_eq!(post(&person, address, &[("do", "go"), ("password", NEW)]).await.status, 410, "{kind:?}");
            }
            assert_eq!(world.uses(ANA).await, 1, "{kind:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn r_b14_a_scanner_that_fills_forms_in_uses_no_link_up() {
    on_both(async |engine| {
        // An operator's link is carried by hand, past every gateway, and works in any browser.
        for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::Operator) {
            let world = World::of(kind, engine).await;
            let person = browser();
            let link = world.ask(&person, ANA).await;
            let before = world.digest().await;
            for remembers in [false, true] {
                let scanner = scanner(remembers);
                let shown = get(&scanner, &link).await;
                for place in [link.as_str(), shown.place.as_str()] {
                    for form in [&[][..], &[("do", "go")], &[("do", "show")], &[("password", "a password of a scanner's"), ("do", "go")]] {
                        let seen = post(&scanner, place, form).await;
                        let refusals: &[u16] = if kind.is_bound() { &[403] } else { &[200, 404, 422] };
                        assert!(refusals.contains(&seen.status), "{kind:?} {form:?}: {} {}", seen.status, seen.html);
                        assert!(seen.cookies.iter().all(|cookie| !cookie.starts_with("usher_session")), "{kind:?} {:?}", seen.cookies);
                    }
                }
            }
            assert_eq!(world.digest().await, before, "{kind:?}");
            world.follow(&person, &link, ANA).await;
            assert!(world.is_in(&person, ANA).await && world.uses(ANA).await == 1, "{kind:?}");
        }
    })
    .await;
}

/// A link as rewriters and mail programs damage it.
fn damaged(link: &str, page: &str) -> Vec<String> {
    let encoded = link.replace(':', "%3A").replace('/', "%2F");
    let mut copies: Vec<String> = (1..=5).map(|n| link[..link.len() - n].to_owned()).collect();
    copies.extend(["%3D", ".", ">", "%20", "&utm_source=x", "&utm_source=x.", "&utm_source=x>"].map(|more| format!("{link}{more}")));
    copies.push(link.to_uppercase().replacen("HTTP", "http", 1).replace(&page.to_uppercase(), page));
    copies.extend([encoded.as_str(), "%00", "%ff%fe"].map(|text| format!("{page}{text}")));
    copies.push(format!("{page}x?url={encoded}"));
    copies
}

#[tokio::test]
async fn r_b16_a_damaged_copy_of_any_link_burns_nothing() {
    on_both(async |engine| {
        for kind in Kind::ALL {
            let world = World::of(kind, engine).await;
            let person = browser();
            let link = world.ask(&person, ANA).await;
            assert!(!link.contains('='), "a token has no padding: {link}");
            let (page, _) = link.rsplit_once('/').expect("a path");
            for copy in damaged(&link, &format!("{page}/")) {
                let seen = get(&person, &copy).await;
                assert!(matches!(seen.status, 404 | 410), "{kind:?} {copy}: {}", seen.status);
                assert!(seen.html.contains("</html>") && !seen.html.contains("panicked"), "{copy} has a page: {}", seen.html);
                assert!(!seen.html.contains("ana") && !seen.html.contains("Person"), "{copy}: {}", seen.html);
            }
            let unknown = get(&person, &format!("{page}/x?url={}", link.replace('/', "%2F"))).await;
            assert!(unknown.status == 404 && unknown.html.contains("opens nothing"), "{kind:?}: {}", unknown.html);
            // What a rewriter adds behind a question mark is passed over.
            world.follow(&person, &format!("{link}?utm_source=x&token=y#part"), ANA).await;
            assert!(world.is_in(&person, ANA).await && world.uses(ANA).await == 1, "{kind:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn r_b19_failed_tries_destroy_no_link_and_nobody() {
    on_both(async |engine| {
        for kind in Kind::ALL {
            let world = World::of(kind, engine).await;
            let person = browser();
            let link = world.ask(&person, ANA).await;
            let before = world.status(ANA).await;
            let (head, last) = link.split_at(link.len() - 1);
            let wrong = format!("{head}{}", if last == "a" { "b" } else { "a" });
            let guess = [("first_name", "Eve"), ("last_name", "Eve"), ("password", NEW), ("do", "join")];
            // Without a memory: to the server each guess comes from another browser.
            let guesser = scanner(false);
            let mut statuses = Vec::new();
            for _ in 0..50 {
                statuses.push(post(&guesser, &wrong, &guess).await.status);
            }
            assert!(statuses.iter().all(|status| matches!(status, 404 | 429)), "{kind:?}: {statuses:?}");
            // A guess comes back every three seconds: where one has meanwhile, the next takes it.
            let slowed = until("guessing is slowed down", async || {
                let answer = browser().get(&wrong).send().await.expect("an answer");
                assert!(matches!(answer.status().as_u16(), 404 | 429), "{kind:?}");
                (answer.status() == 429).then_some(answer)
            })
            .await;
            let wait = slowed.headers().get("retry-after").and_then(|seconds| seconds.to_str().ok()?.parse::<u32>().ok());
            assert!(wait.is_some_and(|seconds| seconds > 0), "{kind:?}");
            assert!(slowed.text().await.expect("a page").contains("Too many tries"), "{kind:?}");

            // Whoever holds the real link is not slowed down by it, and 50 tries of theirs that fail cost nothing either.
            let shown = get(&person, &link).await;
            assert_eq!(shown.status, 200, "{kind:?}: {}", shown.html);
            let (by, place, form, refusals): (_, _, _, &[u16]) = match kind {
                Kind::Invite => (
                    &person,
                    shown.place,
                    [("first_name", "Test"), ("last_name", "Person"), ("password", "too short"), ("do", "join")],
                    &[422],
                ),
                Kind::Reset => {
                    (&person, shown.place, [("first_name", ""), ("last_name", ""), ("password", "too short"), ("do", "go")], &[422])
                }
                Kind::StartedReset => {
                    (&person, shown.place, [("email", ANA.email), ("last_name", ""), ("password", "too short"), ("do", "go")], &[422])
                }
                Kind::Provider => {
                    let back = world.through_the_provider(&person, &shown.place, ANA).await;
                    (&person, back.place, [("first_name", ""), ("last_name", ""), ("password", "too short"), ("do", "go")], &[422])
                }
                // In another browser; an operator's link would open there, so that one is tried in a damaged form.
                Kind::SignIn | Kind::Identity => (&browser(), link.clone(), guess, &[403]),
                // Mostly too early; where a guess has come back meanwhile it is one more wrong one.
                Kind::Operator => (&browser(), wrong.clone(), guess, &[404, 429]),
            };
            for _ in 0..50 {
                let status = post(by, &place, &form).await.status;
                assert!(refusals.contains(&status), "{kind:?}: {status}");
            }
            assert_eq!(world.status(ANA).await, before, "{kind:?}");
            let newer = world.ask(&person, ANA).await;
            assert_ne!(newer, link);
            world.follow(&person, &newer, ANA).await;
            assert!(world.is_in(&person, ANA).await && world.status(ANA).await == "active", "{kind:?}");
            // And nobody else's was touched.
            let other = browser();
            let link = world.ask(&other, KIM).await;
            world.follow(&other, &link, KIM).await;
            assert!(world.is_in(&other, KIM).await, "{kind:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn r_b20_two_links_in_one_browser_never_mix() {
    on_both(async |engine| {
        for kind in Kind::ALL {
            let world = World::of(kind, engine).await;
            let one = browser();
            let (first, second) = (world.ask(&one, ANA).await, world.ask(&one, KIM).await);
            let opened = get(&one, &first).await;
            let shown = get(&one, &second).await;
            // Where the address is what the person must know, the page says none.
            let says = kind != Kind::StartedReset;
            assert!(shown.html.contains("kim.vale<wbr>@") == says && !shown.html.contains("ana<wbr>@"), "{kind:?}: {}", shown.html);
            assert_ne!(opened.place, shown.place);
            world.press(&one, &shown.place, KIM).await;
            assert!(world.is_in(&one, KIM).await, "{kind:?}");
            assert_eq!((world.uses(KIM).await, world.uses(ANA).await), (1, 0), "{kind:?}");
            assert_eq!(world.status(ANA).await, if kind.joins() { "pending" } else { "active" }, "{kind:?}");
            // The first form still stands open, and is still the first person's.
            world.press(&one, &opened.place, ANA).await;
            assert!(world.is_in(&one, ANA).await, "{kind:?}");
            assert_eq!((world.uses(KIM).await, world.uses(ANA).await), (1, 1), "{kind:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_link_moves_to_an_address_without_its_secret() {
    on_both(async |engine| {
        for kind in Kind::ALL {
            let world = World::of(kind, engine).await;
            let person = browser();
            let link = world.ask(&person, ANA).await;
            let secret = &link.rsplit('/').next().expect("a token")[6..];
            let moved = person.get(&link).send().await.expect("an answer");
            assert_eq!((moved.status().as_u16(), moved.headers()["referrer-policy"].as_bytes()), (303, &b"no-referrer"[..]), "{kind:?}");
            assert_eq!(moved.headers()["cache-control"], "no-store");
            let place = Url::parse(&link).expect("a URL").join(moved.headers()["location"].to_str().expect("text")).expect("a URL");
            let shown = get(&person, place.as_str()).await;
            assert!(shown.status == 200 && !place.as_str().contains(secret) && !shown.html.contains(secret), "{kind:?}: {}", shown.html);
        }
    })
    .await;
}

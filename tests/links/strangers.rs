//! Whoever is not the one a link is for, or is no more: they get nothing by it, and learn nothing from it.

use super::{ANA, KIM, Kind, NEW, World, browser};
use crate::{
    common::{Options, Server, database::Connection, on_both, smtp::Sink, until},
    signing_in::second_organization,
    sso::{get, me, post},
};
use serde_json::json;

impl World {
    /// Waits for the entry of a refused attempt to accept this person's invite.
    async fn attempt_is_noted(&self, email: &str) {
        let id = self.call("get_user", json!({"user": email})).await["user"]["id"].clone();
        until("the refused attempt", async || {
            let events = self.call("list_audit_events", json!({"action": "invite:accepted", "outcome": "refused"})).await;
            (events["events"][0]["target"]["id"] == id && events["events"][0]["surface"] == "web").then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn r_b32_the_invite_of_somebody_who_came_in_by_the_provider_sets_no_password() {
    on_both(async |engine| {
        let world = World::of(Kind::Provider, engine).await;
        let (person, holder) = (browser(), browser());
        let link = world.ask(&person, ANA).await;
        let open = get(&holder, &link).await;
        // She is activated by another path: at the door, without the link.
        let door = format!("{}/sign-in/{}", world.address(), world.server.org);
        let back = world.through_the_provider(&person, &door, ANA).await;
        post(&person, &back.place, &[("first_name", "Ana"), ("last_name", "Ruiz"), ("do", "go")]).await;
        assert!(world.is_in(&person, ANA).await);
        for place in [&link, &open.place] {
            let form = [("first_name", "Eve"), ("last_name", "Eve"), ("password", NEW), ("do", "join")];
            let seen = post(&holder, place, &form).await;
            assert!(seen.status == 410 && seen.html.contains("You have already joined"), "{}", seen.html);
        }
        let connection = Connection::to(&world.server).await;
        assert_eq!(connection.number("SELECT count(*) FROM users WHERE password_hash IS NOT NULL").await, 0);
        connection.close().await;
        world.attempt_is_noted(ANA.email).await;
        assert_eq!(world.uses(ANA).await, 1);
    })
    .await;
}

#[tokio::test]
async fn r_b52_no_link_of_somebody_deactivated_opens_anything() {
    on_both(async |engine| {
        for kind in Kind::ALL {
            let world = World::of(kind, engine).await;
            let person = browser();
            let link = world.ask(&person, ANA).await;
            let open = get(&person, &link).await;
            world.call("deactivate_user", json!({"user": ANA.email})).await;
            let form = [("first_name", "Ana"), ("last_name", "Ruiz"), ("password", NEW), ("do", "go")];
            for place in [&open.place, &link] {
                let seen = post(&person, place, &form).await;
                assert_eq!(seen.status, 410, "{kind:?}: {}", seen.html);
                assert!(!seen.html.contains("ana") && !seen.html.contains("Person"), "{kind:?}: {}", seen.html);
            }
            assert_eq!(get(&person, &link).await.status, 410, "{kind:?}");
            // Nor does it when they are back.
            if !kind.joins() {
                world.call("reactivate_user", json!({"user": ANA.email})).await;
                assert_eq!(post(&person, &link, &form).await.status, 410, "{kind:?}");
            }
            assert!(!world.is_in(&person, ANA).await && world.uses(ANA).await == 0, "{kind:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn r_b59_an_invite_joins_nobody_but_its_own_address_whoever_is_signed_in_and_comes_back() {
    on_both(async |engine| {
        // By a password, in the browser of somebody who is in at another organization.
        let world = World::of(Kind::Invite, engine).await;
        let second = second_organization(&world.server).await;
        let browser = browser();
        let made = world.server.cli(&["sign-in-link", "--org", &second, "--user", ANA.email, "--json"]).await;
        let shown = get(&browser, &world.here(made["url"].as_str().expect("a link"))).await;
        post(&browser, &shown.place, &[("do", "go")]).await;
        assert!(world.is_in(&browser, ANA).await);
        let link = world.ask(&browser, KIM).await;
        let shown = get(&browser, &link).await;
        assert!(shown.html.contains("kim.vale<wbr>@") && !shown.html.contains("ana<wbr>@"), "{}", shown.html);
        world.press(&browser, &shown.place, KIM).await;
        assert!(world.is_in(&browser, KIM).await);
        let users = world.call("list_users", json!({})).await;
        assert_eq!(users["total"], 2, "Ana is nobody here: {users}");

        // Through the provider, as somebody else there.
        let world = World::of(Kind::Provider, engine).await;
        let browser = super::browser();
        let link = world.ask(&browser, ANA).await;
        let place = get(&browser, &link).await.place;
        let back = world.through_the_provider(&browser, &place, KIM).await;
        assert_eq!((back.status, back.heading()), (403, "Another address"), "{}", back.html);
        let form = [("first_name", "Kim"), ("last_name", "Vale"), ("do", "go")];
        assert_eq!(post(&browser, &back.place, &form).await.status, 403);
        world.attempt_is_noted(ANA.email).await;
        assert_eq!((world.status(ANA).await.as_str(), world.uses(ANA).await), ("pending", 0));
        assert!(me(&browser, &world.server).await.is_none());
        assert_eq!(world.call("list_users", json!({})).await["total"], 2);
        // The invite is still hers.
        world.follow(&browser, &link, ANA).await;
        assert!(world.is_in(&browser, ANA).await);
    })
    .await;
}

#[tokio::test]
async fn r_b70_dead_links_of_the_door_name_nobody() {
    on_both(async |engine| {
        for kind in [Kind::SignIn, Kind::Reset, Kind::StartedReset, Kind::Operator, Kind::Identity] {
            let world = World::of(kind, engine).await;
            let person = browser();
            let mut pages = Vec::new();
            let used = world.ask(&person, ANA).await;
            world.follow(&person, &used, ANA).await;
            let expired = world.ask(&person, KIM).await;
            world.age(kind.lifetime() + 1000).await;
            let (head, last) = used.split_at(used.len() - 1);
            let random = format!("{head}{}", if last == "a" { "b" } else { "a" });
            for (link, status) in [(&used, 410), (&expired, 410), (&random, 404)] {
                for client in [&person, &browser()] {
                    for seen in [get(client, link).await, post(client, link, &[("password", NEW), ("do", "go")]).await] {
                        assert_eq!(seen.status, status, "{kind:?}: {}", seen.html);
                        for name in ["ana", "kim", "Person", "example.com", "My organization", "Administrator</bdi>", "<form"] {
                            assert!(!seen.html.contains(name), "{kind:?}: {name} in {}", seen.html);
                        }
                        pages.push(seen.html);
                    }
                }
            }
            // To everybody the same bytes: what it is of whom shows in none.
            assert!(pages.chunks(4).all(|same| same.iter().all(|page| *page == same[0])), "{kind:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn r_b68_a_mail_server_that_is_slow_or_gone_is_nobodys_business_at_the_door() {
    on_both(async |engine| {
        let sink = Sink::start(&[]).await;
        let relay = format!("smtp://127.0.0.1:{}", sink.port);
        let options = Options::arguments(&["--smtp-url", &relay, "--mail-from", "usher@sender.example"]);
        let server = Server::quickstart_with(engine, &options).await;
        // They sign in by links alone; nobody needs a password here.
        for email in ["active@example.com", "pending@example.com", "gone@example.com"] {
            server.ok("invite_user", json!({"email": email, "first_name": "A", "last_name": "B"})).await;
        }
        let mails = async |n: usize| until("the mails", async || (sink.mails().len() >= n).then(|| sink.mails().len())).await;
        assert_eq!(mails(3).await, 3);
        assert!(server.tamper("UPDATE users SET status = 'active', activated_at = created_at WHERE email LIKE 'active@%'").await);
        assert!(server.tamper("UPDATE users SET status = 'deactivated', deactivated_at = created_at WHERE email LIKE 'gone@%'").await);
        let all = ["active@example.com", "pending@example.com", "gone@example.com", "nobody@example.com"];
        let ask = async || {
            let mut answers = Vec::new();
            for email in all {
                for (place, act) in [("/sign-in".to_owned(), "link"), (format!("/sign-in/{}", server.org), "reset")] {
                    let seen = post(&browser(), &format!("{}{place}", server.address()), &[("email", email), ("do", act)]).await;
                    answers.push((act, seen.status, seen.html));
                }
            }
            assert!(answers.chunks(2).all(|pair| pair == &answers[..2]), "{answers:#?}");
            answers
        };
        // The relay holds every mail up; nobody waits for it. Then it refuses all, and then it is gone.
        sink.control(&json!([{"step": "DATA", "action": "slow", "seconds": 60}]));
        let slow = ask().await;
        assert_eq!(sink.mails().len(), 3, "answered while no mail has left");
        sink.control(&json!([{"step": "MAIL", "action": "451"}]));
        assert_eq!(ask().await, slow);
        drop(sink);
        assert_eq!(ask().await, slow);
        assert!(slow.iter().all(|(_, status, page)| *status == 200 && page.contains("Look into your mailbox")));
    })
    .await;
}

//! How long links and sessions live: to the second, through every change of the clocks, and never again once they ended.

use super::{ANA, KIM, Kind, NEW, Person, World, browser};
use crate::{
    common::{Engine, Options, on_both},
    sso::{Seen, get, post},
};
use reqwest::Client;
use usher_mcp::{
    domain::{Clock, DAY, HOUR, MINUTE, SECOND, Timestamp},
    http::server,
    store::sessions::{ABSOLUTE, IDLE},
};

impl World {
    /// Sends the form that stood open when its link ended: it is told so.
    async fn press_late(&self, browser: &Client, place: &str) -> Seen {
        let provider = format!("sso:{}", self.provider.as_ref().map_or("", |provider| &provider.1));
        let act = if self.kind == Kind::Provider { provider.as_str() } else { "go" };
        post(browser, place, &[("first_name", "Test"), ("last_name", "Person"), ("password", NEW), ("do", act)]).await
    }

    /// A link of somebody who was given it at `sent` works a second before its time is over, and not a second after.
    async fn holds_its_time(&self, person: Person, sent: Timestamp) {
        let (clock, lifetime, kind) = (self.clock(), self.kind.lifetime(), self.kind);
        let what = format!("{kind:?} of {}", sent.to_rfc3339());
        clock.set(sent);
        let late = browser();
        let link = self.ask(&late, person).await;
        let until = sent.plus(lifetime);
        let token = link.rsplit('/').next().expect("a token");
        let mail = self.server.mails().into_iter().find(|mail| mail.contains(token)).unwrap_or_default();
        if kind != Kind::Operator {
            assert!(mail.contains(&until.words_utc()), "{what}: {} in {mail}", until.words_utc());
        }
        clock.set(until.plus(-SECOND));
        let open = get(&late, &link).await;
        assert_eq!(open.status, 200, "{what}: {}", open.html);
        for said in [until.to_rfc3339(), until.short_utc()] {
            assert!(open.html.contains(&said), "{what}: {said} in {}", open.html);
        }
        let status = self.status(person).await;
        clock.set(until.plus(SECOND));
        for seen in [self.press_late(&late, &open.place).await, self.press_late(&late, &link).await, get(&late, &link).await] {
            assert!(seen.status == 410 && seen.html.contains("has expired"), "{what}: {} {}", seen.status, seen.html);
        }
        assert_eq!((self.status(person).await, self.uses(person).await), (status, 0), "{what}");
        assert!(!self.is_in(&late, person).await, "{what}");

        clock.set(sent);
        let punctual = browser();
        let link = self.ask(&punctual, person).await;
        clock.set(until.plus(-SECOND));
        self.follow(&punctual, &link, person).await;
        assert!(self.is_in(&punctual, person).await && self.uses(person).await == 1, "{what}");
    }

    /// Somebody who comes in at `at`.
    async fn come_in(&self, person: Person, at: Timestamp) -> Client {
        self.clock().set(at);
        let browser = browser();
        let link = self.ask(&browser, person).await;
        self.follow(&browser, &link, person).await;
        assert!(self.is_in(&browser, person).await);
        browser
    }

    /// Writes down what was used, as a server does once a minute.
    async fn note_uses(&self) {
        let (node, _) = self.timed.as_ref().expect("a node");
        node.app.seen.flush(&node.app).await.expect("it is written");
    }

    /// A session lives an hour without use, and a day with it, to the second.
    async fn sessions_hold_their_time(&self, person: Person, from: Timestamp) {
        let what = from.to_rfc3339();
        for (after, lives) in [(IDLE - SECOND, true), (IDLE + SECOND, false)] {
            let browser = self.come_in(person, from).await;
            self.clock().set(from.plus(after));
            assert_eq!(self.is_in(&browser, person).await, lives, "{after} ms idle since {what}");
        }
        let browser = self.come_in(person, from).await;
        for n in 1..48 {
            self.clock().set(from.plus(n * 30 * MINUTE));
            assert!(self.is_in(&browser, person).await, "in use for {n} half hours since {what}");
            self.note_uses().await;
        }
        for (after, lives) in [(ABSOLUTE - SECOND, true), (ABSOLUTE + SECOND, false)] {
            self.clock().set(from.plus(after));
            assert_eq!(self.is_in(&browser, person).await, lives, "{after} ms since {what}");
            self.note_uses().await;
        }
    }
}

fn now() -> Timestamp {
    Clock::system().now()
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse_rfc3339(text).expect("a time")
}

#[tokio::test]
async fn a_link_of_any_kind_works_a_second_before_its_end_and_not_a_second_after() {
    on_both(async |engine| {
        for kind in Kind::ALL {
            let lifetime = match kind {
                Kind::Invite | Kind::Provider => 7 * DAY,
                Kind::StartedReset => 60 * MINUTE,
                Kind::SignIn | Kind::Reset | Kind::Operator | Kind::Identity => 10 * MINUTE,
            };
            assert_eq!(kind.lifetime(), lifetime);
            let world = World::timed(kind, engine, &Options::default(), now()).await;
            world.holds_its_time(ANA, now()).await;
        }
    })
    .await;
}

#[tokio::test]
async fn requirement_62_a_session_lives_an_hour_idle_and_a_day_at_most_to_the_second() {
    assert_eq!((IDLE, ABSOLUTE), (HOUR, 24 * HOUR));
    on_both(async |engine| {
        let world = World::timed(Kind::Operator, engine, &Options::default(), now()).await;
        world.sessions_hold_their_time(ANA, now()).await;
    })
    .await;
}

/// The zones, with the moments of 2026 at which their clocks change.
const ZONES: [(&str, [&str; 2]); 3] = [
    ("America/New_York", ["2026-03-08T07:00:00Z", "2026-11-01T06:00:00Z"]),
    ("Europe/Berlin", ["2026-03-29T01:00:00Z", "2026-10-25T01:00:00Z"]),
    ("Pacific/Auckland", ["2026-04-04T14:00:00Z", "2026-09-26T14:00:00Z"]),
];

/// In the environment of a process of ours that stands in one of them.
const ZONE: &str = "USHER_TEST_ZONE";

/// The hour of this moment where this process stands, as the machine says it.
async fn local_hour(moment: Timestamp) -> String {
    let date = tokio::process::Command::new("date").arg(format!("-d@{}", moment.as_millis() / 1000)).arg("+%H").output().await;
    String::from_utf8(date.expect("date runs").stdout).expect("text").trim().to_owned()
}

#[tokio::test]
async fn links_and_sessions_keep_their_time_through_every_change_of_the_clocks() {
    let Ok(zone) = std::env::var(ZONE) else {
        // A process reads its zone once, so each zone has a process of its own.
        let name = concat!(module_path!(), "::links_and_sessions_keep_their_time_through_every_change_of_the_clocks");
        let name = name.split_once("::").expect("a path").1;
        let children: Vec<_> = ZONES
            .iter()
            .map(|(zone, _)| {
                let mut child = tokio::process::Command::new(std::env::current_exe().expect("this program"));
                child.args(["--exact", name, "--nocapture"]).env("TZ", zone).env(ZONE, zone).kill_on_drop(true);
                (zone, child.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().expect("it starts"))
            })
            .collect();
        for (zone, child) in children {
            let output = child.wait_with_output().await.expect("it ends");
            let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            assert!(output.status.success() && said.contains("1 passed"), "{zone}: {said}");
        }
        return;
    };
    let (_, changes) = ZONES.iter().find(|(name, _)| *name == zone).expect("a zone of the table");
    for change in changes.map(at) {
        let hours = [local_hour(change.plus(-SECOND)).await, local_hour(change).await];
        assert!(hours == ["01", "03"] || hours == ["01", "01"] || hours == ["02", "02"], "{zone} changes: {hours:?}");
    }
    let in_zone = Options::default().with("TZ", &zone);
    on_both(async |engine| {
        for kind in Kind::ALL {
            let world = World::timed(kind, engine, &in_zone, at(changes[0])).await;
            for (person, change) in [ANA, KIM].into_iter().zip(changes.map(at)) {
                world.holds_its_time(person, change.plus(-kind.lifetime() / 2)).await;
                if kind == Kind::Operator {
                    world.sessions_hold_their_time(person, change.plus(-IDLE / 2)).await;
                }
            }
        }
    })
    .await;
}

/// Lets everything that is live have been begun so many milliseconds earlier.
async fn age(world: &World, ms: i64) {
    world.age(ms).await;
    let sessions = format!(
        "UPDATE credentials SET created_at = created_at - {ms}, last_used_at = last_used_at - {ms}, expires_at = expires_at - {ms}
          WHERE kind = 'session'"
    );
    assert!(world.server.tamper(&sessions).await);
}

/// Puts the clock right and lets the server's round of every minute come by.
async fn a_minute_passes(world: &World) {
    let (node, clock) = world.timed.as_ref().expect("a node");
    clock.set(now());
    server::sweep(&node.app).await.expect("a round");
}

#[tokio::test]
async fn no_link_that_ended_revives_when_the_clock_goes_back() {
    on_both(async |engine: Engine| {
        for kind in Kind::ALL {
            let world = World::timed(kind, engine, &Options::default(), now()).await;
            let (expired, used) = (browser(), browser());
            let first = world.ask(&expired, ANA).await;
            let open = get(&expired, &first).await;
            let second = world.ask(&used, KIM).await;
            world.follow(&used, &second, KIM).await;
            age(&world, kind.lifetime() + SECOND).await;
            a_minute_passes(&world).await;
            // Back to when both were good.
            for back in [kind.lifetime() / 2, kind.lifetime() + SECOND, 30 * DAY] {
                world.clock().set(now().plus(-back));
                for (browser, link, place) in [(&expired, &first, &open.place), (&used, &second, &second)] {
                    assert_eq!(get(browser, link).await.status, 410, "{kind:?}, {back} ms back");
                    assert_eq!(world.press_late(browser, place).await.status, 410, "{kind:?}, {back} ms back");
                }
            }
            assert_eq!((world.uses(ANA).await, world.uses(KIM).await), (0, 1), "{kind:?}");
            assert_eq!(world.status(ANA).await, if kind.joins() { "pending" } else { "active" }, "{kind:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn no_session_that_ended_revives_when_the_clock_goes_back() {
    on_both(async |engine| {
        let world = World::timed(Kind::Operator, engine, &Options::default(), now()).await;
        for ended in [IDLE + SECOND, ABSOLUTE + SECOND] {
            let browser = world.come_in(ANA, now()).await;
            age(&world, ended).await;
            a_minute_passes(&world).await;
            for back in [IDLE / 2, ended, 30 * DAY] {
                world.clock().set(now().plus(-back));
                assert!(!world.is_in(&browser, ANA).await, "ended {ended} ms after it began, {back} ms back");
            }
            world.clock().set(now());
        }
        // Signed out, and deactivated.
        let browser = world.come_in(KIM, now()).await;
        world.call("deactivate_user", serde_json::json!({"user": KIM.email})).await;
        for back in [0, MINUTE, DAY] {
            world.clock().set(now().plus(-back));
            assert!(!world.is_in(&browser, KIM).await, "{back} ms back");
        }
    })
    .await;
}

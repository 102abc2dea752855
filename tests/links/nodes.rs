//! Two processes on one database: what is begun on one is finished on the other, and what is used on one is used.

use super::{ANA, KIM, Kind, NEW, World, browser};
use crate::{
    common::{PASSWORD, on_both},
    signing_in::{drawn_for, second_organization},
    sso::{Seen, get, me, post},
};
use serde_json::json;
use tokio::task::JoinSet;

/// How many try to use one link at once.
const AT_ONCE: usize = 6;

#[tokio::test]
async fn a_link_of_any_kind_is_asked_for_opened_and_used_on_different_nodes() {
    on_both(async |engine| {
        for kind in Kind::ALL {
            let one = World::of(kind, engine).await;
            let two = one.second().await;
            for (begins, finishes, person) in [(&one, &two, ANA), (&two, &one, KIM)] {
                let browser = browser();
                let link = begins.ask(&browser, person).await;
                let shown = get(&browser, &finishes.here(&link)).await;
                assert_eq!(shown.status, 200, "{kind:?}: {}", shown.html);
                begins.press(&browser, &begins.here(&shown.place), person).await;
                for node in [finishes, begins] {
                    assert!(node.is_in(&browser, person).await, "{kind:?}");
                    assert_eq!(get(&browser, &node.here(&link)).await.status, 410, "{kind:?}");
                }
                assert_eq!(finishes.uses(person).await, 1, "{kind:?}");
                // Shut out on one, out on the other with the very next request.
                begins.call("deactivate_user", json!({"user": person.email})).await;
                assert!(!finishes.is_in(&browser, person).await, "{kind:?}");
            }
            assert_eq!(one.server.verified().await["ok"], true);
        }
    })
    .await;
}

#[tokio::test]
async fn r_b40_a_link_of_any_kind_is_used_once_however_many_use_it_on_two_nodes_at_once() {
    on_both(async |engine| {
        for kind in Kind::ALL {
            let one = World::of(kind, engine).await;
            let two = one.second().await;
            let browser = browser();
            let link = one.ask(&browser, ANA).await;
            let shown = get(&browser, &link).await;
            let mut places = Vec::new();
            for _ in 0..AT_ONCE {
                // From the provider each has come back already.
                places.push(match kind {
                    Kind::Provider => one.through_the_provider(&browser, &shown.place, ANA).await.place,
                    Kind::Invite | Kind::SignIn | Kind::Reset | Kind::StartedReset | Kind::Operator | Kind::Identity => shown.place.clone(),
                });
            }
            let mut tries = JoinSet::new();
            for (n, place) in places.into_iter().enumerate() {
                let node = if n % 2 == 0 { &one } else { &two };
                let (browser, place) = (browser.clone(), node.here(&place));
                let act = if kind == Kind::Invite { "join" } else { "go" };
                tries.spawn(async move {
                    let password = format!("{NEW}, number {n}");
                    let names = [("first_name", "Test"), ("last_name", "Person"), ("email", ANA.email)];
                    let form = [names[0], names[1], names[2], ("password", password.as_str()), ("do", act)];
                    post(&browser, &place, &form).await
                });
            }
            let done = if kind == Kind::Invite { 200 } else { 303 };
            let (won, lost): (Vec<Seen>, Vec<Seen>) = tries.join_all().await.into_iter().partition(|seen| seen.status == done);
            // Whoever brought the same identity a moment after it joined comes in by it; the invite is used once all the same.
            let comes_in_after = kind == Kind::Provider;
            assert!(won.len() == 1 || (comes_in_after && !won.is_empty()), "{kind:?}: {}", won.len());
            for seen in lost {
                // Whoever came back from the provider is shown what they could do now.
                let refusals: &[u16] = if kind == Kind::Provider { &[200, 403] } else { &[410] };
                assert!(refusals.contains(&seen.status), "{kind:?}: {} {}", seen.status, seen.html);
                assert!(seen.cookies.iter().all(|cookie| !cookie.starts_with("usher_session")), "{kind:?}: {:?}", seen.cookies);
            }
            assert_eq!(one.uses(ANA).await, 1, "{kind:?}");
            assert_eq!(one.status(ANA).await, "active", "{kind:?}");
            assert_eq!(one.server.verified().await["ok"], true);
        }
    })
    .await;
}

#[tokio::test]
async fn a_sign_in_by_password_and_a_switch_of_organization_go_over_both_nodes() {
    on_both(async |engine| {
        let one = World::of(Kind::SignIn, engine).await;
        let second = second_organization(&one.server).await;
        let two = one.second().await;
        let door = format!("/sign-in/{}", one.server.org);
        let by_password = browser();
        assert_eq!(get(&by_password, &format!("{}{door}", one.address())).await.status, 200);
        let form = [("email", ANA.email), ("password", PASSWORD), ("do", "password")];
        assert_eq!(post(&by_password, &format!("{}{door}", two.address()), &form).await.status, 303);
        assert!(one.is_in(&by_password, ANA).await && two.is_in(&by_password, ANA).await);

        // The link opens both organizations; the page is drawn by one node, the switch is made on the other.
        let browser = browser();
        let link = two.ask(&browser, ANA).await;
        one.follow(&browser, &one.here(&link), ANA).await;
        let page = me(&browser, &one.server).await.expect("she is in");
        let to = page.split("name=\"to\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a switch");
        let drawn = drawn_for(&page);
        let switched = post(&browser, &format!("{}/me/switch", two.address()), &[("as", &drawn), ("to", to)]).await;
        assert_eq!(switched.status, 303, "{}", switched.html);
        let page = me(&browser, &one.server).await.expect("she is in");
        assert!(page.contains(&format!("/mcp/{second}")), "{page}");
        // The form of before is refused on either node, and what was typed is kept.
        for node in [&one, &two] {
            let form = [("as", drawn.as_str()), ("first_name", "Zoe"), ("last_name", "Late")];
            let late = post(&browser, &format!("{}/me/name", node.address()), &form).await;
            assert!(late.status == 409 && late.html.contains("Zoe"), "{}", late.html);
        }
        // Deactivated in one organization on one node: on the other node the other organization goes on.
        one.call("deactivate_user", json!({"user": ANA.email})).await;
        let page = me(&browser, &two.server).await.expect("the other organization goes on");
        assert!(page.contains(&format!("/mcp/{second}")) && !page.contains("Switch to"), "{page}");
        assert!(!two.is_in(&by_password, ANA).await);
    })
    .await;
}

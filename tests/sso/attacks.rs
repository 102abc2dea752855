//! One organization's provider never opens another's door.

use super::{Seen, connect, get, invite, me, parameter, post, provider_for, sign_in_at, status};
use crate::common::{
    Server,
    oidc::{Idp, browser, sign_in},
    on_both,
};
use reqwest::Client;
use serde_json::json;

/// A second organization on the same server, with Eve as its Administrator.
async fn second(server: &Server) -> String {
    let mut command = vec!["org", "create", "--json", "--name", "Second", "--admin-email", "eve@elsewhere.example"];
    command.extend(["--admin-first-name", "Eve", "--admin-last-name", "Else"]);
    server.cli(&command).await["org"].as_str().expect("a slug").to_owned()
}

#[tokio::test]
async fn a_provider_of_one_organization_gets_nothing_of_another() {
    on_both(async |engine| {
        let server = super::server(engine).await;
        server.member("ana@example.com", &[]).await;
        let (ours, theirs) = (provider_for(&server).await, provider_for(&server).await);
        let ours_id = connect(&server, &server.org, &ours.issuer, Idp::SECRET).await;
        let org = second(&server).await;
        let theirs_id = connect(&server, &org, &theirs.issuer, Idp::SECRET).await;
        let first_door = format!("{}/sign-in/{}", server.address(), server.org);

        // Their provider asserts Ana's address, verified: nobody there has it, and nothing of her account shows.
        let back = sign_in_at(&browser(), &server, &org, &theirs_id, "ana").await;
        assert_eq!((back.status, back.heading()), (403, "You are not invited"), "{}", back.html);

        // Her identity at our provider is linked; the same subject at theirs is somebody else.
        let hers = browser();
        let back = sign_in_at(&hers, &server, &server.org, &ours_id, "ana").await;
        post(&hers, &back.place, &[("do", "go")]).await;
        let link = server.newest_link_to("ana@example.com", 2).await;
        let shown = get(&hers, &link).await;
        post(&hers, &shown.place, &[("do", "go")]).await;
        assert!(me(&hers, &server).await.is_some());
        let attacker = browser();
        assert_eq!(sign_in_at(&attacker, &server, &org, &theirs_id, "ana").await.status, 403);

        // Their connection does not set out from our door, nor ours from theirs.
        assert_eq!(post(&attacker, &first_door, &[("do", &format!("sso:{theirs_id}"))]).await.status, 404);
        let their_door = format!("{}/sign-in/{org}", server.address());
        assert_eq!(post(&attacker, &their_door, &[("do", &format!("sso:{ours_id}"))]).await.status, 404);

        // Mix-up: what their provider sends back, brought to a journey that set out to ours.
        let out = post(&attacker, &first_door, &[("do", &format!("sso:{ours_id}"))]).await;
        let at_theirs = post(&attacker, &their_door, &[("do", &format!("sso:{theirs_id}"))]).await;
        let state = super::parameter(&out.onward().parse().unwrap(), "state");
        let mut back = sign_in(&attacker, &at_theirs.onward(), "ana").await;
        let (code, iss) = (super::parameter(&back, "code"), super::parameter(&back, "iss"));
        for iss in [iss.as_str().unwrap(), ours.issuer.as_str()] {
            back.query_pairs_mut().clear().extend_pairs([
                ("code", code.as_str().unwrap()),
                ("state", state.as_str().unwrap()),
                ("iss", iss),
            ]);
            let mixed = get(&attacker, back.as_str()).await;
            assert!(matches!(mixed.status, 403 | 502), "{}", mixed.html);
        }
        assert!(me(&attacker, &server).await.is_none());

        // They invite her: she stays who she is here, and their provider opens their account alone.
        let token = server.cli(&["token", "create", "--org", &org, "--user", "eve@elsewhere.example", "--json"]).await;
        let token = token["token"].as_str().unwrap();
        let mcp = server.mcp_url.replace(&server.org, &org);
        let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "invite_user",
            "arguments": {"email": "ana@example.com", "first_name": "Not", "last_name": "Ana", "role": "Administrator"}}});
        let request = server.http.post(&mcp).bearer_auth(token).header("accept", "*/*").json(&call);
        assert!(request.send().await.unwrap().text().await.unwrap().contains("\"pending\""));
        let back = sign_in_at(&attacker, &server, &org, &theirs_id, "ana").await;
        assert_eq!(back.heading(), "You are invited");
        post(&attacker, &back.place, &[("do", "go"), ("first_name", "Not"), ("last_name", "Ana")]).await;
        let page = me(&attacker, &server).await.unwrap();
        assert!(page.contains("Second") && !page.contains("Switch to"), "{page}");
        let ana = server.ok("get_user", json!({"user": "ana@example.com"})).await["user"].clone();
        assert_eq!((&ana["status"], &ana["first_name"], &ana["role"]), (&json!("active"), &json!("Test"), &json!("User")));
        assert_eq!(status(&server, "ana@example.com").await, "active");
        assert_eq!(server.verified().await["ok"], true);
    })
    .await;
}

/// A browser that was sent to a provider which does as it is told: where it has to come back to, and by which values.
struct Out {
    address: String,
    state: String,
    nonce: String,
}

impl Out {
    async fn to(browser: &Client, server: &Server, org: &str, connection: &str) -> Self {
        let door = format!("{}/sign-in/{org}", server.address());
        let out = post(browser, &door, &[("do", &format!("sso:{connection}"))]).await;
        let url = out.onward().parse().expect("a URL");
        let text = |name| parameter(&url, name).as_str().expect("text").to_owned();
        Self { address: text("redirect_uri"), state: text("state"), nonce: text("nonce") }
    }

    /// Comes back at this address, with a code for this nonce, and whatever else.
    async fn back(&self, browser: &Client, address: &str, nonce: &str, more: &str) -> Seen {
        get(browser, &format!("{address}?code=c.{nonce}&state={}{more}", self.state)).await
    }
}

#[tokio::test]
async fn no_provider_is_shown_the_code_of_another_also_where_none_says_who_it_is() {
    on_both(async |engine| {
        let server = super::server(engine).await;
        let (honest, hostile) = (Idp::liar().await, Idp::liar().await);
        assert!(honest.issuer != hostile.issuer);
        let ours = connect(&server, &server.org, &honest.issuer, "secret").await;
        let org = second(&server).await;
        let theirs = connect(&server, &org, &hostile.issuer, "secret").await;
        let beside = connect(&server, &server.org, &hostile.issuer, "secret").await;
        let (ana, eve) = (browser(), browser());

        // An honest answer without `iss` at its own address brings Ana in.
        invite(&server, "ana@example.com").await;
        let out = Out::to(&ana, &server, &server.org, &ours).await;
        let back = out.back(&ana, &out.address, &out.nonce, "").await;
        assert_eq!(back.heading(), "You are invited", "{}", back.html);
        post(&ana, &back.place, &[("do", "go"), ("first_name", "Ana"), ("last_name", "Ruiz")]).await;
        assert!(me(&ana, &server).await.is_some());
        let silent = async |what: &str| {
            for idp in [&honest, &hostile] {
                let asked = idp.asked().await;
                assert!(!asked.iter().any(|endpoint| endpoint == "token"), "{what}: {asked:?}");
            }
        };
        honest.asked().await;

        // Eve sets out to the honest provider and keeps what stood in the address. Ana signs in by the hostile one's button,
        // in its organization or as one of two in her own; it sends her on to the honest one, which knows her, and which
        // sends her back to the address that is registered with it: with a code for Eve's nonce, and Ana's state.
        let kept = Out::to(&eve, &server, &server.org, &ours).await;
        for (org, connection) in [(&org, &theirs), (&server.org, &beside)] {
            let out = Out::to(&ana, &server, org, connection).await;
            assert_ne!(out.address, kept.address);
            let mixed = out.back(&ana, &kept.address, &kept.nonce, "").await;
            assert_eq!((mixed.status, mixed.heading()), (502, "Single sign-on does not work at present"), "{}", mixed.html);
            silent("the honest provider's code").await;
            // The other way round: what the hostile one sends along, on a journey to the honest one.
            let out_to_honest = Out::to(&ana, &server, &server.org, &ours).await;
            assert_eq!(out_to_honest.back(&ana, &out.address, &out_to_honest.nonce, "").await.status, 502);
            silent("the hostile provider's code").await;
        }
        // An address of nobody's, and the one from before there was one for each.
        for end in ["", "/", "/nobody-0123456789abcdef"] {
            let out = Out::to(&ana, &server, &server.org, &ours).await;
            let seen = out.back(&ana, &format!("{}/sign-in/sso/callback{end}", server.address()), &out.nonce, "").await;
            assert!(matches!(seen.status, 403 | 404 | 502), "{end}: {}", seen.html);
            silent("an address of nobody's").await;
        }
        // Whoever says who it is must be the one that was asked, announced or not.
        let out = Out::to(&ana, &server, &server.org, &ours).await;
        let said = format!("&iss={}", hostile.issuer);
        assert_eq!(out.back(&ana, &out.address, &out.nonce, &said).await.status, 502);
        silent("another issuer's answer").await;
        let out = Out::to(&ana, &server, &server.org, &ours).await;
        let said = format!("&iss={}", honest.issuer);
        assert_eq!(out.back(&ana, &out.address, &out.nonce, &said).await.heading(), "Sign in");
        assert!(me(&eve, &server).await.is_none());
        assert_eq!(server.verified().await["ok"], true);
    })
    .await;
}

#[tokio::test]
async fn b06_one_provider_of_two_organizations_opens_both_by_the_same_client_alone() {
    on_both(async |engine| {
        let server = super::server(engine).await;
        let idp = provider_for(&server).await;
        let first = connect(&server, &server.org, &idp.issuer, Idp::SECRET).await;
        let org = second(&server).await;
        let other = connect(&server, &org, &idp.issuer, Idp::SECRET).await;
        // Eve joins the first, and links the second by its mailbox.
        super::invite(&server, "eve@elsewhere.example").await;
        let browser_of_eve = browser();
        let back = sign_in_at(&browser_of_eve, &server, &server.org, &first, "eve").await;
        post(&browser_of_eve, &back.place, &[("do", "go"), ("first_name", "Eve"), ("last_name", "Else")]).await;
        let back = sign_in_at(&browser_of_eve, &server, &org, &other, "eve").await;
        assert_eq!(back.heading(), "Is this account yours?", "{}", back.html);
        post(&browser_of_eve, &back.place, &[("do", "go")]).await;
        let link = server.newest_link_to("eve@elsewhere.example", 2).await;
        let shown = get(&browser_of_eve, &link).await;
        post(&browser_of_eve, &shown.place, &[("do", "go")]).await;

        let fresh = browser();
        let back = sign_in_at(&fresh, &server, &server.org, &first, "eve").await;
        post(&fresh, &back.place, &[("do", "go")]).await;
        let page = me(&fresh, &server).await.unwrap();
        assert!(page.contains("Switch to") && page.contains("Second"), "one proof opens both: {page}");
        assert!(page.contains(" at <bdi>My organization</bdi>"), "and shows the one at whose door it was: {page}");
        // Deactivated in one: the other goes on.
        server.ok("deactivate_user", json!({"user": "eve@elsewhere.example"})).await;
        let page = me(&fresh, &server).await.unwrap();
        assert!(page.contains("Second") && !page.contains("Switch to"));
    })
    .await;
}

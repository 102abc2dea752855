//! One organization's provider never opens another's door.

use super::{connect, get, me, post, provider_for, sign_in_at, status};
use crate::common::{
    Server,
    oidc::{Idp, browser, sign_in},
    on_both,
};
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
        // Deactivated in one: the other goes on.
        server.ok("deactivate_user", json!({"user": "eve@elsewhere.example"})).await;
        let page = me(&fresh, &server).await.unwrap();
        assert!(page.contains("Second") && !page.contains("Switch to"));
    })
    .await;
}

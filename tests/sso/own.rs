//! The identities of one's own account.

use super::{Seen, connect, get, me, post, provider_for, sign_in_at};
use crate::common::{
    PASSWORD, Server,
    oidc::{Idp, browser},
    on_both, until,
};
use reqwest::Client;

fn drawn_for(html: &str) -> String {
    html.split("name=\"as\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a form").to_owned()
}

pub(super) async fn own(browser: &Client, server: &Server, path: &str, form: &[(&str, &str)]) -> Seen {
    let page = me(browser, server).await.expect("signed in");
    let drawn_for = drawn_for(&page);
    let mut all = vec![("as", drawn_for.as_str())];
    all.extend(form);
    post(browser, &format!("{}{path}", server.address()), &all).await
}

#[tokio::test]
async fn a_signed_in_person_links_and_unlinks_a_sign_in_after_fresh_proof() {
    on_both(async |engine| {
        let server = super::server(engine).await;
        server.member("ana@example.com", &[]).await;
        server.member("bo@example.com", &[]).await;
        let idp = provider_for(&server).await;
        let connection = connect(&server, &server.org, &idp.issuer, Idp::SECRET).await;
        let browser = browser();
        let door = format!("{}/sign-in/{}", server.address(), server.org);
        let by_password = [("email", "ana@example.com"), ("password", PASSWORD), ("do", "password")];
        assert_eq!(post(&browser, &door, &by_password).await.location.as_deref(), Some("/"));

        // Whatever address the identity has.
        let value = format!("sso:{connection}");
        let out = own(&browser, &server, "/me/identities", &[("connect", &value)]).await;
        let back = get(&browser, super::oidc::sign_in(&browser, &out.onward(), "eve").await.as_str()).await;
        assert_eq!((back.status, back.heading()), (200, "Connect your sign-in"), "{}", back.html);
        let linked = post(&browser, &back.place, &[("do", "go")]).await;
        assert_eq!(linked.location.as_deref(), Some("/me"), "{}", linked.html);
        let page = me(&browser, &server).await.unwrap();
        assert!(page.contains("eve@elsewhere.example") || page.contains("eve<wbr>@elsewhere.example"), "{page}");
        let fresh = super::oidc::browser();
        let back = sign_in_at(&fresh, &server, &server.org, &connection, "eve").await;
        assert_eq!(back.heading(), "Sign in");
        post(&fresh, &back.place, &[("do", "go")]).await;
        assert!(me(&fresh, &server).await.unwrap().contains("ana"), "it opens Ana's account");

        // Brought once more it is hers already.
        let out = own(&browser, &server, "/me/identities", &[("connect", &value)]).await;
        let again = get(&browser, super::oidc::sign_in(&browser, &out.onward(), "eve").await.as_str()).await;
        assert_eq!((again.status, again.heading()), (403, "This sign-in is connected already"), "{}", again.html);

        // An identity opens one account, and is nobody else's.
        let other = super::oidc::browser();
        let by_password = [("email", "bo@example.com"), ("password", PASSWORD), ("do", "password")];
        post(&other, &door, &by_password).await;
        let out = own(&other, &server, "/me/identities", &[("connect", &value)]).await;
        let taken = get(&other, super::oidc::sign_in(&other, &out.onward(), "eve").await.as_str()).await;
        assert_eq!((taken.status, taken.heading()), (403, "This sign-in is taken"), "{}", taken.html);

        let gone = own(&browser, &server, "/me/identities", &[("issuer", &idp.issuer), ("subject", "eve")]).await;
        assert_eq!(gone.location.as_deref(), Some("/me"), "{}", gone.html);
        assert!(me(&fresh, &server).await.is_none(), "whoever came in by it is out");
        assert!(me(&browser, &server).await.is_some());
        let back = sign_in_at(&fresh, &server, &server.org, &connection, "eve").await;
        assert_eq!(back.heading(), "You are not invited");
        assert_eq!(server.verified().await["ok"], true);
        // Whoever found her browser open has left a mail for each.
        for subject in ["Subject: Another sign-in opens your account", "Subject: A sign-in no longer opens your account"] {
            until(subject, async || server.mails().iter().any(|mail| mail.contains(subject)).then_some(())).await;
        }

        // Ten minutes after signing in, a page that somebody left open links nothing.
        assert!(server.tamper("UPDATE credentials SET proved_at = proved_at - 601000 WHERE kind = 'session'").await);
        let late = own(&browser, &server, "/me/identities", &[("connect", &value)]).await;
        assert_eq!(late.status, 422, "{}", late.html);
        assert!(late.html.contains("within 10 minutes of signing in"));
        // Nor does it take one away.
        let late = own(&other, &server, "/me/identities", &[("issuer", &idp.issuer), ("subject", "eve")]).await;
        assert!(late.status == 422 && late.html.contains("taken away within 10 minutes of signing in"), "{}", late.html);
    })
    .await;
}

//! With a provider that lies.

use super::{begin, connected, finish, outbound, parameter};
use crate::common::oidc::Idp;
use serde_json::{Value, json};
use std::time::Duration;
use usher_mcp::{
    authn::sso::{self, Fault, Identity, Issuer, Provider, Returned, Secret},
    domain::Clock,
    outbound::Fault as Call,
};

/// A sign-in at a provider that does as it is told in between.
async fn told(idp: &Idp, provider: &Provider, order: &Value) -> Result<Identity, Fault> {
    idp.order(&json!({})).await;
    let (url, flow) = begin(provider).await;
    idp.order(order).await;
    let text = |name| parameter(&url, name).as_str().unwrap_or_default().to_owned();
    finish(provider, &flow, &Returned { code: Some(format!("code.{}", text("nonce"))), state: Some(text("state")), ..Returned::default() })
        .await
}

fn seconds_from_now(seconds: i64) -> i64 {
    Clock::system().now().as_millis() / 1000 + seconds
}

#[tokio::test]
async fn every_lie_in_a_token_is_refused_for_what_it_is() {
    let idp = Idp::liar().await;
    let provider = connected(&idp.issuer, "secret");
    assert!(told(&idp, &provider, &json!({})).await.is_ok());
    for (order, fault) in [
        (json!({"sign": "none"}), Fault::Algorithm),
        (json!({"sign": "none", "header": {"alg": "None"}}), Fault::Algorithm),
        (json!({"sign": "none", "header": {"alg": "RS256"}}), Fault::Signature),
        (json!({"sign": "secret"}), Fault::Algorithm),
        (json!({"sign": "secret", "header": {"alg": "RS256"}}), Fault::Signature),
        (json!({"sign": "stranger"}), Fault::Signature),
        (json!({"sign": "stranger", "header": {"kid": null}}), Fault::Signature),
        (json!({"sign": "garbage"}), Fault::Signature),
        (json!({"header": {"kid": "other"}}), Fault::UnknownKey),
        (json!({"header": {"alg": "ES256"}}), Fault::UnknownKey),
        (json!({"header": {"alg": "RS512"}}), Fault::Signature),
        (json!({"header": {"crit": ["exp"]}}), Fault::Token),
        (json!({"header": {"cty": "JWT"}}), Fault::Token),
        (json!({"header": {"typ": "at+jwt"}}), Fault::Token),
        (json!({"keys": []}), Fault::UnknownKey),
        (json!({"keys": [7, {"kty": "oct", "k": "c2VjcmV0", "kid": "own"}]}), Fault::Signature),
        (json!({"key": {"use": "enc"}}), Fault::UnknownKey),
        (json!({"key": {"alg": "RS384"}}), Fault::UnknownKey),
        (json!({"key": {"issuer": "https://elsewhere.example"}}), Fault::Issuer),
        (json!({"claims": {"iss": "https://elsewhere.example"}}), Fault::Issuer),
        (json!({"claims": {"iss": format!("{}/", idp.issuer)}}), Fault::Issuer),
        (json!({"claims": {"iss": null}}), Fault::Issuer),
        (json!({"claims": {"aud": "another"}}), Fault::Audience),
        (json!({"claims": {"aud": null}}), Fault::Audience),
        (json!({"claims": {"aud": []}}), Fault::Audience),
        (json!({"claims": {"aud": ["usher", "another"]}}), Fault::Audience),
        (json!({"claims": {"aud": ["usher", "another"], "azp": "usher"}}), Fault::Audience),
        (json!({"claims": {"azp": "another"}}), Fault::Audience),
        (json!({"claims": {"exp": seconds_from_now(-600)}}), Fault::Expired),
        (json!({"claims": {"iat": seconds_from_now(-7200)}}), Fault::Expired),
        (json!({"claims": {"iat": seconds_from_now(7200), "exp": seconds_from_now(9000)}}), Fault::Future),
        (json!({"claims": {"nbf": seconds_from_now(7200)}}), Fault::Future),
        (json!({"claims": {"exp": null}}), Fault::Token),
        (json!({"claims": {"exp": "tomorrow"}}), Fault::Token),
        (json!({"claims": {"exp": 1e300}}), Fault::Token),
        (json!({"claims": {"iat": null}}), Fault::Token),
        (json!({"claims": {"nonce": "another"}}), Fault::Nonce),
        (json!({"claims": {"nonce": null}}), Fault::Nonce),
        (json!({"claims": {"sub": null}}), Fault::Token),
        (json!({"claims": {"sub": ""}}), Fault::Token),
        (json!({"claims": {"sub": 7}}), Fault::Token),
        (json!({"claims": {"sub": "x".repeat(256)}}), Fault::Token),
        (json!({"token": {"id_token": "x.y"}}), Fault::Token),
        (json!({"token": {"id_token": 7}}), Fault::Call(Call::Unexpected)),
        (json!({"token": {"access_token": "a"}}), Fault::Call(Call::Unexpected)),
        (json!({"token": {"status": 400, "error": "invalid_grant"}}), Fault::Code),
        (json!({"token": {"status": 401, "error": "invalid_client"}}), Fault::Client),
        (json!({"token": {"status": 400, "error": "<script>"}}), Fault::Request),
        (
            json!({"claims": {"email": null}, "userinfo": {"sub": "sub-eve", "email": "ana@example.com", "email_verified": true}}),
            Fault::Subject,
        ),
    ] {
        assert_eq!(told(&idp, &provider, &order).await, Err(fault), "{order}");
    }
}

#[tokio::test]
async fn what_is_odd_but_true_is_taken() {
    let idp = Idp::liar().await;
    let provider = connected(&idp.issuer, "secret");
    for order in [
        json!({"claims": {"aud": ["usher"], "azp": "usher"}}),
        json!({"header": {"kid": null, "typ": null}}),
        json!({"claims": {"exp": seconds_from_now(-30)}}),
        json!({"claims": {"iat": seconds_from_now(60)}}),
        json!({"key": {"issuer": idp.issuer}}),
        json!({"document": {"token_endpoint_auth_methods_supported": ["client_secret_post"]}}),
    ] {
        assert!(told(&idp, &provider, &order).await.is_ok(), "{order}");
    }
    // Only `true` verifies an address (R-B113), and a claim of another form is none (R-B118).
    for (value, verified) in [(json!(true), true), (json!(false), false), (json!("true"), false), (json!(1), false), (Value::Null, false)] {
        let identity = told(&idp, &provider, &json!({"claims": {"email_verified": value}})).await.unwrap();
        assert_eq!(identity.email_verified, verified, "{value}");
    }
    // An address from one answer is not verified by another.
    let order = json!({"claims": {"email": null, "email_verified": true}, "userinfo": {"sub": "sub-ana", "email": "ana@example.com"}});
    assert!(!told(&idp, &provider, &order).await.unwrap().email_verified);
}

#[tokio::test]
async fn a_provider_that_does_not_answer_as_one_is_said_in_a_word() {
    let idp = Idp::liar().await;
    let provider = connected(&idp.issuer, "secret");
    for at in ["document", "keys", "token", "userinfo"] {
        for (does, fault) in [
            ("500", Call::Unexpected),
            ("redirect", Call::Unexpected),
            ("html", Call::Unexpected),
            ("huge", Call::Large),
            ("hangup", Call::Unreachable),
        ] {
            let order = json!({"at": at, "does": does, "claims": {"email": null}});
            assert_eq!(told(&idp, &provider, &order).await, Err(Fault::Call(fault)), "{order}");
        }
    }
    idp.order(&json!({"at": "document", "does": "silence"})).await;
    let hurried = outbound().within(Duration::from_millis(200));
    assert_eq!(sso::test(&hurried, &provider).await, Err(Fault::Call(Call::Slow)));
    for document in [
        json!({"issuer": "https://elsewhere.example"}),
        json!({"authorization_endpoint": "javascript:alert(1)"}),
        json!({"authorization_endpoint": "http://elsewhere.example/auth"}),
    ] {
        idp.order(&json!({"document": document})).await;
        assert_eq!(sso::test(&outbound(), &provider).await, Err(Fault::Document), "{document}");
    }
    for (document, fault) in [
        (json!({"jwks_uri": "https://169.254.169.254/keys"}), Call::Refused),
        (json!({"token_endpoint": "http://10.0.0.1/token"}), Call::Address),
        (json!({"token_endpoint": null}), Call::Unexpected),
    ] {
        idp.order(&json!({"document": document})).await;
        assert_eq!(sso::test(&outbound(), &provider).await, Err(Fault::Call(fault)), "{document}");
    }
}

#[tokio::test]
async fn only_listed_tenants_of_a_multi_tenant_issuer_get_in() {
    const OURS: &str = "72f988bf-86f1-41af-91ab-2d7cd011db47";
    const THEIRS: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";
    let idp = Idp::liar().await;
    let of = |tenant: &str| format!("{}/{tenant}/v2.0", idp.issuer);
    let issuer = Issuer::parse(&of("organizations"), &[OURS.to_owned()]).unwrap();
    let provider = Provider::new(issuer, Idp::CLIENT, Secret::new("secret".into()), false).unwrap();
    let document = json!({"issuer": of("{tenantid}")});
    let signed_in = async |iss: String, tid: Value, key: Value| {
        idp.order(&json!({"document": document})).await;
        let (url, flow) = begin(&provider).await;
        let text = |name| parameter(&url, name).as_str().unwrap_or_default().to_owned();
        idp.order(&json!({"document": document, "key": key, "claims": {"iss": iss, "tid": tid, "email_verified": null}})).await;
        finish(
            &provider,
            &flow,
            &Returned { code: Some(format!("code.{}", text("nonce"))), state: Some(text("state")), ..Returned::default() },
        )
        .await
    };
    let fits = json!({"issuer": of("{tenantid}")});
    let identity = signed_in(of(OURS), json!(OURS), fits.clone()).await.unwrap();
    assert_eq!((identity.issuer, identity.email_verified), (of(OURS), false), "the tenant is part of who it is");
    for (iss, tid, key) in [
        (of(THEIRS), json!(THEIRS), fits.clone()),
        (of(THEIRS), json!(OURS), fits.clone()),
        (of(OURS), json!(THEIRS), fits.clone()),
        (of(OURS), Value::Null, fits.clone()),
        (of("{tenantid}"), json!(OURS), fits.clone()),
        (of("organizations"), json!(OURS), fits.clone()),
        (of(OURS), json!(OURS), json!({"issuer": of(THEIRS)})),
    ] {
        assert_eq!(signed_in(iss.clone(), tid.clone(), key).await, Err(Fault::Issuer), "{iss} {tid}");
    }
    // One tenant's own connection takes no document that speaks for all of them.
    idp.order(&json!({"document": document})).await;
    assert_eq!(sso::test(&outbound(), &connected(&of(OURS), "secret")).await, Err(Fault::Document));
}

//! With a real provider.

use super::{REDIRECT, begin, connected, finish, outbound, parameter, returned, through};
use crate::common::oidc::{self, Idp, browser};
use serde_json::{Value, json};
use usher_mcp::{
    authn::sso::{self, Asking, Fault, Issuer, Provider, Returned, Secret},
    domain::{Clock, DAY, Email, Random},
    outbound::{self, Outbound},
};

#[tokio::test]
async fn a_person_signs_in_whichever_way_the_provider_signs() {
    for algorithm in ["RS256", "PS256", "ES256", "EdDSA"] {
        let idp = Idp::real(REDIRECT, &[("USHER_TEST_OIDC_ALG", algorithm)]).await;
        let provider = connected(&idp.issuer, Idp::SECRET);
        assert_eq!(sso::test(&outbound(), &provider).await, Ok(()));
        let identity = through(&provider, &browser(), "ana").await.expect(algorithm);
        assert_eq!((identity.issuer.as_str(), identity.subject.as_str()), (idp.issuer.as_str(), "ana"));
        assert_eq!(identity.email.expect("an address").key(), "ana@example.com");
        assert!(identity.email_verified);
        assert_eq!((identity.first_name.as_deref(), identity.last_name.as_deref()), (Some("Anna"), Some("Provider")));
    }
}

#[tokio::test]
async fn what_a_provider_says_of_an_address_is_taken_word_for_word() {
    for place in ["token", "userinfo"] {
        let idp = Idp::real(REDIRECT, &[("USHER_TEST_OIDC_CLAIMS", place)]).await;
        let provider = connected(&idp.issuer, Idp::SECRET);
        let trusting = Provider::new(Issuer::parse(&idp.issuer, &[]).unwrap(), Idp::CLIENT, Secret::new(Idp::SECRET.into()), true).unwrap();
        for (person, key, verified, where_trusted) in [
            ("kim", Some("kim.vale@example.com"), true, true),
            ("bo", Some("bo@example.com"), false, false),
            ("cy", Some("cy@example.com"), false, true),
            ("nobody", None, false, false),
            ("odd", None, false, false),
        ] {
            let identity = through(&provider, &browser(), person).await.expect(person);
            let said = (identity.email.as_ref().map(Email::key), identity.email_verified);
            assert_eq!(said, (key, verified), "{person} by {place}");
            assert_eq!(through(&trusting, &browser(), person).await.expect(person).email_verified, where_trusted, "{person} by {place}");
        }
        let odd = through(&provider, &browser(), "odd").await.unwrap();
        assert_eq!((odd.first_name.as_deref(), odd.last_name), (Some("Odd <b>"), None));
    }
}

#[tokio::test]
async fn the_browser_is_sent_with_a_challenge_a_state_and_a_nonce_and_without_the_verifier() {
    let idp = Idp::real(REDIRECT, &[]).await;
    let provider = connected(&idp.issuer, Idp::SECRET);
    let hint = Email::parse("ana@example.com").unwrap();
    let asking = Asking { hint: Some(&hint), another: true };
    let (url, _) = sso::begin(&outbound(), &Random::os(), &provider, REDIRECT, asking).await.unwrap();
    let sent = oidc::query(&url);
    for (name, value) in [
        ("response_type", "code"),
        ("client_id", "usher"),
        ("redirect_uri", REDIRECT),
        ("scope", "openid email profile"),
        ("code_challenge_method", "S256"),
        ("login_hint", "ana@example.com"),
        ("prompt", "login"),
    ] {
        assert_eq!(sent[name], value);
    }
    let secrets = ["state", "nonce", "code_challenge"].map(|name| sent[name].as_str().unwrap().to_owned());
    assert!(secrets.iter().all(|secret| secret.len() == 43), "{secrets:?}");
    assert!(!url.as_str().contains(Idp::SECRET) && sent.get("code_verifier").is_none());
    let (again, _) = begin(&provider).await;
    assert_ne!(parameter(&again, "state"), sent["state"]);
    // The provider takes all of it.
    assert_eq!(oidc::sign_in(&browser(), url.as_str(), "ana").await.as_str().split('?').next(), Some(REDIRECT));
}

#[tokio::test]
async fn an_answer_counts_once_for_the_browser_that_began_and_from_the_provider_that_was_asked() {
    let idp = Idp::real(REDIRECT, &[]).await;
    let provider = connected(&idp.issuer, Idp::SECRET);
    let browser = browser();
    let (url, flow) = begin(&provider).await;
    let back = returned(&oidc::sign_in(&browser, url.as_str(), "ana").await);
    assert_eq!(back.iss.as_deref(), Some(idp.issuer.as_str()));

    let (_, other) = begin(&provider).await;
    assert_eq!(finish(&provider, &other, &back).await, Err(Fault::State));
    assert_eq!(finish(&provider, &flow, &Returned { state: None, ..back.clone() }).await, Err(Fault::State));
    assert_eq!(finish(&provider, &flow, &Returned { iss: None, ..back.clone() }).await, Err(Fault::Issuer));
    let elsewhere = Some("https://elsewhere.example".to_owned());
    assert_eq!(finish(&provider, &flow, &Returned { iss: elsewhere, ..back.clone() }).await, Err(Fault::Issuer));
    assert_eq!(finish(&provider, &flow, &Returned { code: None, ..back.clone() }).await, Err(Fault::Request));
    let declined = Returned { code: None, error: Some("access_denied".to_owned()), ..back.clone() };
    assert_eq!(finish(&provider, &flow, &declined).await, Err(Fault::Declined));

    assert!(finish(&provider, &flow, &back).await.is_ok());
    assert_eq!(finish(&provider, &flow, &back).await, Err(Fault::Code), "a code is used up");

    // Another browser's code with this browser's state: the verifier is not its own.
    let (url, theirs) = begin(&provider).await;
    let code = returned(&oidc::sign_in(&browser, url.as_str(), "ana").await).code;
    let (url, ours) = begin(&provider).await;
    let mixed = Returned { code, ..returned(&oidc::sign_in(&browser, url.as_str(), "ana").await) };
    assert_eq!(finish(&provider, &ours, &mixed).await, Err(Fault::Code));
    drop(theirs);
}

#[tokio::test]
async fn new_keys_of_the_provider_count_at_once() {
    let idp = Idp::real(REDIRECT, &[]).await;
    let provider = connected(&idp.issuer, Idp::SECRET);
    for _ in 0..2 {
        assert!(through(&provider, &browser(), "ana").await.is_ok());
        idp.order(&json!({"rotate": true})).await;
    }
}

#[tokio::test]
async fn a_wrong_secret_is_told_apart_from_a_wrong_person() {
    let idp = Idp::real(REDIRECT, &[]).await;
    assert_eq!(through(&connected(&idp.issuer, "another"), &browser(), "ana").await, Err(Fault::Client));
    idp.order(&json!({"client_secret": "another"})).await;
    assert_eq!(through(&connected(&idp.issuer, Idp::SECRET), &browser(), "ana").await, Err(Fault::Client));
    assert!(through(&connected(&idp.issuer, "another"), &browser(), "ana").await.is_ok());
}

#[tokio::test]
async fn a_token_is_as_old_as_this_servers_clock_says() {
    let idp = Idp::real(REDIRECT, &[]).await;
    let provider = connected(&idp.issuer, Idp::SECRET);
    for (later, fault) in [(DAY, Fault::Expired), (-DAY, Fault::Future)] {
        let (url, flow) = begin(&provider).await;
        let back = returned(&oidc::sign_in(&browser(), url.as_str(), "ana").await);
        let clock = Clock::manual(Clock::system().now().plus(later));
        assert_eq!(sso::finish(&outbound(), &clock, &provider, REDIRECT, &flow, &back).await, Err(fault));
    }
}

#[tokio::test]
async fn a_private_provider_is_called_only_where_the_operator_says_so() {
    let idp = Idp::real(REDIRECT, &[]).await;
    let port = idp.issuer.rsplit(':').next().unwrap();
    let closed = Outbound::new(&[], None).unwrap();
    for issuer in [idp.issuer.clone(), format!("http://localhost:{port}"), format!("https://127.0.0.1:{port}")] {
        let begun = sso::begin(&closed, &Random::os(), &connected(&issuer, Idp::SECRET), REDIRECT, Asking::default()).await;
        assert_eq!(begun.err(), Some(Fault::Call(outbound::Fault::Refused)), "{issuer}");
    }
    // Allowed, but no TLS is spoken there; and another name for it is another issuer.
    for (issuer, fault) in [
        (format!("https://127.0.0.1:{port}"), Fault::Call(outbound::Fault::Tls)),
        (format!("http://localhost:{port}"), Fault::Document),
        (format!("{}/", idp.issuer), Fault::Document),
        ("http://127.0.0.1:1".to_owned(), Fault::Call(outbound::Fault::Unreachable)),
    ] {
        assert_eq!(sso::test(&outbound(), &connected(&issuer, Idp::SECRET)).await, Err(fault), "{issuer}");
    }
    let _: Value =
        outbound().send(outbound().get(&format!("{}/jwks", idp.issuer).parse().unwrap()), 100_000).await.unwrap().json().unwrap();
}

//! Documents in which AI tools describe themselves, fetched from a real host over TLS.

use crate::common::documents::Documents;
use serde_json::{Value, json};
use usher_mcp::{
    authn::oauth::document::{self, Described, Unfit},
    domain::ClientId,
    outbound::{Fault, Outbound},
};

/// The way out, with these blocks allowed.
fn outbound(host: &Documents, allow: &[&str]) -> Outbound {
    let allow: Vec<_> = allow.iter().map(|block| block.parse().expect("a block")).collect();
    Outbound::new(&allow, Some(host.authority())).expect("a client")
}

fn id(host: &Documents) -> ClientId {
    ClientId::parse(&format!("{}/client.json", host.address)).expect("an id")
}

/// The client's document, padded to so many bytes.
fn document(host: &Documents, bytes: usize) -> String {
    let document = json!({"client_id": id(host).as_str(), "client_name": "Claude", "redirect_uris": ["https://claude.ai/cb"], "x": ""});
    let text = document.to_string();
    let padding = "x".repeat(bytes.saturating_sub(text.len()));
    text.replace(r#""x":"""#, &format!(r#""x":"{padding}""#))
}

async fn fetched(host: &Documents, order: &Value) -> Result<Described, Unfit> {
    host.answers(order).await;
    document::fetch(&outbound(host, &["127.0.0.0/8"]), &id(host)).await
}

#[tokio::test]
async fn requirement_36_a_document_is_fetched_once_from_its_own_address_and_nothing_else_is() {
    let host = Documents::start().await;
    let described = fetched(&host, &json!({"body": document(&host, 0)})).await.expect("a client");
    assert_eq!((described.name.as_str(), described.redirect_uris[0].as_str()), ("Claude", "https://claude.ai/cb"));
    assert_eq!(host.asked().await, ["/client.json"]);
    // To another place, with a document there: it is not gone to.
    let there = json!({"status": 302, "headers": {"location": format!("{}/client.json?again", host.address)}, "body": document(&host, 0)});
    assert_eq!(fetched(&host, &there).await, Err(Unfit::Fetched(Fault::Unexpected)));
    assert_eq!(host.asked().await, ["/client.json"]);
    for status in [201, 403, 404, 500] {
        let order = json!({"status": status, "headers": {"content-type": "application/json"}, "body": document(&host, 0)});
        assert_eq!(fetched(&host, &order).await, Err(Unfit::Fetched(Fault::Unexpected)), "{status}");
    }
    let page = json!({"headers": {"content-type": "text/html"}, "body": document(&host, 0)});
    assert_eq!(fetched(&host, &page).await, Err(Unfit::Form));
    assert_eq!(fetched(&host, &json!({"does": "hangup"})).await, Err(Unfit::Fetched(Fault::Unreachable)));
    // As large as may be, and a byte more, with and without a length that says so.
    assert!(fetched(&host, &json!({"body": document(&host, 5 * 1024)})).await.is_ok());
    let larger = document(&host, 5 * 1024 + 1);
    let said = json!({"content-type": "application/json", "content-length": larger.len().to_string()});
    for order in [json!({"body": larger}), json!({"body": larger, "headers": said})] {
        assert_eq!(fetched(&host, &order).await, Err(Unfit::Fetched(Fault::Large)));
    }
    // No failure is remembered.
    assert!(fetched(&host, &json!({"body": document(&host, 0)})).await.is_ok());
}

#[tokio::test]
async fn requirement_36_no_address_of_a_private_network_is_dialled_and_no_other_authority_is_trusted() {
    let host = Documents::start().await;
    host.answers(&json!({"body": document(&host, 0)})).await;
    host.asked().await;
    // The name means this machine; that is found out where it is dialled, whatever it meant before.
    for allow in [&[][..], &["10.0.0.0/8"]] {
        let refused = document::fetch(&outbound(&host, allow), &id(&host)).await;
        assert_eq!(refused, Err(Unfit::Fetched(Fault::Refused)));
    }
    let port = host.address.rsplit(':').next().expect("a port");
    for address in ["127.0.0.1", "[::1]", "[::ffff:7f00:1]", "169.254.169.254", "10.0.0.1", "100.64.0.1", "224.0.0.1", "[fe80::1]"] {
        let id = ClientId::parse(&format!("https://{address}:{port}/client.json")).expect("an id");
        assert_eq!(document::fetch(&outbound(&host, &[]), &id).await, Err(Unfit::Fetched(Fault::Refused)), "{address}");
    }
    let strangers = Outbound::new(&["127.0.0.0/8".parse().expect("a block")], None).expect("a client");
    assert_eq!(document::fetch(&strangers, &id(&host)).await, Err(Unfit::Fetched(Fault::Tls)));
    assert_eq!(host.asked().await, Vec::<String>::new());
    let given_out = ClientId::new(&usher_mcp::domain::Random::os());
    assert_eq!(document::fetch(&outbound(&host, &[]), &given_out).await, Err(Unfit::NoAddress));
}

#[tokio::test]
async fn requirement_36_who_answers_late_or_drop_by_drop_is_not_waited_for() {
    let (silent, slow) = tokio::join!(Documents::start(), Documents::start());
    let (silence, drip) = (json!({"does": "silence"}), json!({"does": "drip"}));
    let (silent, slow) = tokio::join!(fetched(&silent, &silence), fetched(&slow, &drip));
    assert_eq!((silent, slow), (Err(Unfit::Fetched(Fault::Slow)), Err(Unfit::Fetched(Fault::Slow))));
}

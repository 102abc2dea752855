//! JSON-RPC over HTTP, byte by byte, in both eras of the protocol.

use super::{Exchange, exchange, exchange_at, rpc};
use crate::common::{Engine, Options, Server, on_both};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const ACCEPT: (&str, &str) = ("accept", "application/json, text/event-stream");
const ERAS: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];
const MODERN: &str = "2026-07-28";

async fn sqlite() -> Server {
    drop(rustls::crypto::ring::default_provider().install_default());
    Server::quickstart(Engine::Sqlite).await
}

async fn post(server: &Server, body: &str) -> Exchange {
    exchange(server, Method::POST, Some(&server.token), &[ACCEPT], body).await
}

fn meta() -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "a modern client", "version": "1"},
    })
}

/// A request of the stateless era; `headers` stand in place of the ones that fit the body.
async fn modern(server: &Server, method: &str, mut params: Value, headers: &[(&str, &str)]) -> Exchange {
    if params["_meta"].is_null() {
        params["_meta"] = meta();
    }
    let name = params["name"].as_str().unwrap_or_default().to_owned();
    let mut all = vec![ACCEPT];
    for (header, fitting) in [("mcp-protocol-version", MODERN), ("mcp-method", method), ("mcp-name", &name)] {
        match headers.iter().find(|(given, _)| *given == header) {
            Some((_, "")) => {}
            Some(other) => all.push(*other),
            None if fitting.is_empty() => {}
            None => all.push((header, fitting)),
        }
    }
    let body = json!({"jsonrpc": "2.0", "id": "m-1", "method": method, "params": params});
    exchange(server, Method::POST, Some(&server.token), &all, &body.to_string()).await
}

#[tokio::test]
async fn every_revision_with_initialize_is_spoken_without_sessions() {
    let server = sqlite().await;
    for (asked, answered) in ERAS.map(|era| (era, era)).into_iter().chain([(MODERN, "2025-11-25"), ("2099-01-01", "2025-11-25")]) {
        let hello = json!({"protocolVersion": asked, "capabilities": {}, "clientInfo": {"name": "an old client", "version": "1"}});
        let answer = rpc(&server, "initialize", hello).await;
        let said = answer.json()["result"].clone();
        assert_eq!((answer.status, &said["protocolVersion"]), (200, &json!(answered)), "{asked}");
        assert_eq!(said["capabilities"], json!({"prompts": {}, "tools": {}}), "{asked}");
        assert_eq!(said["serverInfo"]["name"], "usher");
        assert!(said["instructions"].as_str().is_some_and(|text| text.contains("whoami") && text.contains("never instructions")));
        assert_eq!(answer.header("mcp-session-id"), None, "{asked}");
    }
    for era in ERAS {
        let list = json!({"jsonrpc": "2.0", "id": 7, "method": "tools/list"}).to_string();
        let headers = [ACCEPT, ("mcp-protocol-version", era)];
        let answer = exchange(&server, Method::POST, Some(&server.token), &headers, &list).await;
        assert_eq!((answer.status, &answer.json()["id"]), (200, &json!(7)), "{era}");
    }
    let headers = [ACCEPT, ("mcp-protocol-version", "1900-01-01")];
    let unknown = exchange(&server, Method::POST, Some(&server.token), &headers, r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#).await;
    assert_eq!(unknown.status, 400);
}

#[tokio::test]
async fn the_stateless_revision_is_spoken_and_its_lists_say_how_long_they_hold() {
    let server = sqlite().await;
    let discovered = modern(&server, "server/discover", json!({}), &[]).await.json()["result"].clone();
    assert_eq!(discovered["resultType"], "complete");
    assert!(discovered["supportedVersions"].as_array().expect("versions").contains(&json!(MODERN)));
    assert_eq!(discovered["cacheScope"], "private");
    assert!(discovered["ttlMs"].is_number() && discovered["instructions"].is_string());

    let listed = modern(&server, "tools/list", json!({}), &[]).await.json()["result"].clone();
    assert_eq!((&listed["resultType"], &listed["cacheScope"]), (&json!("complete"), &json!("private")));
    assert!(listed["ttlMs"].is_number());
    let called = modern(&server, "tools/call", json!({"name": "whoami", "arguments": {}}), &[]).await;
    assert_eq!(called.json()["result"]["structuredContent"]["credential"]["client"], json!({"name": "a modern client", "verified": false}));
    let refused = modern(&server, "tools/call", json!({"name": "invite_user", "arguments": {}}), &[]).await;
    assert_eq!((refused.status, &refused.json()["result"]["isError"]), (200, &json!(true)));

    // The old eras are not told of what they don't know.
    let old = rpc(&server, "tools/list", json!({})).await.json()["result"].clone();
    assert!(old["ttlMs"].is_null() && old["cacheScope"].is_null() && old["resultType"].is_null());
    assert_eq!(old["tools"], listed["tools"]);
}

#[tokio::test]
async fn requirement_14_headers_that_disagree_with_the_body_are_refused() {
    let server = sqlite().await;
    let whoami = json!({"name": "whoami", "arguments": {}});
    for (headers, code) in [
        (("mcp-method", "tools/list"), -32020),
        (("mcp-method", ""), -32020),
        (("mcp-name", "list_users"), -32020),
        (("mcp-name", ""), -32020),
        (("mcp-protocol-version", "2025-11-25"), -32020),
    ] {
        let answer = modern(&server, "tools/call", whoami.clone(), &[headers]).await;
        assert_eq!((answer.status, answer.code()), (400, json!(code)), "{headers:?}");
    }
    let mut later = meta();
    later["io.modelcontextprotocol/protocolVersion"] = json!("2099-01-01");
    let answer = modern(&server, "tools/list", json!({"_meta": later}), &[("mcp-protocol-version", "2099-01-01")]).await;
    assert_eq!((answer.status, answer.code()), (400, json!(-32022)));
    let bare = json!({"io.modelcontextprotocol/protocolVersion": MODERN});
    let answer = modern(&server, "tools/list", json!({"_meta": bare}), &[]).await;
    assert_eq!((answer.status, answer.code()), (400, json!(-32602)));
}

#[tokio::test]
async fn r_b143_protocol_faults_are_json_rpc_errors_with_the_id_that_was_sent() {
    let server = sqlite().await;
    let unknown_tool = rpc(&server, "tools/call", json!({"name": "nope", "arguments": {}})).await;
    assert_eq!(unknown_tool.code(), -32602);
    assert!(!unknown_tool.text.contains("nope"), "{}", unknown_tool.text);
    for method in ["no/such", "resources/list", "logging/setLevel", "completion/complete", "no\n\u{202e}such"] {
        let answer = rpc(&server, method, json!({})).await;
        assert_eq!(answer.code(), -32601, "{method}");
        // What a program made up is not said back to the model that reads the answer.
        assert!(!answer.text.contains("such\"") && !answer.text.contains('\u{202e}'), "{}", answer.text);
    }
    for method in ["no/such", "ping", "initialize", "subscriptions/listen"] {
        let answer = modern(&server, method, json!({}), &[]).await;
        assert_eq!((answer.status, answer.code(), &answer.json()["id"]), (404, json!(-32601), &json!("m-1")), "{method}");
    }
    for id in [json!(0), json!(9_007_199_254_740_991_i64), json!("a-b"), json!("")] {
        let body = json!({"jsonrpc": "2.0", "id": id, "method": "ping"}).to_string();
        let answer = post(&server, &body).await;
        assert_eq!((answer.status, answer.json()), (200, json!({"jsonrpc": "2.0", "id": id, "result": {}})));
    }
    for body in ["", "{", "nonsense", r#"{"jsonrpc":"2.0","id":1,"method":"ping"}}"#, "\u{feff}{}"] {
        let answer = post(&server, body).await;
        assert_eq!((answer.status, answer.code(), &answer.json()["id"]), (400, json!(-32700), &Value::Null), "{body}");
    }
    let shape = [
        "[]",
        r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#,
        "null",
        "7",
        "{}",
        r#"{"jsonrpc":"2.0","id":1}"#,
        r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#,
        r#"{"id":1,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":7}"#,
        r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":1e30,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":9223372036854775808,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":18446744073709551615,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","error":{"code":1,"message":"x"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"error":5}"#,
        r#"{"jsonrpc":"2.0","result":{}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"whoami","name":"list_users"}}"#,
    ];
    for body in shape {
        let answer = post(&server, body).await;
        assert_eq!((answer.status, answer.code()), (400, json!(-32600)), "{body}");
    }
    for text in [r#""\ud800""#, "1e999", &"9".repeat(400)] {
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"ping","params":{{"x":{text}}}}}"#);
        let answer = post(&server, &body).await;
        assert_eq!((answer.status, answer.code()), (400, json!(-32700)), "{text}");
        assert!(answer.json()["error"]["message"].as_str().is_some_and(|message| message.contains("this server reads")));
    }
    let hello = |info: Value| json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": info});
    for (method, params) in [
        ("initialize", Value::Null),
        ("initialize", json!({})),
        ("initialize", hello(json!({}))),
        ("initialize", hello(json!({"name": "x"}))),
        ("initialize", hello(json!({"name": 7, "version": "1"}))),
        ("tools/list", json!({"cursor": 5})),
        ("tools/list", json!({"_meta": 5})),
        ("ping", json!({"_meta": []})),
        ("ping", json!([1])),
    ] {
        let answer = rpc(&server, method, params.clone()).await;
        assert_eq!((answer.status, answer.code(), &answer.json()["id"]), (400, json!(-32602), &json!(1)), "{method} {params}");
    }
    let answer = post(&server, r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":[1]}"#).await;
    assert_eq!((answer.status, answer.code(), &answer.json()["id"]), (400, json!(-32602), &Value::Null));
    for params in [
        json!([1]),
        json!("x"),
        json!({"name": "whoami", "inputResponses": 5}),
        json!({"name": "whoami", "requestState": 5}),
        json!({"name": "whoami", "_meta": 5}),
        json!({"arguments": {}}),
        json!({"name": 7, "arguments": {}}),
        json!({"name": "whoami", "arguments": [1]}),
        json!({"name": "whoami", "arguments": "{}"}),
    ] {
        let body = json!({"jsonrpc": "2.0", "id": "p-1", "method": "tools/call", "params": params}).to_string();
        let answer = post(&server, &body).await;
        assert_eq!((answer.code(), &answer.json()["id"]), (json!(-32602), &json!("p-1")), "{params}");
    }
    // Left out and null are the same: no arguments.
    for params in [json!({"name": "whoami"}), json!({"name": "whoami", "arguments": null})] {
        assert!(rpc(&server, "tools/call", params).await.json()["result"]["structuredContent"]["user"].is_object());
    }
}

#[tokio::test]
async fn requirement_13_large_and_deep_bodies_end_early() {
    let server = sqlite().await;
    let padded = |size: usize| {
        let body = |pad: &str| json!({"jsonrpc": "2.0", "id": 1, "method": "ping", "params": {"x": pad}}).to_string();
        body(&"a".repeat(size - body("").len()))
    };
    assert_eq!(post(&server, &padded(256 * 1024)).await.status, 200);
    let over = post(&server, &padded(256 * 1024 + 1)).await;
    assert_eq!((over.status, &over.json()["error"]), (413, &json!("too_large")));
    let nested =
        |depth: usize| format!(r#"{{"jsonrpc":"2.0","id":1,"method":"ping","params":{{"x":{}{}}}}}"#, "[".repeat(depth), "]".repeat(depth));
    assert_eq!(post(&server, &nested(30)).await.status, 200);
    for depth in [31, 100, 100_000] {
        let answer = post(&server, &nested(depth)).await;
        assert_eq!((answer.status, answer.code()), (400, json!(-32600)), "{depth}");
    }
    let many = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"ping","params":{{"x":[{}0]}}}}"#, "0,".repeat(100_000));
    let answer = post(&server, &many).await;
    assert_eq!((answer.status, answer.code()), (400, json!(-32600)));
    let raw = server.http.post(&server.mcp_url).bearer_auth(&server.token).header("content-type", "application/json");
    let not_text = raw.body(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\xff\"}".to_vec()).send().await.unwrap();
    assert_eq!(not_text.status(), 400);
    assert!(not_text.text().await.unwrap().contains("-32700"));
    // It lives, and whoever has no token is not listened to for so long.
    assert_eq!(server.call(&server.token, "whoami", json!({})).await.status, 200);
    assert_eq!(exchange(&server, Method::POST, None, &[ACCEPT], &padded(300_000)).await.status, 401);
}

#[tokio::test]
async fn r_b136_notifications_are_taken_and_change_nothing_later() {
    let server = sqlite().await;
    for body in [
        json!({"jsonrpc": "2.0", "method": "notifications/initialized"}),
        json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 99, "reason": "never mind"}}),
        json!({"jsonrpc": "2.0", "method": "notifications/no_such"}),
    ] {
        let answer = post(&server, &body.to_string()).await;
        assert_eq!((answer.status, answer.text.as_str()), (202, ""), "{body}");
    }
    // The number that was called off before it was ever used is used now.
    let call = json!({"jsonrpc": "2.0", "id": 99, "method": "tools/call", "params": {"name": "whoami", "arguments": {}}});
    let answer = post(&server, &call.to_string()).await;
    assert_eq!((answer.status, &answer.json()["id"]), (200, &json!(99)));
    assert!(answer.json()["result"]["structuredContent"]["user"].is_object());
}

#[tokio::test]
async fn r_b137_and_r_b139_a_session_id_means_nothing_and_the_token_everything() {
    on_both(async |engine| {
        let mut server = Server::quickstart(engine).await;
        let (_, ana) = server.member("ana@example.com", &[]).await;
        let (_, bo) = server.member("bo@example.com", &[]).await;
        let whoami = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "whoami", "arguments": {}}}).to_string();
        let session = [ACCEPT, ("mcp-session-id", "00000000-0000-4000-8000-000000000000")];
        for (token, email) in [(&ana, "ana@example.com"), (&bo, "bo@example.com"), (&ana, "ana@example.com")] {
            let answer = exchange(&server, Method::POST, Some(token), &session, &whoami).await;
            assert_eq!(answer.json()["result"]["structuredContent"]["user"]["email"], email);
        }
        server.restart(&Options::default()).await;
        assert_eq!(exchange(&server, Method::POST, Some(&ana), &session, &whoami).await.status, 200);
        server.ok("deactivate_user", json!({"user": "ana@example.com"})).await;
        for method in [Method::POST, Method::GET, Method::DELETE] {
            for (token, challenge) in
                [(Some(ana.as_str()), r#"Bearer realm="usher", error="invalid_token""#), (None, r#"Bearer realm="usher""#)]
            {
                let answer = exchange(&server, method.clone(), token, &session, &whoami).await;
                assert_eq!((answer.status, answer.header("www-authenticate")), (401, Some(challenge)), "{method}");
            }
        }
        for method in [Method::GET, Method::DELETE, Method::PUT, Method::PATCH] {
            let answer = exchange(&server, method.clone(), Some(&bo), &session, "").await;
            assert_eq!((answer.status, answer.header("allow")), (405, Some("POST")), "{method}");
        }
    })
    .await;
}

#[tokio::test]
async fn r_b140_every_accept_header_gets_json() {
    let server = sqlite().await;
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let kinds = [
        "*/*",
        "application/json",
        "application/json,text/event-stream;q=0.5",
        "application/*",
        "text/html",
        "text/event-stream",
        "text/event-stream, text/html",
        "",
    ];
    for accept in kinds {
        let headers = if accept.is_empty() { vec![] } else { vec![("accept", accept)] };
        let answer = exchange(&server, Method::POST, Some(&server.token), &headers, ping).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")), "{accept}");
    }
    let refused = [
        (Method::POST, vec![("content-type", "text/plain")], 415),
        (Method::POST, vec![ACCEPT, ("mcp-protocol-version", "1900-01-01")], 400),
        (Method::GET, vec![("accept", "text/html")], 405),
        (Method::PUT, vec![], 405),
    ];
    for (method, headers, status) in refused {
        let mut request = server.http.request(method.clone(), &server.mcp_url).bearer_auth(&server.token).body(ping);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        if status == 400 {
            request = request.header("content-type", "application/json");
        }
        let answer = request.send().await.expect("an answer");
        assert_eq!((answer.status().as_u16(), answer.headers()["content-type"].to_str().expect("text")), (status, "application/json"));
        assert_eq!(answer.headers().get("allow").map(|allow| allow.to_str().expect("text")), (status == 405).then_some("POST"));
        let body: Value = answer.json().await.expect("JSON");
        assert!(body["error"].is_string() && body["message"].is_string(), "{method} {body}");
    }
    let browser = exchange(&server, Method::GET, None, &[("accept", "text/html")], "").await;
    assert_eq!(browser.status, 401);
    assert!(browser.json()["message"].as_str().is_some_and(|hint| hint.contains("Authorization: Bearer")));
}

#[tokio::test]
async fn r_b119_every_way_without_a_live_token_is_401_with_a_challenge_and_well_known_paths_are_json_404() {
    let server = sqlite().await;
    let revoked = server.cli(&["token", "create", "--org", &server.org, "--user", "admin@example.com", "--json"]).await;
    server.cli(&["token", "revoke", "--org", &server.org, "--id", revoked["id"].as_str().expect("an id"), "--json"]).await;
    let dead = format!("Bearer {}", revoked["token"].as_str().expect("a token"));
    let with_error = r#"Bearer realm="usher", error="invalid_token""#;
    for method in [Method::POST, Method::GET, Method::DELETE] {
        for (authorization, challenge) in [
            (None, r#"Bearer realm="usher""#),
            (Some("Basic YWRtaW46YWRtaW4="), r#"Bearer realm="usher""#),
            (Some("Bearerusher_pat_x"), r#"Bearer realm="usher""#),
            (Some("Bearer"), with_error),
            (Some("Bearer  "), with_error),
            (Some(dead.as_str()), with_error),
        ] {
            let headers: Vec<_> = authorization.map(|value| ("authorization", value)).into_iter().collect();
            let answer = exchange(&server, method.clone(), None, &headers, "{}").await;
            assert_eq!((answer.status, answer.header("www-authenticate")), (401, Some(challenge)), "{method} {authorization:?}");
            assert_eq!(answer.json()["error"], if challenge == with_error { "invalid_token" } else { "unauthorized" });
            assert!(!answer.text.contains("request_id"));
        }
    }
    for path in
        ["/oauth-protected-resource", "/oauth-protected-resource/mcp", "/oauth-authorization-server", "/openid-configuration", "/", ""]
    {
        let url = format!("{}/.well-known{path}", server.address());
        for token in [None, Some(server.token.as_str())] {
            for method in [Method::GET, Method::POST, Method::PUT] {
                let answer = exchange_at(&server, &url, method, token, &[], "").await;
                assert_eq!((answer.status, answer.json()), (404, json!({"error": "not_found"})), "{path}");
            }
        }
    }
    for path in ["/mcp/", "/mcp/my-organization/", "/mcp/my-organization/more"] {
        let answer = exchange_at(&server, &format!("{}{path}", server.address()), Method::POST, Some(&server.token), &[], "{}").await;
        assert_eq!((answer.status, answer.json()), (404, json!({"error": "not_found"})), "{path}");
    }
    let two = [("authorization", dead.as_str())];
    let answer = exchange(&server, Method::POST, Some(&server.token), &two, "{}").await;
    assert_eq!(answer.status, 400, "which of two tokens counts must not depend on who reads them");
}

#[tokio::test]
async fn requirement_3_a_token_beside_the_header_is_no_token() {
    drop(rustls::crypto::ring::default_provider().install_default());
    let folder = tempfile::TempDir::new().expect("a folder");
    let log = folder.path().join("log");
    let options = Options::default().with("USHER_LOG", "trace,rmcp=trace").logged_to(&log);
    let mut server = Server::quickstart_with(Engine::Sqlite, &options).await;
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    for name in ["token", "access_token", "api_key", "authorization"] {
        let url = format!("{}?{name}={}", server.mcp_url, server.token);
        assert_eq!(exchange_at(&server, &url, Method::POST, None, &[ACCEPT], ping).await.status, 401, "{name}");
    }
    let form = format!("access_token={}", server.token);
    let headers = [("x-api-key", server.token.as_str()), ("cookie", &format!("token={}", server.token))];
    assert_eq!(exchange(&server, Method::POST, None, &headers, &form).await.status, 401);
    // Nor does it stand in the log afterwards, however much is logged (R-B124).
    server.stop().await;
    let said = std::fs::read_to_string(&log).expect("the log");
    assert!(said.contains("DEBUG") && !said.contains(&server.token), "{said}");
}

/// The status of the answer to these very bytes.
async fn raw(server: &Server, head: &str) -> String {
    let address = server.address();
    let mut stream = TcpStream::connect(address.trim_start_matches("http://")).await.expect("an answer");
    stream.write_all(head.as_bytes()).await.expect("an answer");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    answer.split(' ').nth(1).unwrap_or_default().to_owned()
}

#[tokio::test]
async fn r_b125_and_requirement_12_the_public_host_and_loopback_are_let_in_and_nobody_else() {
    drop(rustls::crypto::ring::default_provider().install_default());
    let public = Server::quickstart_with(Engine::Sqlite, &Options::arguments(&["--public-url", "https://users.example.com"])).await;
    let local = sqlite().await;
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let status = async |server: &Server, header: (&str, &str)| {
        exchange(server, Method::POST, Some(&server.token), &[ACCEPT, header], ping).await.status
    };
    for host in ["users.example.com", "USERS.example.com", "users.example.com:443", "127.0.0.1:8080", "localhost", "[::1]:8080"] {
        assert_eq!(status(&public, ("host", host)).await, 200, "{host}");
    }
    for host in [
        "evil.example",
        "users.example.com:444",
        "users.example.com:99999",
        "users.example.com.evil.example",
        "127.0.0.1.evil.example",
        "xusers.example.com",
        "localhost:99999",
        "localhost:",
        "evil.example:80:80",
    ] {
        assert_eq!(status(&public, ("host", host)).await, 403, "{host}");
        assert_eq!(status(&local, ("host", host)).await, 403, "{host}");
    }
    for (origin, at_public, at_local) in [
        ("https://users.example.com", 200, 403),
        ("http://users.example.com", 403, 403),
        ("https://users.example.com:444", 403, 403),
        ("https://evil.example", 403, 403),
        ("null", 403, 403),
        ("http://localhost:6274", 403, 200),
        ("http://127.0.0.1:3000", 403, 200),
        ("http://localhost.evil.example", 403, 403),
        ("http://evil.com/.localhost", 403, 403),
        ("http://evil.com@a.localhost", 403, 403),
        ("http://localhost:99999", 403, 403),
    ] {
        assert_eq!(status(&public, ("origin", origin)).await, at_public, "{origin}");
        assert_eq!(status(&local, ("origin", origin)).await, at_local, "{origin}");
    }
    for head in
        ["GET /healthz HTTP/1.0\r\n\r\n", "GET /healthz HTTP/1.1\r\nhost: localhost\r\nhost: evil.example\r\nconnection: close\r\n\r\n"]
    {
        let status = raw(&public, head).await;
        assert!(["400", "403"].contains(&status.as_str()), "no host, or two, is none: {status}");
    }
    let told = exchange(&public, Method::POST, Some(&public.token), &[ACCEPT, ("host", "evil.example")], ping).await;
    assert!(told.json()["message"].as_str().is_some_and(|hint| hint.contains("--public-url")));
}

#[tokio::test]
async fn both_urls_answer_alike() {
    let server = sqlite().await;
    let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    let plain = format!("{}/mcp", server.address());
    let short = exchange_at(&server, &plain, Method::POST, Some(&server.token), &[ACCEPT], list).await;
    let long = exchange(&server, Method::POST, Some(&server.token), &[ACCEPT], list).await;
    assert_eq!((short.status, short.json()), (200, long.json()));
    let other = format!("{}/mcp/another-organization", server.address());
    let foreign = exchange_at(&server, &other, Method::POST, Some(&server.token), &[ACCEPT], list).await;
    let unknown = exchange_at(&server, &other, Method::POST, Some("usher_pat_unknown"), &[ACCEPT], list).await;
    assert_eq!((foreign.status, &foreign.text), (401, &unknown.text));
}

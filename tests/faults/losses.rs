//! PostgreSQL goes away in the middle of everything, or two of its transactions wait for each other.

use super::{assert_generic, person, quiet, refusal};
use crate::common::{Engine, Server, database::Connection, invariants, until};
use serde_json::json;
use sqlx::Executor;
use tokio::{io::AsyncWriteExt, net::TcpStream, task::JoinSet};

#[tokio::test]
async fn lost_connections_answer_unavailable_and_come_back_by_themselves() {
    drop(rustls::crypto::ring::default_provider().install_default());
    let server = Server::quickstart_with(Engine::Postgres, &quiet()).await;
    let connection = Connection::to(&server).await;
    let cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                WHERE datname = current_database() AND application_name = 'usher'";
    let (mut failed, mut lost) = (Vec::new(), 0);
    for round in 0..20 {
        let mut calls = JoinSet::new();
        for call in 0..12 {
            let email = format!("round{round}.call{call}@example.com");
            let answer = server.request(&server.token, "invite_user", &person(&email));
            calls.spawn(async move { (email, answer.await) });
        }
        // In the middle: after some have been answered.
        let mut answers = Vec::new();
        for _ in 0..round % 12 {
            answers.push(calls.join_next().await.expect("a call").expect("an answer"));
        }
        lost += connection.number(cut).await;
        answers.extend(calls.join_all().await);
        for (email, answer) in answers {
            if answer.status == 503 {
                failed.push(email);
            } else if let Some(error) = refusal(&answer) {
                assert_eq!(error["code"], "unavailable", "{error}");
                assert_generic(&error);
                failed.push(email);
            }
        }
    }
    assert!(lost > 20 && !failed.is_empty(), "{lost} connections were cut, {} calls were in the middle", failed.len());
    // By itself, without a restart; and nothing is done twice, whatever became of the first try.
    until("the database is back", async || {
        let answer = server.call(&server.token, "whoami", json!({})).await;
        (answer.status == 200 && refusal(&answer).is_none()).then_some(())
    })
    .await;
    for email in &failed {
        server.ok("invite_user", person(email)).await;
        assert_eq!(server.ok("invite_user", person(email)).await["changed"], false);
    }
    assert_eq!(connection.number("SELECT count(*) FROM users").await, 1 + 20 * 12);
    assert_eq!(connection.number("SELECT count(*) FROM audit_log WHERE tool = 'invite_user'").await, 20 * 12);
    connection.close().await;
    invariants::hold(&server, "after lost connections").await;
    assert_eq!(server.verified().await["ok"], true);
}

#[tokio::test]
async fn r_b109_a_deadlock_is_run_again_with_one_mail_and_one_entry() {
    drop(rustls::crypto::ring::default_provider().install_default());
    let server = Server::quickstart_with(Engine::Postgres, &quiet()).await;
    server.ok("invite_user", person("ana@example.com")).await;
    super::at_rest(&server).await;
    let connection = Connection::to(&server).await;
    let mails = connection.number("SELECT count(*) FROM outbox").await;
    let mut other =
        sqlx::PgPool::connect(server.database_url().expect("an address")).await.expect("PostgreSQL").begin().await.expect("BEGIN");
    // The other never gives way, so that the server is the one whose transaction is ended.
    other.execute("SET LOCAL deadlock_timeout = '1min'").await.expect("a superuser");
    other.execute("SELECT 1 FROM users WHERE email_key = 'ana@example.com' FOR UPDATE").await.expect("the person");
    let call = tokio::spawn(server.request(&server.token, "resend_invite", &json!({"user": "ana@example.com"})));
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'usher'
                    AND wait_event_type = 'Lock'";
    until("the server waits for the other", async || (connection.number(waits).await > 0).then_some(())).await;
    other.execute("SELECT 1 FROM org_heads FOR UPDATE").await.expect("the lock, once the server lost");
    other.commit().await.expect("COMMIT");
    let answer = call.await.expect("no panic");
    assert_eq!(answer.structured()["changed"], true);
    let lost = connection.number("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()");
    assert!(lost.await > 0, "they waited for each other");
    assert_eq!(connection.number("SELECT count(*) FROM outbox").await, mails + 1);
    assert_eq!(connection.number("SELECT count(*) FROM audit_log WHERE tool = 'resend_invite'").await, 1);
    connection.close().await;
    invariants::hold(&server, "after a deadlock").await;
}

#[tokio::test]
async fn half_a_request_keeps_no_server_from_its_end() {
    drop(rustls::crypto::ring::default_provider().install_default());
    let mut server = Server::quickstart_with(Engine::Sqlite, &quiet()).await;
    let mut held = Vec::new();
    for half in [
        "GET /hea".to_owned(),
        "POST /sign-in HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 99\r\n\r\nem"
            .to_owned(),
        format!("POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {}\r\nContent-Length: 99\r\n\r\n{{", server.token),
    ] {
        let mut stream = TcpStream::connect(server.address().trim_start_matches("http://")).await.expect("it listens");
        stream.write_all(half.as_bytes()).await.expect("it reads");
        held.push(stream);
    }
    // What was refused a moment ago is written at the end all the same.
    let (_, token) = server.member("nobody@example.com", &[]).await;
    assert_eq!(
        refusal(&server.call(&token, "deactivate_user", json!({"user": "x@example.com"})).await).expect("no")["code"],
        "permission_denied"
    );
    server.stop().await;
    drop(held);
    server.restart(&quiet()).await;
    let refused = server.ok("list_audit_events", json!({"outcome": "refused"})).await;
    assert_eq!(refused["events"][0]["code"], "permission_denied", "{refused}");
}

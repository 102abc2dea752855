//! The accepting pages, over HTTP and in a real browser.

mod accepting;
mod browser;
mod dead_links;
mod pages;
mod scanners;

use crate::common::{Engine, Server, until};
use reqwest::{Client, Response, redirect::Policy};
use serde_json::{Value, json};

/// A program without a memory: no cookies, no redirects.
fn stranger() -> Client {
    Client::builder().redirect(Policy::none()).build().expect("a client")
}

/// A browser's memory, of somebody else each time.
fn browser() -> Client {
    Client::builder().cookie_store(true).build().expect("a client")
}

/// A server, with `ana@example.com` invited as Ana Ruiz, and her link.
async fn invited(engine: Engine) -> (Server, String) {
    let server = Server::quickstart(engine).await;
    let link = invite(&server, "ana@example.com").await;
    (server, link)
}

async fn invite(server: &Server, email: &str) -> String {
    server.ok("invite_user", json!({"email": email, "first_name": "Ana", "last_name": "Ruiz"})).await;
    let link = server.link_to(email).await;
    // It lies in the folder before that is noted.
    until("the note", async || (user(server, email).await["delivery"]["state"] == "folder").then_some(())).await;
    link
}

async fn user(server: &Server, email: &str) -> Value {
    server.ok("get_user", json!({"user": email})).await["user"].clone()
}

fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    response.headers().get(name).map(|value| value.to_str().expect("text"))
}

/// The form as somebody fills it in.
fn filled(first: &str, last: &str, password: &str) -> Vec<(String, String)> {
    [("first_name", first), ("last_name", last), ("password", password), ("do", "join")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
}

/// Opens a link as a browser does; the page, and where it stands.
async fn open(client: &Client, link: &str) -> (u16, String, String) {
    let response = client.get(link).send().await.expect("a page");
    let (status, place) = (response.status().as_u16(), response.url().to_string());
    (status, place, response.text().await.expect("a body"))
}

/// Sends the form to where it stands.
async fn send(client: &Client, place: &str, form: &[(String, String)]) -> (u16, String) {
    let response = client.post(place).form(form).send().await.expect("an answer");
    (response.status().as_u16(), response.text().await.expect("a body"))
}

/// The page's heading, in words.
fn heading(html: &str) -> String {
    let inside = html.split("<h1").nth(1).and_then(|rest| rest.split_once('>')).and_then(|(_, rest)| rest.split_once("</h1>"));
    let mut words = inside.expect("a heading").0.to_owned();
    while let (Some(from), Some(to)) = (words.find('<'), words.find('>')) {
        words.replace_range(from..=to, "");
    }
    words
}

/// Lets so many milliseconds go by for everything that was sent to this person.
async fn age(server: &Server, email: &str, ms: i64) {
    let sql = format!(
        "UPDATE links SET sent_at = sent_at - {ms}, expires_at = expires_at - {ms}
          WHERE user_key = (SELECT key FROM users WHERE email = '{email}') AND ended_at IS NULL"
    );
    assert!(server.tamper(&sql).await);
}

const SECOND: i64 = 1000;
const DAY: i64 = 86_400 * SECOND;

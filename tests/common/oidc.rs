//! Identity providers: a real one, one that lies, and a person in front of them.

use super::hosts::variable;
use reqwest::{Client, Response, redirect::Policy};
use serde_json::{Value, json};
use std::{path::PathBuf, process::Stdio};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    sync::Mutex,
};
use url::Url;

/// A provider in a process of its own; it ends with this value.
pub struct Idp {
    pub issuer: String,
    talk: Mutex<(ChildStdin, Lines<BufReader<ChildStdout>>)>,
    _child: Child,
}

impl Idp {
    /// The client id that every provider here gives out.
    pub const CLIENT: &str = "usher";
    /// The secret of [`real`](Self::real).
    pub const SECRET: &str = "a-secret-with-~-%-+-:-in-it";

    /// A real provider, which sends people back to this address.
    pub async fn real(redirect: &str, environment: &[(&str, &str)]) -> Self {
        Self::start("node/oidc.mjs", &[redirect, Self::SECRET], environment).await
    }

    /// One that does what it is told; its secret is `secret`.
    pub async fn liar() -> Self {
        Self::start("node/liar.mjs", &[], &[]).await
    }

    async fn start(program: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut child = Command::new(variable("USHER_TEST_NODE22"))
            .arg(PathBuf::from(variable("USHER_TEST_HOSTS")).join(program))
            .args(arguments)
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the provider starts");
        let mut lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
        let line = lines.next_line().await.expect("a line").expect("the provider says where it is");
        let said: Value = serde_json::from_str(&line).expect("JSON");
        let talk = Mutex::new((child.stdin.take().expect("stdin"), lines));
        Self { issuer: said["issuer"].as_str().expect("an issuer").to_owned(), talk, _child: child }
    }

    async fn say(&self, order: &Value) -> Value {
        let mut talk = self.talk.lock().await;
        talk.0.write_all(format!("{order}\n").as_bytes()).await.expect("an order");
        let answer = talk.1.next_line().await.expect("a line").expect("an answer");
        serde_json::from_str(&answer).expect("JSON")
    }

    /// From now on it does this.
    pub async fn order(&self, order: &Value) {
        assert_eq!(self.say(order).await, json!({"done": true}));
    }

    /// Which endpoints of a [`liar`](Self::liar) were called since this was asked last.
    pub async fn asked(&self) -> Vec<String> {
        serde_json::from_value(self.say(&json!({"tell": true})).await["asked"].clone()).expect("names")
    }
}

/// A browser's memory that goes nowhere by itself.
pub fn browser() -> Client {
    // Whichever test comes first in this process.
    drop(rustls::crypto::ring::default_provider().install_default());
    Client::builder().cookie_store(true).redirect(Policy::none()).build().expect("a client")
}

/// Follows redirects while they stay with the provider, as a browser would.
async fn follow(browser: &Client, mut response: Response, idp: &str) -> Result<String, Url> {
    loop {
        let Some(place) = response.headers().get("location") else {
            return Ok(response.text().await.expect("a page"));
        };
        let place = response.url().join(place.to_str().expect("text")).expect("a URL");
        if !place.as_str().starts_with(idp) {
            return Err(place);
        }
        response = browser.get(place).send().await.expect("a page");
    }
}

fn attribute<'a>(html: &'a str, before: &str) -> Option<&'a str> {
    html.split_once(before)?.1.split_once('"').map(|(value, _)| value)
}

/// Goes where a sign-in begins, signs in as this person, agrees; where the provider then sends the browser.
pub async fn sign_in(browser: &Client, begin: &str, person: &str) -> Url {
    let idp = Url::parse(begin).expect("a URL").origin().ascii_serialization();
    let mut response = browser.get(begin).send().await.expect("a page");
    loop {
        let page = match follow(browser, response, &idp).await {
            Err(place) => return place,
            Ok(page) => page,
        };
        let action = attribute(&page, "action=\"").unwrap_or_else(|| panic!("no form: {page}"));
        let mut form = vec![("login", person), ("password", "any")];
        // What the form itself carries: what is asked, or that another session is left.
        for input in page.split("<input").skip(1).filter(|input| input.contains("type=\"hidden\"")) {
            form.push((attribute(input, "name=\"").expect("a name"), attribute(input, "value=\"").expect("a value")));
        }
        response = browser.post(action).form(&form).send().await.expect("a page");
    }
}

/// The parameters of an address.
pub fn query(url: &Url) -> Value {
    url.query_pairs().map(|(name, value)| (name.into_owned(), Value::from(value.into_owned()))).collect::<serde_json::Map<_, _>>().into()
}

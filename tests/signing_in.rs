//! Signing in: by password, by mailed link, by the operator's link; what is one's own; several organizations.

mod browser;
mod clicks;
mod factors;
mod links;
mod own;
mod passwords;
mod resets;
pub mod second_factor;

use crate::common::{Engine, PASSWORD, Server};
use reqwest::{Client, Response, redirect::Policy};
use serde_json::json;

/// A browser: it keeps cookies, and shows where it was sent instead of going there.
pub struct Browser {
    http: Client,
    server: String,
}

/// What a browser was answered.
pub struct Seen {
    pub status: u16,
    pub location: Option<String>,
    pub cookies: Vec<String>,
    /// Whether nothing may keep it.
    pub no_store: bool,
    pub html: String,
}

impl Seen {
    async fn of(response: Response) -> Self {
        let text = |value: &reqwest::header::HeaderValue| value.to_str().expect("text").to_owned();
        Self {
            status: response.status().as_u16(),
            location: response.headers().get("location").map(text),
            cookies: response.headers().get_all("set-cookie").iter().map(text).collect(),
            no_store: response.headers().get("cache-control").is_some_and(|value| value == "no-store"),
            html: response.text().await.expect("a body"),
        }
    }
}

impl Browser {
    pub fn of(server: &Server) -> Self {
        Self::at(&server.address())
    }

    /// One that goes to this node.
    pub fn at(address: &str) -> Self {
        let http = Client::builder()
            .cookie_store(true)
            .redirect(Policy::none())
            .user_agent("Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0");
        Self { http: http.build().expect("a client"), server: address.to_owned() }
    }

    fn place(&self, path: &str) -> String {
        if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.server) }
    }

    pub async fn get(&self, path: &str) -> Seen {
        Seen::of(self.http.get(self.place(path)).send().await.expect("an answer")).await
    }

    pub async fn post(&self, path: &str, form: &[(&str, &str)]) -> Seen {
        Seen::of(self.send(path, form).await).await
    }

    /// The same with the answer as it came.
    pub async fn send(&self, path: &str, form: &[(&str, &str)]) -> Response {
        self.http.post(self.place(path)).form(form).send().await.expect("an answer")
    }

    /// The same from a page, as browsers tell.
    pub async fn post_from(&self, page: &str, path: &str, form: &[(&str, &str)]) -> Seen {
        let request = self.http.post(self.place(path)).header("referer", self.place(page));
        Seen::of(request.form(form).send().await.expect("an answer")).await
    }

    /// The same with the answer's own headers, for files.
    pub async fn take(&self, path: &str, form: &[(&str, &str)]) -> Response {
        self.http.post(self.place(path)).form(form).send().await.expect("an answer")
    }

    /// The page of who one is, if one is in.
    pub async fn me(&self) -> Option<String> {
        let seen = self.get("/me").await;
        match (seen.status, seen.location.as_deref()) {
            (200, _) => Some(seen.html),
            (303, Some("/sign-in")) => None,
            other => panic!("{other:?}"),
        }
    }

    /// The page of who one is with this cookie, such as a copy that somebody took.
    pub async fn me_with(&self, cookie: &str) -> Option<String> {
        let seen = Seen::of(self.http.get(self.place("/me")).header("cookie", cookie).send().await.expect("an answer")).await;
        (seen.status == 200).then_some(seen.html)
    }

    /// Signs in by password.
    pub async fn by_password(&self, org: &str, email: &str, password: &str) -> Seen {
        self.post(&format!("/sign-in/{org}"), &[("email", email), ("password", password), ("do", "password")]).await
    }

    /// Asks for a link and opens it: the `n`-th mail to that address.
    async fn by_link(&self, server: &Server, email: &str, n: usize) -> Seen {
        assert_eq!(self.post("/sign-in", &[("email", email), ("do", "link")]).await.status, 200);
        let link = server.newest_link_to(email, n).await;
        self.open(&link).await
    }

    /// Opens a link of the door and presses its button.
    pub async fn open(&self, link: &str) -> Seen {
        let moved = self.get(link).await;
        assert_eq!(moved.status, 303, "{}", moved.html);
        let place = moved.location.expect("a place");
        let shown = self.get(&place).await;
        assert_eq!(shown.status, 200, "{}", shown.html);
        self.post(&place, &[("do", "go")]).await
    }
}

/// The person that a page's forms were drawn for.
pub fn drawn_for(html: &str) -> String {
    html.split("name=\"as\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a form").to_owned()
}

/// A server with Ana, a member with [`PASSWORD`], in no browser yet.
async fn with_ana(engine: Engine) -> Server {
    let server = Server::quickstart(engine).await;
    server.member("ana@example.com", &[]).await;
    server
}

/// A second organization on the same server, with Ana as its Administrator: Active, without a password.
pub async fn second_organization(server: &Server) -> String {
    let made = server
        .cli(&[
            "org",
            "create",
            "--name",
            "Second",
            "--admin-email",
            "ana@example.com",
            "--admin-first-name",
            "Ana",
            "--admin-last-name",
            "Two",
            "--json",
        ])
        .await;
    made["org"].as_str().expect("a slug").to_owned()
}

async fn deactivate(server: &Server, email: &str) -> serde_json::Value {
    server.ok("deactivate_user", json!({"user": email})).await
}

/// Whether a page says this password did not open.
fn refused(seen: &Seen) -> bool {
    seen.status == 422 && seen.html.contains("do not open a door here") && !seen.html.contains(PASSWORD)
}

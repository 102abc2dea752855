//! What is secret stands where it is meant to, and nowhere else: one whole run, told in every detail, then searched.

use super::{ANA, KIM, Kind, NEW, Person, World};
use crate::{
    common::{
        Engine, Options, PASSWORD, Server,
        copies::{Copies, forms, kept, writings},
        hosts, oidc,
        oidc::Idp,
        on_both,
    },
    signing_in::{drawn_for, second_factor::copied},
    sso::{self, Seen, get, post},
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use reqwest::{
    Client, Url,
    cookie::{CookieStore, Jar},
    header::HeaderValue,
    redirect::Policy,
};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

/// Somebody who joins through the provider.
const EVE: Person = Person { login: "eve", email: "eve@elsewhere.example" };

/// Passwords that were typed and are none.
const WRONG: [&str; 2] = ["brief 7xq!", "not her pass phrase at all 4711"];

/// A browser's memory that also notes every value which it was ever given.
#[derive(Default)]
struct Noted {
    jar: Jar,
    values: Mutex<Vec<String>>,
}

impl CookieStore for Noted {
    fn set_cookies(&self, headers: &mut dyn Iterator<Item = &HeaderValue>, url: &Url) {
        let headers: Vec<HeaderValue> = headers.cloned().collect();
        for header in &headers {
            let (_, value) = header.to_str().expect("text").split(';').next().and_then(|pair| pair.split_once('=')).expect("a pair");
            // A short one is a word, and no secret.
            if value.len() >= 16 {
                self.values.lock().expect("the values").push(value.to_owned());
            }
        }
        self.jar.set_cookies(&mut headers.iter(), url);
    }

    fn cookies(&self, url: &Url) -> Option<HeaderValue> {
        self.jar.cookies(url)
    }
}

/// Everything secret that was used, by what it is.
#[derive(Default)]
struct Secrets {
    /// Tokens of links: in mails and one-time answers.
    links: Vec<String>,
    /// What stands in no mail either.
    others: Vec<(&'static str, Vec<u8>)>,
    noted: Vec<Arc<Noted>>,
}

impl Secrets {
    /// A browser of which every cookie is noted.
    fn browser(&mut self) -> Client {
        let noted = Arc::new(Noted::default());
        self.noted.push(Arc::clone(&noted));
        Client::builder().cookie_provider(noted).redirect(Policy::none()).build().expect("a client")
    }

    fn link(&mut self, link: &str) {
        self.links.push(link.rsplit('/').next().expect("a token").to_owned());
    }

    fn add(&mut self, what: &'static str, secret: impl Into<Vec<u8>>) {
        self.others.push((what, secret.into()));
    }

    /// A text that forms and addresses write in their own way.
    fn typed(&mut self, what: &'static str, text: &str) {
        self.add(what, text);
        let written: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
        self.add(what, written.replace('+', "%20"));
        self.add(what, written);
    }

    /// In every writing, without those of links.
    fn but_links(&self) -> Vec<Vec<u8>> {
        let mut all: Vec<Vec<u8>> = self.others.iter().flat_map(|(_, secret)| writings(secret)).collect();
        let tokens = &self.links;
        for noted in &self.noted {
            let values = noted.values.lock().expect("the values");
            all.extend(values.iter().filter(|value| !tokens.contains(value)).flat_map(|value| writings(value.as_bytes())));
        }
        all
    }

    fn all(&self) -> Vec<Vec<u8>> {
        let links = self.links.iter().flat_map(|token| forms(token));
        self.but_links().into_iter().chain(links).collect()
    }
}

/// A command told in every detail: what it printed, and its log.
async fn command(server: &Server, format: &str, words: &[&str]) -> (Vec<u8>, Vec<u8>) {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_usher"));
    command.args(words).args(["--log", "debug", "--log-format", format]).args(sso::ALLOWED).env("USHER_DATA_DIR", server.data_dir.path());
    if let Some(url) = server.database_url() {
        command.env("USHER_DATABASE_URL", url);
    }
    let output = command.output().await.expect("it runs");
    (output.stdout, output.stderr)
}

/// Who is asked for on a page, and does something there.
async fn own(browser: &Client, place: &str, form: &[(&str, &str)]) -> Seen {
    let drawn = drawn_for(&get(browser, place).await.html);
    let mut form = form.to_vec();
    form.push(("as", &drawn));
    post(browser, place, &form).await
}

/// Comes in by a link of this kind.
async fn comes_in(world: &mut World, secrets: &mut Secrets, kind: Kind, person: Person) -> Client {
    world.kind = kind;
    let browser = secrets.browser();
    let link = world.ask(&browser, person).await;
    secrets.link(&link);
    world.follow(&browser, &link, person).await;
    assert!(world.is_in(&browser, person).await, "{kind:?}");
    // Used again, in a damaged form, and by a form of another site.
    for address in [link.clone(), format!("{link}x"), format!("{link}?token={link}")] {
        assert!(matches!(get(&browser, &address).await.status, 404 | 410), "{kind:?} {address}");
    }
    let forged = browser.post(&link).header("sec-fetch-site", "cross-site").form(&[("password", NEW), ("do", "go")]);
    assert_eq!(forged.send().await.expect("an answer").status(), 403);
    browser
}

/// In by a password, with a second factor from now on, and in again by a recovery code.
async fn second_factor(world: &World, secrets: &mut Secrets, password: &str) {
    let (address, org) = (world.address(), world.server.org.clone());
    let (door, place) = (format!("{address}/sign-in/{org}"), format!("{address}/me/second-factor"));
    let browser = secrets.browser();
    let form = |password: &'static str| [("email", ANA.email), ("password", password), ("do", "password")];
    assert_eq!(post(&browser, &door, &form(WRONG[1])).await.status, 422);
    assert_eq!(post(&browser, &door, &[("email", ANA.email), ("password", password), ("do", "password")]).await.status, 303);
    let begun = own(&browser, &place, &[("do", "begin")]).await;
    let key = copied(&begun.html, "Key");
    let raw = totp_rs::Secret::try_from_base32(key.replace(' ', "")).expect("base 32");
    let code = usher_mcp::authn::totp::Secret::from_bytes(raw.as_bytes()).expect("20 bytes").code(usher_mcp::domain::Clock::system().now());
    let confirmed = own_of(&begun, &browser, &place, &[("do", "confirm"), ("code", &code)]).await;
    let codes = copied(&confirmed.html, "Recovery codes");
    let codes: Vec<&str> = codes.lines().collect();
    assert_eq!(codes.len(), 10);
    secrets.add("TOTP secret", raw.as_bytes());
    secrets.add("TOTP secret", key.as_str());
    secrets.add("TOTP secret", key.replace(' ', ""));
    for code in &codes {
        secrets.add("recovery code", *code);
        secrets.add("recovery code", code.replace('-', ""));
    }
    assert_eq!(post(&browser, &door, &[("email", ANA.email), ("password", password), ("do", "password")]).await.status, 303);
    assert_eq!(own(&browser, &place, &[("do", "pass"), ("code", &code)]).await.status, 422, "this code was used");
    assert_eq!(own(&browser, &place, &[("do", "pass"), ("code", codes[0])]).await.status, 303);
    assert!(world.is_in(&browser, ANA).await);
}

/// Sends the form of a page that was just shown.
async fn own_of(shown: &Seen, browser: &Client, place: &str, form: &[(&str, &str)]) -> Seen {
    let drawn = drawn_for(&shown.html);
    let mut form = form.to_vec();
    form.push(("as", &drawn));
    let seen = post(browser, place, &form).await;
    assert_eq!(seen.status, 200, "{}", seen.html);
    seen
}

/// Once more through the provider, step by step; everything that the provider asked and told.
async fn through_the_provider(world: &World, secrets: &mut Secrets, heard: &Path) {
    let connection = &world.provider.as_ref().expect("a provider").1;
    let browser = secrets.browser();
    let door = format!("{}/sign-in/{}", world.address(), world.server.org);
    let out = post(&browser, &door, &[("do", &format!("sso:{connection}"))]).await;
    let asked = oidc::query(&Url::parse(&out.onward()).expect("a URL"));
    for name in ["state", "nonce", "code_challenge"] {
        secrets.add("state, nonce, challenge", asked[name].as_str().expect(name));
    }
    let back = oidc::sign_in(&oidc::browser(), &out.onward(), KIM.login).await;
    let shown = get(&browser, back.as_str()).await;
    assert_eq!(post(&browser, &shown.place, &[("do", "go")]).await.location.as_deref(), Some("/"), "{}", shown.html);
    assert_eq!(get(&secrets.browser(), back.as_str()).await.status, 403, "it works once");
    assert_eq!(get(&browser, back.as_str()).await.status, 200, "whoever is in by it goes on");
    secrets.add("client secret", Idp::SECRET);
    let mut journeys = 0;
    for line in std::fs::read_to_string(heard).expect("what the provider heard").lines() {
        let line: Value = serde_json::from_str(line).expect("JSON");
        journeys += 1;
        for part in [&line["asked"]["code"], &line["asked"]["code_verifier"], &line["told"]["access_token"]] {
            secrets.add("code, verifier, access token", part.as_str().unwrap_or_else(|| panic!("{line}")));
        }
        let token = line["told"]["id_token"].as_str().expect("an ID token");
        let parts: Vec<&str> = token.split('.').collect();
        secrets.add("ID token", parts[1]);
        secrets.add("ID token", parts[2]);
        let claims: Value = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(parts[1]).expect("base64")).expect("JSON");
        secrets.add("nonce", claims["nonce"].as_str().expect("a nonce"));
    }
    assert_eq!(journeys, 3, "linked, joined, signed in");
}

/// Personal tokens through MCP, alive and dead; what the tools say.
async fn tools(server: &Server, secrets: &mut Secrets) -> Vec<u8> {
    let hers = server.token_for(ANA.email, &[]).await;
    for token in [&server.token, &hers] {
        secrets.add("token", token.as_str());
    }
    let mut told = Vec::new();
    for (tool, arguments) in [
        ("whoami", json!({})),
        ("list_users", json!({"limit": 100})),
        ("get_user", json!({"user": ANA.email})),
        ("list_audit_events", json!({"limit": 100})),
        ("list_permissions", json!({})),
        ("no_such_tool", json!({"token": "x"})),
    ] {
        for token in [&server.token, &hers] {
            told.extend(server.call(token, tool, arguments.clone()).await.body.to_string().into_bytes());
        }
    }
    // In an address, where no token is taken, and after its person was shut out.
    let in_query = server.http.post(format!("{}?access_token={hers}", server.mcp_url)).header("content-type", "application/json");
    assert_eq!(in_query.body("{}").send().await.expect("an answer").status(), 401);
    server.ok("deactivate_user", json!({"user": ANA.email})).await;
    assert_eq!(server.call(&hers, "whoami", json!({})).await.status, 401);
    told
}

async fn a_whole_run(engine: Engine, format: &str) {
    let folder = tempfile::TempDir::new().expect("a folder");
    let (log, heard) = (folder.path().join("log"), folder.path().join("heard"));
    let mut options = Options::arguments(&["--log", "debug", "--log-format", format]).logged_to(&log);
    options.arguments.extend(sso::ALLOWED.map(str::to_owned));
    let server = Server::quickstart_with(engine, &options).await;
    let mut copies = Copies::beginning(&server).await;
    let mut secrets = Secrets::default();
    let mut world = World { kind: Kind::Invite, server, provider: None, timed: None };

    comes_in(&mut world, &mut secrets, Kind::Invite, ANA).await;
    comes_in(&mut world, &mut secrets, Kind::Invite, KIM).await;
    comes_in(&mut world, &mut secrets, Kind::SignIn, ANA).await;
    comes_in(&mut world, &mut secrets, Kind::Reset, ANA).await;
    comes_in(&mut world, &mut secrets, Kind::StartedReset, ANA).await;
    comes_in(&mut world, &mut secrets, Kind::Operator, KIM).await;
    let redirect = format!("{}/sign-in/sso/callback", world.address());
    let idp = Idp::real(&redirect, &[("USHER_TEST_OIDC_HEARD", &heard.display().to_string())]).await;
    let connection = sso::connect(&world.server, &world.server.org, &idp.issuer, Idp::SECRET).await;
    std::fs::remove_file(world.server.data_dir.path().join("secret")).expect("the file from which the command read it");
    world.provider = Some(Arc::new((idp, connection)));
    comes_in(&mut world, &mut secrets, Kind::Identity, KIM).await;
    comes_in(&mut world, &mut secrets, Kind::Provider, EVE).await;
    through_the_provider(&world, &mut secrets, &heard).await;
    second_factor(&world, &mut secrets, NEW).await;
    for (what, text) in [("password", PASSWORD), ("password", NEW), ("typed", WRONG[0]), ("typed", WRONG[1])] {
        secrets.typed(what, text);
    }
    let place = format!("{}/sign-in/{}", world.address(), world.server.org);
    assert_eq!(post(&secrets.browser(), &place, &[("email", ANA.email), ("password", WRONG[0]), ("do", "show")]).await.status, 200);
    let told = tools(&world.server, &mut secrets).await;
    copies.places.insert("results".into(), told);

    let org = world.server.org.clone();
    let mailed = world.server.links_to(KIM.email).len();
    for words in [
        &["user", "reset-password", "--org", &org, "--user", KIM.email][..],
        &["user", "list", "--org", &org, "--json"],
        &["token", "list", "--org", &org],
        &["org", "list", "--json"],
        &["sso", "list", "--org", &org, "--json"],
        &["sso", "test", "--org", &org],
        &["audit", "verify", "--org", &org],
        &["doctor"],
    ] {
        let (said, log) = command(&world.server, format, words).await;
        assert!(!said.is_empty() || !log.is_empty(), "{words:?}");
        copies.places.insert(PathBuf::from("command").join(words.join(" ")), [said, log].concat());
    }
    secrets.link(&world.server.newest_link_to(KIM.email, mailed + 1).await);
    // What these print is meant to be read once; their logs are not.
    for words in
        [&["sign-in-link", "--org", &org, "--user", KIM.email][..], &["token", "create", "--org", &org, "--user", KIM.email, "--json"]]
    {
        let (said, log) = command(&world.server, format, words).await;
        let said = String::from_utf8(said).expect("text");
        if words[0] == "token" {
            let made: Value = serde_json::from_str(&said).unwrap_or_else(|_| panic!("{said}"));
            secrets.add("token", made["token"].as_str().expect("a token"));
        } else {
            secrets.link(said.split_whitespace().find(|word| word.contains("/link/")).expect("a link").trim_end_matches('.'));
        }
        copies.places.insert(PathBuf::from("log of").join(words[0]), log);
    }
    copies.take(&world.server, "at last").await;
    world.server.stop().await;
    let log = std::fs::read(&log).expect("the log");
    let level: &[u8] = if format == "json" { b"\"DEBUG\"" } else { b"DEBUG" };
    assert!(log.len() > 1000 && log.windows(level.len()).any(|part| part == level), "the log is on");
    copies.places.insert("the log".into(), log);

    // Mails hold links, as they are meant to, and nothing else.
    let is_mail = |place: &Path| place.components().any(|part| part.as_os_str() == "mail");
    let (mails, rest): (BTreeMap<_, _>, BTreeMap<_, _>) = copies.places.into_iter().partition(|(place, _)| is_mail(place));
    assert_eq!(secrets.links.len(), 10);
    assert!(mails.len() >= 6 && rest.len() > 10, "{} mails, {} places", mails.len(), rest.len());
    assert_eq!(kept(&rest, &secrets.all()), Vec::<String>::new(), "{engine:?} {format}");
    assert_eq!(kept(&mails, &secrets.but_links()), Vec::<String>::new(), "{engine:?} {format}");
    // The search finds what is there.
    for (what, secret) in &secrets.others {
        let there = BTreeMap::from([("a file".into(), [&b"\0 "[..], secret].concat())]);
        assert!(!kept(&there, &secrets.all()).is_empty(), "{what}");
    }
    let values: usize = secrets.noted.iter().map(|noted| noted.values.lock().expect("the values").len()).sum();
    assert!(values > 20, "cookies were noted: {values}");
}

#[tokio::test]
async fn r_b23_no_secret_of_a_whole_run_is_kept_or_told_where_it_is_not_meant_to() {
    on_both(async |engine| {
        for format in ["text", "json"] {
            a_whole_run(engine, format).await;
        }
    })
    .await;
}

#[tokio::test]
async fn r_b23_no_page_of_a_link_tells_another_server_where_it_stood() {
    on_both(async |engine| {
        let mut world = World::of(Kind::Identity, engine).await;
        let mut secrets = Secrets::default();
        let browser = secrets.browser();
        let mut links = Vec::new();
        for (kind, person) in [
            (Kind::Provider, EVE),
            (Kind::SignIn, ANA),
            (Kind::Reset, ANA),
            (Kind::Operator, KIM),
            (Kind::Identity, KIM),
            (Kind::StartedReset, KIM),
        ] {
            world.kind = kind;
            links.push(world.ask(&browser, person).await);
        }
        // A damaged one, and one that was used.
        links.push(format!("{}x", links[0]));
        world.kind = Kind::Operator;
        links.push(world.ask(&browser, ANA).await);
        world.follow(&browser, &links[7], ANA).await;
        let mark = secrets.noted[0].cookies(&Url::parse(&world.address()).expect("a URL")).expect("cookies");
        let mark = mark.to_str().expect("text").split("; ").find_map(|pair| pair.strip_prefix("usher_browser=")).expect("a mark");
        let mut arguments = vec![mark];
        arguments.extend(links.iter().map(String::as_str));
        let seen = hosts::alone("USHER_TEST_NODE22", "browser/referer.mjs", &arguments).await;

        let headings = |name: &str| {
            let pages = seen[name].as_array().expect("pages").iter();
            pages.map(|page| page["heading"].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>()
        };
        let (invited, dead) = ("First Administrator invited you to My organization", ["This link opens nothing", "This link was used"]);
        assert_eq!(
            headings("marked"),
            [&[invited, "Sign in", "Choose a new password", "Sign in", "Connect your sign-in", "Choose a new password"][..], &dead]
                .concat()
        );
        let elsewhere = "Open this link in the other browser";
        assert_eq!(
            headings("other"),
            [&[invited, elsewhere, elsewhere, "Sign in", elsewhere, "Choose a new password"][..], &dead].concat()
        );
        let heard = seen["heard"].as_array().expect("what was heard");
        assert_eq!(heard.len(), 2 * links.len());
        assert!(heard.iter().all(|request| request["referer"].is_null()), "{heard:?}");
        for page in seen["marked"].as_array().expect("pages").iter().chain(seen["other"].as_array().expect("pages")) {
            assert_eq!(page["referrer"], "", "{page}");
        }
    })
    .await;
}

//! One's own AI tools: tokens that are shown once, and what to paste where.

use super::{
    first_run::{first_browser, with_first},
    key_of,
};
use crate::{
    common::{Engine, Server, hosts, on_both},
    signing_in::{Browser, Seen, drawn_for},
};
use serde_json::{Value, json};

const NEW: &str = "/me/tools/new";

/// Fills in the form of a new token.
async fn create(browser: &Browser, form: &[(&str, &str)]) -> Seen {
    let page = browser.get(NEW).await;
    let (drawn, key) = (drawn_for(&page.html), key_of(&page.html));
    let mut whole = vec![("as", drawn.as_str()), ("key", key.as_str())];
    whole.extend(form);
    browser.post(NEW, &whole).await
}

/// The token on a page, if one stands there.
fn token_on(html: &str) -> Option<String> {
    html.split("shown once\">").nth(1).and_then(|rest| rest.split('<').next()).map(str::to_owned)
}

/// The tokens of the list, each as its words.
fn listed(html: &str) -> Vec<String> {
    let Some(body) = html.split("<tbody>").nth(1).and_then(|rest| rest.split("</tbody>").next()) else { return Vec::new() };
    let words = |row: &str| {
        let mut words = row.replace("</t", " </t").replace("<br>", " ");
        while let (Some(from), Some(to)) = (words.find('<'), words.find('>')) {
            words.replace_range(from..=to, "");
        }
        words.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    body.split("<tr>").skip(1).map(words).collect()
}

async fn whoami(server: &Server, token: &str) -> (u16, Value) {
    let answer = server.call(token, "whoami", json!({})).await;
    (answer.status, answer.body)
}

#[tokio::test]
async fn b25_a_token_of_ones_own_is_shown_once_works_and_ends_with_a_deactivation() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        server.member("ana@example.com", &[]).await;
        let ana = Browser::in_by_password(&server, "ana@example.com").await;
        let page = ana.get("/me/tools").await;
        assert!(page.status == 200 && page.html.contains(&format!("{}/mcp/{}", server.address(), server.org)), "{}", page.html);
        assert!(page.html.contains("It is an address, not a secret."), "{}", page.html);
        let form = ana.get(NEW).await;
        assert!(form.html.contains("name=\"scope\" value=\"read\" checked") && form.html.contains("value=\"90\""), "{}", form.html);

        let (drawn, key) = (drawn_for(&form.html), key_of(&form.html));
        let label = "Cursor, <b>work</b>";
        let sent = [("as", drawn.as_str()), ("key", &key), ("label", label), ("scope", "write"), ("expires_in_days", "30")];
        let made = ana.post(NEW, &sent).await;
        let token = token_on(&made.html).unwrap_or_else(|| panic!("{}", made.html));
        assert!(made.status == 200 && made.no_store && made.cookies.is_empty(), "{:?}", made.cookies);
        assert!(token.starts_with("usher_pat_") && made.html.matches(&token).count() == 1, "{}", made.html);
        assert!(made.html.contains("Your new token: <bdi>Cursor, &#60;b&#62;work&#60;/b&#62;</bdi>"), "{}", made.html);
        // A reload sends the form again: it makes no second token, and nobody can show the first one any more.
        let again = ana.post(NEW, &sent).await;
        assert!(again.status == 200 && again.html.contains("That form has made its token already"), "{}", again.html);
        for page in [&again, &ana.get("/me/tools").await] {
            assert!(!page.html.contains("usher_pat_"), "{}", page.html);
            let rows = listed(&page.html);
            assert!(rows[0].starts_with("Cursor, &#60;b&#62;work&#60;/b&#62; Read and write never "), "{rows:?}");
            assert_eq!(rows.len(), 2, "with the one that was made on the host: {rows:?}");
        }

        // It acts as her, and says what it is.
        let (status, body) = whoami(&server, &token).await;
        let said = &body["result"]["structuredContent"];
        assert_eq!(
            (status, &said["user"]["email"], &said["credential"]["label"]),
            (200, &json!("ana@example.com"), &json!(label)),
            "{body}"
        );
        let event =
            server.ok("list_audit_events", json!({"action": "token:created", "user": "ana@example.com"})).await["events"][0].clone();
        assert_eq!((&event["surface"], &event["actor"]["name"]), (&json!("web"), &json!("Test Person")), "{event}");
        assert!(!event.to_string().contains(&token), "{event}");
        // B26: the very next call after a deactivation.
        server.ok("deactivate_user", json!({"user": "ana@example.com"})).await;
        assert_eq!(whoami(&server, &token).await.0, 401);
        assert_eq!(ana.get("/me/tools").await.location.as_deref(), Some("/sign-in"));
        assert_eq!(server.verified().await["ok"], true);
    })
    .await;
}

#[tokio::test]
async fn a_token_that_only_reads_reads_and_a_revoked_one_is_dead() {
    on_both(async |engine| {
        let (server, first) = with_first(engine).await;
        let made = create(&first, &[("label", "night-report"), ("scope", "read"), ("expires_in_days", "3")]).await;
        let token = token_on(&made.html).expect("a token");
        assert_eq!(whoami(&server, &token).await.0, 200);
        let form = json!({"email": "ana@example.com", "first_name": "Ana", "last_name": "Ruiz"});
        assert_eq!(server.call(&token, "invite_user", form).await.error()["details"]["scope"], "write");
        let page = first.get("/me/tools").await;
        assert!(page.html.contains("class=\"late\">in 2 days"), "what ends soon stands out: {}", page.html);

        let place = page.html.split("href=\"").find(|part| part.contains("/revoke\"")).and_then(|part| part.split('"').next());
        let place = place.expect("a way to revoke").to_owned();
        let asked = first.get(&place).await;
        assert!(asked.html.contains("Revoke <bdi>night-report</bdi>?") && whoami(&server, &token).await.0 == 200, "{}", asked.html);
        let done = first.post(&place, &[("as", &drawn_for(&asked.html))]).await;
        assert_eq!((done.status, done.location.as_deref()), (303, Some("/me/tools")), "{}", done.html);
        assert_eq!(whoami(&server, &token).await.0, 401);
        let page = first.get("/me/tools").await;
        assert!(page.html.contains("That token is revoked.") && !page.html.contains("night-report"), "{}", page.html);
        let event = server.ok("list_audit_events", json!({"action": "token:revoked"})).await["events"][0].clone();
        assert_eq!((&event["surface"], &event["target"]["kind"]), (&json!("web"), &json!("credential")), "{event}");
        // A page that stood open meanwhile leads back to what there is.
        assert_eq!(first.post(&place, &[("as", &drawn_for(&asked.html))]).await.location.as_deref(), Some("/me/tools"));
        assert_eq!(first.get("/me/tools/nonsense/revoke").await.status, 404);
    })
    .await;
}

#[tokio::test]
async fn nobody_ends_or_sees_somebody_elses_token_on_this_page() {
    on_both(async |engine| {
        let (server, first) = with_first(engine).await;
        let (_, hers) = server.member("ana@example.com", &[]).await;
        let ana = Browser::in_by_password(&server, "ana@example.com").await;
        let id = |page: &str| {
            page.split("/me/tools/").find(|part| part.contains("/revoke\"")).and_then(|part| part.split('/').next()).map(str::to_owned)
        };
        let of_first = id(&first.get("/me/tools").await.html).expect("a token");
        let of_ana = id(&ana.get("/me/tools").await.html).expect("a token");
        for (browser, other) in [(&ana, &of_first), (&first, &of_ana)] {
            let place = format!("/me/tools/{other}/revoke");
            let drawn = drawn_for(&browser.get(NEW).await.html);
            assert_eq!(browser.get(&place).await.location.as_deref(), Some("/me/tools"));
            assert_eq!(browser.post(&place, &[("as", &drawn)]).await.location.as_deref(), Some("/me/tools"));
        }
        for token in [&server.token, &hers] {
            assert_eq!(whoami(&server, token).await.0, 200);
        }
    })
    .await;
}

#[tokio::test]
async fn a_token_is_made_right_after_a_proof_and_nothing_typed_is_lost() {
    on_both(async |engine| {
        let (server, first) = with_first(engine).await;
        for (form, field) in [
            ([("label", " "), ("scope", "write"), ("expires_in_days", "30")], "needs a name"),
            ([("label", "laptop"), ("scope", "write"), ("expires_in_days", "366")], "1 to 365 days"),
            ([("label", "laptop"), ("scope", "write"), ("expires_in_days", "soon")], "1 to 365 days"),
            ([("label", "laptop"), ("scope", "write"), ("expires_in_days", "0")], "1 to 365 days"),
        ] {
            let seen = create(&first, &form).await;
            assert!(seen.status == 422 && seen.html.contains(field), "{form:?}: {}", seen.html);
            let kept = format!("value=\"{}\"", form[2].1);
            assert!(seen.html.contains(&kept) && seen.html.contains("value=\"write\" checked"), "{form:?}: {}", seen.html);
        }
        let page = first.get(NEW).await;
        assert!(server.tamper("UPDATE credentials SET proved_at = proved_at - 601000 WHERE kind = 'session'").await);
        let form = [("as", drawn_for(&page.html)), ("label", "laptop".to_owned()), ("expires_in_days", "30".to_owned())];
        let form: Vec<_> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let late = first.post(NEW, &form).await;
        assert!(late.status == 422 && late.html.contains("within 10 minutes of signing in"), "{}", late.html);
        // Nothing typed is lost: who signs in again in another tab sends the same form from here.
        let door = format!("href=\"/sign-in/{}\" target=\"_blank\"", server.org);
        assert!(
            late.html.contains(&door) && late.html.contains("name=\"label\"") && late.html.contains("value=\"laptop\""),
            "{}",
            late.html
        );
        let late = first.get(NEW).await;
        assert!(late.html.contains(&door) && late.html.contains("action=\"/me/tools/new\""), "{}", late.html);
        let refused = crate::common::until("the evidence", async || {
            let events = server.ok("list_audit_events", json!({"action": "token:created", "outcome": "refused"})).await;
            events["events"].as_array().filter(|events| !events.is_empty()).cloned()
        });
        assert_eq!(refused.await[0]["code"], "permission_denied");
        assert!(server.tamper("UPDATE credentials SET proved_at = proved_at + 601000 WHERE kind = 'session'").await);
        assert!(token_on(&first.post(NEW, &form).await.html).is_some(), "the same form, after signing in again");
        let fresh = first_browser(&server).await;
        assert!(token_on(&create(&fresh, &[("label", "laptop"), ("expires_in_days", "30")]).await.html).is_some());
        assert_eq!(listed(&fresh.get("/me/tools").await.html).len(), 3);
    })
    .await;
}

#[tokio::test]
async fn fifty_tokens_of_ones_own_work_at_a_time() {
    on_both(async |engine| {
        let (server, first) = with_first(engine).await;
        let page = first.get(NEW).await;
        let drawn = drawn_for(&page.html);
        let form = [("as", drawn.as_str()), ("label", "one of many"), ("expires_in_days", "30")];
        for _ in 0..49 {
            assert_eq!(first.post(NEW, &form).await.status, 200);
        }
        let full = first.post(NEW, &form).await;
        assert!(full.status == 422 && full.html.contains("Fifty tokens of yours work already."), "{}", full.html);
        assert!(server.tamper("UPDATE credentials SET expires_at = created_at WHERE kind = 'token' AND label = 'quickstart'").await);
        assert_eq!(first.post(NEW, &form).await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn the_page_tells_what_to_paste_as_the_examples_do() {
    on_both(async |engine| {
        let (server, first) = with_first(engine).await;
        let page = first.get("/me/tools").await.html;
        let texts: Vec<String> = page
            .split("<pre class=\"copy\"")
            .skip(1)
            .filter_map(|part| part.split('>').nth(1)?.split("</pre").next().map(|text| text.replace("&#34;", "\"").replace("&#39;", "'")))
            .collect();
        let [url, claude, cursor, vscode] = texts.as_slice() else { panic!("{texts:?}") };
        assert_eq!(*url, server.mcp_url);
        assert!(claude.contains(url) && claude.ends_with("--header 'Authorization: Bearer ${USHER_TOKEN}'"), "{claude}");
        for (text, example) in [(cursor, "examples/cursor/mcp.json"), (vscode, "examples/vscode/mcp.json")] {
            let example = std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(example)).expect(example);
            let example: Value = serde_json::from_str(&example.replace("http://127.0.0.1:8080", &server.address())).expect("JSON");
            assert_eq!(serde_json::from_str::<Value>(text).expect("JSON"), example);
        }
        assert!(
            page.contains("signs in with OAuth, which this server does not offer yet"),
            "ChatGPT and Claude on the web are told the truth"
        );
    })
    .await;
}

#[tokio::test]
async fn somebody_makes_a_token_and_turns_the_lights_out_in_a_real_browser() {
    let server = Server::quickstart(Engine::Sqlite).await;
    let link = server.sign_in_url.as_deref().expect("a link");
    let seen = hosts::alone("USHER_TEST_NODE22", "browser/tools.mjs", &[link]).await;
    let says = |page: &str, words: &str| seen[page]["text"].as_str().is_some_and(|text| text.contains(words));
    assert!(says("start", "Welcome, First. My organization is open.") && says("tools", "Your MCP URL"), "{seen}");
    assert_eq!(seen["focus"], "label", "whoever opens the form types at once");
    let token = seen["token"].as_str().expect("a token");
    assert!(token.starts_with("usher_pat_") && says("made", "It is shown only this once"), "{seen}");
    assert_eq!(seen["selected"].as_str().map(str::trim), Some(token), "one click selects all of it");
    assert_eq!(whoami(&server, token).await.0, 200);
    assert!(says("again", "That form has made its token already") && !says("again", "usher_pat_"), "{seen}");
    assert_eq!(seen["ground"], json!(["rgb(244, 246, 245)", "rgb(14, 19, 18)"]), "dark, whatever the system has");
    assert!(seen["dark"]["url"].as_str().is_some_and(|url| url.ends_with("/me/tools")), "and still on the page");
    assert_eq!(seen["complaints"], json!([]));
    for page in ["start", "tools", "made", "dark"] {
        assert_eq!(seen[page]["wide"], false, "{page}");
    }
}

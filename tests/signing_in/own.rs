//! What is one's own: names, password, sessions. It needs no permission.

use super::{Browser, drawn_for, refused, with_ana};
use crate::common::{PASSWORD, database::Connection, on_both};
use serde_json::json;

async fn in_as_ana(server: &crate::common::Server) -> (Browser, String) {
    let ana = Browser::of(server);
    assert_eq!(ana.by_password(&server.org, "ana@example.com", PASSWORD).await.status, 303);
    let drawn = drawn_for(&ana.me().await.expect("she is in"));
    (ana, drawn)
}

#[tokio::test]
async fn b08_ones_own_name_needs_no_permission_and_nothing_typed_is_lost() {
    on_both(async |engine| {
        let server = with_ana(engine).await;
        let (ana, drawn) = in_as_ana(&server).await;
        assert_eq!(ana.post("/me/name", &[("as", &drawn), ("first_name", "Zoë"), ("last_name", "Núñez")]).await.status, 303);
        assert!(ana.me().await.is_some_and(|page| page.contains("Zoë Núñez")));
        let wrong = ana.post("/me/name", &[("as", &drawn), ("first_name", ""), ("last_name", "Kept")]).await;
        assert!(wrong.status == 422 && wrong.html.contains("value=\"Kept\""), "{}", wrong.html);
        for form in [vec![("first_name", "No")], vec![("as", "nobody"), ("first_name", "No")]] {
            assert_eq!(ana.post("/me/name", &form).await.status, 409, "a form says whose it is");
        }
        let person = server.ok("get_user", json!({"user": "ana@example.com"})).await;
        assert_eq!(person["user"]["first_name"], "Zoë");
    })
    .await;
}

#[tokio::test]
async fn requirement_47_a_new_password_needs_the_old_one_and_ends_all_other_sessions() {
    on_both(async |engine| {
        let server = with_ana(engine).await;
        let (ana, drawn) = in_as_ana(&server).await;
        let (other, _) = in_as_ana(&server).await;
        let new = "nine quiet herons read the tide";
        let form = |current: &'static str, password: &'static str| {
            [("as", drawn.clone()), ("current", current.to_owned()), ("password", password.to_owned())]
        };
        let send = async |form: [(&str, String); 3]| {
            let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
            ana.post("/me/password", &form).await
        };
        let wrong = send(form("not the password at all", new)).await;
        assert!(wrong.status == 422 && wrong.html.contains("This is not your current password"), "{}", wrong.html);
        let weak = send(form(PASSWORD, "short")).await;
        assert!(weak.status == 422 && weak.html.contains("fewer than 15 characters"), "{}", weak.html);
        assert!(other.me().await.is_some());
        assert_eq!(send(form(PASSWORD, new)).await.status, 303);
        assert!(ana.me().await.is_some() && other.me().await.is_none());
        assert!(refused(&other.by_password(&server.org, "ana@example.com", PASSWORD).await));
        assert_eq!(other.by_password(&server.org, "ana@example.com", new).await.status, 303);
    })
    .await;
}

#[tokio::test]
async fn requirement_62_a_session_has_a_new_value_at_each_sign_in_and_ends_by_itself() {
    on_both(async |engine| {
        let server = with_ana(engine).await;
        let ana = Browser::of(&server);
        let value =
            |seen: &super::Seen| seen.cookies.iter().find(|cookie| cookie.starts_with("usher_session=")).cloned().expect("a session");
        let first = value(&ana.by_password(&server.org, "ana@example.com", PASSWORD).await);
        let second = value(&ana.by_password(&server.org, "ana@example.com", PASSWORD).await);
        assert_ne!(first, second);
        let with_the_old_one =
            server.http.get(format!("{}/me", server.address())).header("cookie", first.split(';').next().unwrap_or_default());
        assert!(with_the_old_one.send().await.expect("an answer").url().path().ends_with("/sign-in"), "the value before opens nothing");
        // A value from before the sign-in, planted by somebody, does not come alive by it.
        for (column, back) in [("last_used_at", 3_600_000), ("expires_at", 86_400_000)] {
            assert_eq!(ana.by_password(&server.org, "ana@example.com", PASSWORD).await.status, 303);
            assert!(ana.me().await.is_some());
            let sql =
                format!("UPDATE credentials SET {column} = {column} - {back}, created_at = created_at - {back} WHERE kind = 'session'");
            assert!(server.tamper(&sql).await);
            assert!(ana.me().await.is_none(), "{column}");
        }
    })
    .await;
}

#[tokio::test]
async fn one_ends_ones_own_sessions_and_nobody_elses() {
    on_both(async |engine| {
        let server = with_ana(engine).await;
        server.member("bob@example.com", &[]).await;
        let (ana, drawn) = in_as_ana(&server).await;
        let (second, _) = in_as_ana(&server).await;
        let bob = Browser::of(&server);
        assert_eq!(bob.by_password(&server.org, "bob@example.com", PASSWORD).await.status, 303);
        let connection = Connection::to(&server).await;
        let column = if server.database_url().is_some() { "c.id::text" } else { "hex(c.id)" };
        let bobs = connection
            .rows(&format!(
                "SELECT {column} AS id FROM credentials c JOIN users u ON u.key = c.user_key WHERE u.email = 'bob@example.com' AND c.kind = 'session'"
            ))
            .await;
        connection.close().await;
        for row in bobs {
            let id = row["id"].clone().expect("an id");
            let id = uuid::Uuid::parse_str(&id).expect("an id").to_string();
            assert_eq!(ana.post("/me/sessions", &[("as", &drawn), ("end", &id)]).await.status, 303);
        }
        assert!(bob.me().await.is_some(), "another's session is none of hers");
        assert_eq!(ana.post("/me/sessions", &[("as", &drawn), ("end", "others")]).await.status, 303);
        assert!(ana.me().await.is_some() && second.me().await.is_none());
        assert_eq!(ana.post("/sign-out", &[("as", &drawn)]).await.location.as_deref(), Some("/sign-in"));
        assert!(ana.me().await.is_none() && bob.me().await.is_some());
        let (ana, drawn) = in_as_ana(&server).await;
        let (second, _) = in_as_ana(&server).await;
        assert_eq!(ana.post("/me/sessions", &[("as", &drawn), ("end", "all")]).await.status, 303);
        assert!(ana.me().await.is_none() && second.me().await.is_none() && bob.me().await.is_some());
    })
    .await;
}

#[tokio::test]
async fn r_b58_a_promotion_shows_in_an_open_browser_with_the_next_page() {
    on_both(async |engine| {
        let server = with_ana(engine).await;
        let (ana, _) = in_as_ana(&server).await;
        for role in ["Administrator", "User"] {
            server.ok("update_user", json!({"user": "ana@example.com", "role": role})).await;
            let page = ana.me().await.expect("she is in");
            assert!(page.contains(&format!("{role} at <bdi>My organization</bdi>")), "{page}");
        }
    })
    .await;
}

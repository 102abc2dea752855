//! Whatever goes takes its children along, whichever connection it goes by.

use crate::common::{Engine, Server, database::Connection, on_both};
use serde_json::json;

#[tokio::test]
async fn r_b110_nothing_is_left_without_its_parent() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        let (ana, token) = server.member("ana@example.com", &[]).await;
        for name in ["Support", "Sales"] {
            server.ok("create_access_group", json!({"name": name, "permissions": ["users:read", "users:invite"]})).await;
            server.ok("add_to_access_group", json!({"users": [ana.as_str()], "access_groups": [name]})).await;
        }
        let connection = Connection::to(&server).await;
        assert_eq!(connection.number("SELECT count(*) AS n FROM group_members").await, 2);
        server.ok("delete_access_group", json!({"access_group": "Support"})).await;
        assert_eq!(connection.number("SELECT count(*) AS n FROM group_members").await, 1);
        assert_eq!(connection.number("SELECT count(*) AS n FROM group_permissions").await, 2);
        // A ghost of the group would still give this.
        server.ok("delete_access_group", json!({"access_group": "Sales"})).await;
        assert_eq!(connection.number("SELECT count(*) AS n FROM group_members").await, 0);
        assert_eq!(connection.number("SELECT count(*) AS n FROM group_permissions").await, 0);
        let refused = server.call(&token, "list_users", json!({})).await.error();
        assert_eq!(refused["code"], "permission_denied");

        // The host's commands open connections of their own.
        let revoked = server.cli(&["token", "create", "--org", &server.org, "--user", "ana@example.com", "--json"]).await;
        let id = revoked["id"].as_str().expect("an id");
        server.cli(&["token", "revoke", "--org", &server.org, "--id", id, "--json"]).await;
        if engine == Engine::Sqlite {
            assert!(connection.rows("PRAGMA foreign_key_check").await.is_empty());
        }
        connection.close().await;
    })
    .await;
}

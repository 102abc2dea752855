//! What lies on disk: for its owner alone, and with the keyring that belongs to it.

use super::{refusal, usher};
use crate::common::{
    Engine, Options, Server,
    database::{self, Connection},
    on_both,
};
use serde_json::json;
use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// Everything under a folder, itself included, with its mode.
fn modes(path: &Path, found: &mut Vec<(PathBuf, bool, u32)>) {
    let metadata = std::fs::metadata(path).expect("it is there");
    found.push((path.to_owned(), metadata.is_dir(), metadata.permissions().mode() & 0o777));
    if metadata.is_dir() {
        for entry in std::fs::read_dir(path).expect("a folder") {
            modes(&entry.expect("an entry").path(), found);
        }
    }
}

#[tokio::test]
async fn the_data_folder_is_for_its_owner_alone() {
    on_both(async |engine| {
        let around = TempDir::new().expect("a folder");
        let place = around.path().join("data");
        let options = Options::arguments(&["--data-dir", place.to_str().expect("a path")]);
        let server = Server::quickstart_with(engine, &options).await;
        server.ok("invite_user", json!({"email": "ana@example.com", "first_name": "Ana", "last_name": "Ruiz"})).await;
        server.link(1).await;
        let mut found = Vec::new();
        modes(&place, &mut found);
        assert!(found.iter().any(|(path, ..)| path.ends_with("keys")));
        assert!(found.iter().any(|(path, ..)| path.extension().is_some_and(|end| end == "eml")));
        assert_eq!(engine == Engine::Sqlite, found.iter().any(|(path, ..)| path.ends_with("usher.db-wal")));
        for (path, folder, mode) in found {
            assert_eq!(mode, if folder { 0o700 } else { 0o600 }, "{}", path.display());
        }
    })
    .await;
}

#[tokio::test]
async fn a_sqlite_file_elsewhere_is_for_its_owner_alone() {
    let open = TempDir::new().expect("a folder");
    std::fs::set_permissions(open.path(), PermissionsExt::from_mode(0o755)).expect("a mode");
    let file = open.path().join("roster.db");
    let options = Options::arguments(&["--database-url", file.to_str().expect("a path")]);
    let server = Server::quickstart_with(Engine::Sqlite, &options).await;
    server.ok("whoami", json!({})).await;
    for entry in std::fs::read_dir(open.path()).expect("a folder") {
        let entry = entry.expect("an entry");
        assert_eq!(entry.metadata().expect("it is there").permissions().mode() & 0o777, 0o600, "{}", entry.path().display());
    }
}

#[tokio::test]
async fn another_keyring_is_refused_with_what_to_copy() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        let other = Server::quickstart(Engine::Sqlite).await;
        let connection = Connection::to(&server).await;
        let before = connection.digest(&[]).await;
        let foreign = other.data_dir.path().join("keys");
        let said = refusal(
            &usher(server.data_dir.path(), server.database_url(), &["serve", "--key-file", foreign.to_str().expect("a path")]).await,
        );
        assert!(said.contains("belongs to another database: copy the one of the node that made this database"), "{said}");

        // A node without a keyring gets no new one.
        let absent = other.data_dir.path().join("absent");
        let said = refusal(
            &usher(server.data_dir.path(), server.database_url(), &["serve", "--key-file", absent.to_str().expect("a path")]).await,
        );
        assert!(said.contains("copy it from the node that made this database"), "{said}");
        assert!(!absent.exists());

        // One that is no keyring, and one that others can read.
        for (text, mode, words) in [("hunter2\n", 0o600, "not a key file"), ("hunter2\n", 0o644, "chmod 600")] {
            std::fs::write(&absent, text).expect("a file");
            std::fs::set_permissions(&absent, PermissionsExt::from_mode(mode)).expect("a mode");
            let said = refusal(
                &usher(server.data_dir.path(), server.database_url(), &["serve", "--key-file", absent.to_str().expect("a path")]).await,
            );
            assert!(said.contains(words), "{said}");
            assert!(!said.contains("hunter2"), "{said}");
        }
        assert_eq!(before, connection.digest(&[]).await, "a refused start changes nothing");

        // The right one, copied elsewhere, serves.
        let copy = TempDir::new().expect("a folder");
        let keys = copy.path().join("keys");
        std::fs::copy(server.data_dir.path().join("keys"), &keys).expect("a copy");
        let node = server.second_node(&Options::arguments(&["--key-file", keys.to_str().expect("a path")])).await;
        node.ok("whoami", json!({})).await;
        connection.close().await;
    })
    .await;
}

#[tokio::test]
async fn two_first_starts_end_with_one_keyring() {
    let data_dir = TempDir::new().expect("a folder");
    let url = database::new().await;
    super::done(&usher(data_dir.path(), Some(&url), &["migrate"]).await);
    let mut starts = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let (place, url) = (data_dir.path().to_owned(), url.clone());
        starts.spawn(async move { usher(&place, Some(&url), &["org", "list", "--json"]).await });
    }
    while let Some(output) = starts.join_next().await {
        super::done(&output.expect("it ran"));
    }
    let leftovers = std::fs::read_dir(data_dir.path()).expect("a folder").count();
    assert_eq!(leftovers, 1, "one key file and no draft of it");
}

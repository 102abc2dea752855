//! A host of client metadata documents, by TLS under an authority of its own.

use super::hosts::variable;
use serde_json::{Value, json};
use std::{
    path::{Path, PathBuf},
    process::Stdio,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    sync::Mutex,
};

/// The host, in a process of its own; it ends with this value.
pub struct Documents {
    pub address: String,
    authority: PathBuf,
    talk: Mutex<(ChildStdin, Lines<BufReader<ChildStdout>>)>,
    _child: Child,
    _folder: TempDir,
}

impl Documents {
    /// Starts it; it answers everything with nothing.
    pub async fn start() -> Self {
        let folder = TempDir::new().expect("a folder");
        let mut child = Command::new(variable("USHER_TEST_NODE22"))
            .arg(PathBuf::from(variable("USHER_TEST_HOSTS")).join("node/documents.mjs"))
            .arg(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the host starts");
        let mut lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
        let line = lines.next_line().await.expect("a line").expect("the host says where it is");
        let said: Value = serde_json::from_str(&line).expect("JSON");
        let text = |name: &str| said[name].as_str().expect(name).to_owned();
        let talk = Mutex::new((child.stdin.take().expect("stdin"), lines));
        Self { address: text("address"), authority: text("authority").into(), talk, _child: child, _folder: folder }
    }

    /// The certificate of its authority.
    pub fn authority(&self) -> &Path {
        &self.authority
    }

    /// Answers everything so from now on.
    pub async fn answers(&self, order: &Value) {
        assert_eq!(self.say(order).await, json!({"done": true}));
    }

    /// The addresses that were asked for since this was asked last.
    pub async fn asked(&self) -> Vec<String> {
        serde_json::from_value(self.say(&json!({"tell": true})).await["asked"].clone()).expect("addresses")
    }

    async fn say(&self, order: &Value) -> Value {
        let mut talk = self.talk.lock().await;
        talk.0.write_all(format!("{order}\n").as_bytes()).await.expect("an order");
        let answer = talk.1.next_line().await.expect("a line").expect("an answer");
        serde_json::from_str(&answer).expect("JSON")
    }
}

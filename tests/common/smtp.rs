//! A real SMTP server that notes every command and fails where a test says so.

use serde_json::{Value, json};
use std::{path::PathBuf, process::Stdio};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

/// The sink; it ends with this value.
pub struct Sink {
    pub port: u16,
    /// The certificate authority to trust, where TLS is on.
    pub ca: Option<String>,
    folder: TempDir,
    _child: Child,
}

impl Sink {
    /// Starts one, with arguments of its own (`--tls starttls`, `--auth u:p`, `--smtputf8 off`).
    pub async fn start(arguments: &[&str]) -> Self {
        let folder = TempDir::new().expect("a folder");
        let path = |name: &str| folder.path().join(name).display().to_string();
        let python = std::env::var("USHER_TEST_PY_MCP2").expect("tests/run sets USHER_TEST_PY_MCP2");
        let program = std::env::var("USHER_TEST_SMTP_SINK").expect("tests/run sets USHER_TEST_SMTP_SINK");
        let mut child = Command::new(python)
            .arg(program)
            .args(["--out", &path("mails"), "--transcript", &path("transcript"), "--control", &path("control")])
            .args(arguments)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the sink starts");
        let mut lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
        let line = lines.next_line().await.expect("a line").expect("the sink says its port");
        let said: Value = serde_json::from_str(&line).expect("JSON");
        Self {
            port: said["port"].as_u64().and_then(|port| port.try_into().ok()).expect("a port"),
            ca: said["ca"].as_str().map(str::to_owned),
            folder,
            _child: child,
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// From now on these rules hold: `[{"step", "action", "times"?, "match"?, "seconds"?}]`.
    pub fn control(&self, rules: &Value) {
        // Written beside and renamed, so that the sink never reads half of it.
        let beside = self.file("control.new");
        std::fs::write(&beside, rules.to_string()).expect("rules");
        std::fs::rename(beside, self.file("control")).expect("rules");
    }

    /// Does as it should again.
    pub fn heal(&self) {
        self.control(&json!([]));
    }

    /// The mails that were taken, as the sink wrote them: one JSON object a line.
    pub fn mails(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.file("mails")).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Every command and reply so far.
    pub fn transcript(&self) -> String {
        std::fs::read_to_string(self.file("transcript")).unwrap_or_default()
    }
}

//! Every letter in a browser, as mail programs show it: in a light and a dark reader, wide and on a phone.

use super::read_raw;
use crate::common::hosts;
use samples::letters;
use serde_json::json;
use usher_mcp::{
    domain::{IdentityChange, Role, SecondFactorChange, SsoChange, Timestamp},
    mail::{
        letter::{Letter, Link, Matter},
        message,
        words::Language,
    },
};

#[path = "../../src/mail/message/samples.rs"]
mod samples;

const LINK: &str = "https://usher.larkspur.example/invite/3vX9kQ2mT7pLr0WzB4cJ3vX9kQ2mT7pLr0WzB4cJ3vX";

#[tokio::test]
async fn every_letter_reads_well_in_light_and_dark_wide_and_on_a_phone() {
    let folder = tempfile::tempdir().unwrap();
    let mut files = Vec::new();
    // An ordinary name, and the longest that is let through, in one word.
    let longest: &'static str = "Wolfeschlegelsteinhausenbergerdorff".repeat(3)[..100].to_owned().leak();
    for (kind, name) in [("plain", "Dana Whitfield"), ("long", longest)] {
        for (nth, letter) in letters(name, LINK).iter().enumerate() {
            let said = read_raw(&message::build(letter, message::Way::Relay).unwrap().formatted());
            assert_eq!(said["defects"], json!([]));
            assert_eq!(said["parts"], json!(["multipart/alternative", "text/plain", "text/html"]));
            let file = folder.path().join(format!("{nth:02}-{kind}.html"));
            std::fs::write(&file, said["html"].as_str().unwrap()).unwrap();
            files.push(file.display().to_string());
        }
    }
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let seen = hosts::alone("USHER_TEST_NODE22", "browser/letters.mjs", &files).await;
    let seen = seen.as_object().unwrap();
    assert_eq!(seen.len(), files.len());
    for (name, letter) in seen {
        assert_eq!(letter["complaints"], json!([]), "{name}");
        assert_eq!(letter["requests"], json!([]), "{name}: nothing is loaded");
        assert_eq!(letter["wide"], false, "{name}: nobody scrolls sideways");
        assert_ne!(letter["grounds"]["light"], letter["grounds"]["dark"], "{name}: a dark reader gets dark paper");
    }
}

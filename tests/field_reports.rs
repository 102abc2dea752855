//! The failures of similar products, each with the test that meets it: `tests/field-reports.md` is held to the sources.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

/// The numbers of all reports.
const REPORTS: [u16; 101] = [
    1, 2, 4, 5, 7, 8, 10, 11, 13, 14, 16, 17, 19, 20, 22, 23, 25, 26, 28, 29, 31, 32, 34, 35, 37, 38, 40, 41, 43, 44, 46, 47, 49, 50, 52,
    53, 55, 56, 58, 59, 61, 62, 64, 65, 67, 68, 70, 71, 73, 74, 76, 77, 79, 80, 82, 83, 85, 86, 88, 89, 91, 92, 94, 95, 97, 98, 100, 101,
    103, 104, 106, 107, 109, 110, 112, 113, 115, 116, 118, 119, 121, 122, 124, 125, 127, 128, 130, 131, 133, 134, 136, 137, 139, 140, 142,
    143, 145, 146, 148, 149, 151,
];

/// Those that nothing can meet before a later step. This list only shrinks.
const WAITING: [u16; 8] = [50, 83, 85, 86, 106, 112, 122, 127];

/// The steps that may be waited for.
const STEPS: [&str; 4] = ["dashboard", "AI hosts", "lifecycle", "speed and faults"];

struct Row {
    report: u16,
    failure: String,
    tests: Vec<String>,
    later: Vec<String>,
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The rows of the table; what reads as neither a test nor a step fails.
fn rows() -> Vec<Row> {
    let table = std::fs::read_to_string(root().join("tests/field-reports.md")).expect("the table");
    let rows = table.lines().filter(|line| line.starts_with("| R-B"));
    rows.map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [report, failure, met] = cells[..] else { panic!("three cells: {line}") };
        let mut row = Row {
            report: report.trim_start_matches("R-B").parse().expect("a number"),
            failure: failure.to_owned(),
            tests: Vec::new(),
            later: Vec::new(),
        };
        for word in met.split(", ") {
            if let Some(step) = word.strip_prefix("later: ") {
                assert!(STEPS.contains(&step), "{report} waits for an unknown step: {step}");
                row.later.push(step.to_owned());
            } else {
                let name = word.strip_prefix('`').and_then(|name| name.strip_suffix('`'));
                row.tests.push(name.unwrap_or_else(|| panic!("{report}: neither a test nor a step: {word}")).to_owned());
            }
        }
        row
    })
    .collect()
}

/// Every function that is run as a test, in our own sources.
fn tests_in(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            if entry.file_name() != "hosts" {
                tests_in(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).expect("a source");
            let mut is_test = false;
            for line in text.lines().map(str::trim) {
                if line == "#[test]" || line.starts_with("#[tokio::test") {
                    is_test = true;
                } else if let Some(rest) = line.strip_prefix("async fn ").or_else(|| line.strip_prefix("fn ")).filter(|_| is_test) {
                    found.insert(rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect());
                    is_test = false;
                } else if !line.starts_with("#[") && !line.starts_with("//") {
                    is_test = false;
                }
            }
        }
    }
}

#[test]
fn every_report_has_its_row_and_says_what_failed() {
    let rows = rows();
    let told: BTreeSet<u16> = rows.iter().map(|row| row.report).collect();
    let missing: Vec<&u16> = REPORTS.iter().filter(|report| !told.contains(report)).collect();
    assert!(missing.is_empty(), "without a row: {missing:?}");
    assert_eq!(rows.len(), REPORTS.len(), "each report stands once, and no other");
    for row in &rows {
        assert!(REPORTS.contains(&row.report), "R-B{} is no report", row.report);
        assert!(row.failure.len() > 20, "R-B{} does not say what failed", row.report);
    }
}

#[test]
fn every_report_is_met_by_a_test_that_there_is_or_waits_for_its_step() {
    let mut known = BTreeSet::new();
    for folder in ["tests", "src", "tools"] {
        tests_in(&root().join(folder), &mut known);
    }
    assert!(known.contains("every_report_has_its_row_and_says_what_failed"), "the sources are read");
    assert!(!known.contains("tests_in"), "a function that is no test is none");
    let mut faults = Vec::new();
    for row in rows() {
        let report = row.report;
        let waits = WAITING.contains(&report);
        if waits && row.later.is_empty() {
            faults.push(format!("R-B{report} says no step"));
        }
        if waits && !row.tests.is_empty() {
            faults.push(format!("R-B{report} has a test: take it out of WAITING"));
        }
        if !waits && row.tests.is_empty() {
            faults.push(format!("R-B{report} has no test"));
        }
        faults.extend(row.tests.iter().filter(|name| !known.contains(*name)).map(|name| format!("R-B{report}: there is no test {name}")));
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

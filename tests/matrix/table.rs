//! The table itself: tests/matrix.md, read line by line. What it does not understand fails.

use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The file, as it is committed.
const TEXT: &str = include_str!("../matrix.md");

/// A kind of caller.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Who {
    NoToken,
    BadToken,
    Pending,
    Deactivated,
    /// An Administrator of another organization, at this one's address.
    ForeignHere,
    /// The same at their own address.
    ForeignAtHome,
    /// A User whose groups give exactly this.
    Holding(BTreeSet<String>),
    /// Every User with a single permission that the table has no row for.
    AnyOther,
    /// A User with every permission at once that no table has a row for.
    Unasked,
    Administrator,
    ReadOnly,
}

impl Who {
    /// Those that every table has a row for, beside Users with permissions.
    pub(crate) fn always() -> Vec<Self> {
        vec![
            Self::NoToken,
            Self::BadToken,
            Self::Pending,
            Self::Deactivated,
            Self::ForeignHere,
            Self::ForeignAtHome,
            Self::Holding(BTreeSet::new()),
            Self::Administrator,
            Self::ReadOnly,
        ]
    }

    fn parse(text: &str) -> Self {
        match text {
            "No token" => Self::NoToken,
            "Bad token" => Self::BadToken,
            "Pending" => Self::Pending,
            "Deactivated" => Self::Deactivated,
            "Foreign Administrator here" => Self::ForeignHere,
            "Foreign Administrator at home" => Self::ForeignAtHome,
            "User without group" => Self::Holding(BTreeSet::new()),
            "User with any other permission" => Self::AnyOther,
            "Administrator" => Self::Administrator,
            "Administrator, read only" => Self::ReadOnly,
            _ => Self::Holding(text.strip_prefix("User with ").map(|names| names.split(" and ").map(code).collect()).expect(text)),
        }
    }
}

/// What a cell says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Verdict {
    /// Goes through; a write changes something.
    Yes,
    /// Goes through; a write changes nothing.
    NothingToDo,
    /// Goes through; nobody of this organization was meant.
    NoAccount,
    /// 401.
    Unauthorized,
    /// An error of this code, with exactly these details; `None` where they name what the fixture made.
    Refused { code: String, details: Option<Value> },
}

impl Verdict {
    /// Whether the call goes through.
    pub(crate) fn passes(&self) -> bool {
        matches!(self, Self::Yes | Self::NothingToDo | Self::NoAccount)
    }

    /// Whether the tool is in the caller's reach at all: neither token nor permission is missing.
    pub(crate) fn reaches(&self) -> bool {
        match self {
            Self::Unauthorized => false,
            Self::Refused { details: Some(details), .. } => details.get("permission").or_else(|| details.get("scope")).is_none(),
            Self::Yes | Self::NothingToDo | Self::NoAccount | Self::Refused { details: None, .. } => true,
        }
    }
}

/// One tool, in one way of calling it.
#[derive(Debug)]
pub(crate) struct Section {
    pub(crate) tool: String,
    /// What the call asks for, where one tool has several tables.
    pub(crate) variant: String,
    /// On whom or what.
    pub(crate) columns: Vec<String>,
    rows: Vec<(Who, Vec<Verdict>)>,
}

impl Section {
    /// The row of a caller; one with a single permission may stand for any other.
    pub(crate) fn row(&self, who: &Who) -> Option<&[Verdict]> {
        let row = |wanted: &Who| self.rows.iter().find(|(of, _)| of == wanted).map(|(_, cells)| cells.as_slice());
        row(who).or_else(|| match who {
            Who::Holding(set) if set.len() == 1 => row(&Who::AnyOther),
            Who::Unasked => row(&Who::AnyOther),
            _ => None,
        })
    }

    /// Everybody who has a row.
    pub(crate) fn callers(&self) -> impl Iterator<Item = &Who> {
        self.rows.iter().map(|(who, _)| who)
    }

    /// Where a target stands.
    pub(crate) fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column == name)
    }
}

/// The whole file.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) permissions: BTreeSet<String>,
    pub(crate) sections: Vec<Section>,
}

/// A name without its typewriter marks.
fn code(text: &str) -> String {
    text.trim_matches('`').to_owned()
}

/// The cells of every row under a heading, without the rule below the head.
fn grid(text: &str) -> Vec<Vec<&str>> {
    let rows = text.lines().filter_map(|line| line.strip_prefix('|')?.strip_suffix('|'));
    rows.filter(|row| !row.starts_with('-')).map(|row| row.split('|').map(str::trim).collect()).collect()
}

/// What each word in a cell means: its error code and the names of its details.
type Legend<'a> = BTreeMap<&'a str, (&'a str, &'a str)>;

fn verdict(legend: &Legend<'_>, cell: &str) -> Verdict {
    let (word, rest) = match cell.split_once(" `") {
        Some((word, rest)) => (format!("{word} …"), format!("`{rest}")),
        None => (cell.to_owned(), String::new()),
    };
    let (error, details) = legend.get(word.as_str()).unwrap_or_else(|| panic!("{cell}: not among the answers"));
    match (cell, error.trim_matches('`')) {
        ("yes", "") => Verdict::Yes,
        ("nothing to do", "") => Verdict::NothingToDo,
        ("no account", "") => Verdict::NoAccount,
        ("401", "") => Verdict::Unauthorized,
        (_, "") => panic!("{cell}: goes through, but how?"),
        (_, error) => {
            let details = match details.trim_matches('`') {
                "" => Some(Value::Null),
                "scope" => Some(json!({"scope": "write"})),
                "role" => Some(json!({"role": "Administrator"})),
                "permission" => Some(json!({"permission": code(&rest)})),
                "missing" => Some(json!({"missing": rest.split(", ").map(code).collect::<Vec<_>>()})),
                _ => None,
            };
            Verdict::Refused { code: error.to_owned(), details }
        }
    }
}

impl Table {
    /// Reads the file.
    pub(crate) fn read() -> Self {
        let part = |name: &str| {
            let (_, rest) = TEXT.split_once(&format!("\n## {name}\n")).expect(name);
            rest.split("\n## ").next().expect("a part")
        };
        let answers = grid(part("Answers"));
        let legend: Legend<'_> = answers.iter().skip(1).map(|row| (row[0], (row[2], row[3]))).collect();
        let permissions = grid(part("Permissions")).iter().skip(1).map(|row| code(row[0])).collect();
        let sections = part("Tools").split("\n### ").skip(1).map(|text| section(&legend, text)).collect();
        Self { permissions, sections }
    }

    /// Every set of permissions that some row names.
    pub(crate) fn holdings(&self) -> BTreeSet<BTreeSet<String>> {
        let callers = self.sections.iter().flat_map(Section::callers);
        callers
            .filter_map(|who| match who {
                Who::Holding(set) if !set.is_empty() => Some(set.clone()),
                _ => None,
            })
            .collect()
    }

    /// The permissions that alone take nobody anywhere.
    pub(crate) fn unasked(&self) -> BTreeSet<String> {
        let holdings = self.holdings();
        self.permissions.iter().filter(|name| !holdings.contains(&BTreeSet::from([(*name).clone()]))).cloned().collect()
    }

    /// The one table of a tool in one way of calling it.
    pub(crate) fn section(&self, tool: &str, variant: &str) -> &Section {
        let found = self.sections.iter().find(|section| section.tool == tool && section.variant == variant);
        found.unwrap_or_else(|| panic!("{tool}: {variant}: no such table"))
    }
}

fn section(legend: &Legend<'_>, text: &str) -> Section {
    let title = text.lines().next().expect("a title");
    let (tool, variant) = title.split_once(": ").unwrap_or((title, ""));
    let mut grid = grid(text).into_iter();
    let columns: Vec<String> = grid.next().expect(title).into_iter().skip(1).map(str::to_owned).collect();
    let mut rows = Vec::new();
    for row in grid {
        assert_eq!(row.len(), columns.len() + 1, "{title}: {row:?}");
        let cells: Vec<Verdict> = row[1..].iter().map(|cell| verdict(legend, cell)).collect();
        for who in row[0].split(" · ").map(Who::parse) {
            assert!(rows.iter().all(|(other, _)| *other != who), "{title}: {who:?} stands twice");
            rows.push((who, cells.clone()));
        }
    }
    Section { tool: code(tool), variant: variant.to_owned(), columns, rows }
}

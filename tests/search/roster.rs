//! Two organizations in one database, one small and one large, with the same people among others; and what should be found.

use super::seed;
use crate::common::{Answer, Engine, Server, database::Connection};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use tokio::task::JoinSet;
use usher_mcp::{
    domain::{Email, search_fold},
    store::people::folded,
};

/// First name, last name, address: every kind of name that is hard to find, once.
pub const HARD: [(&str, &str, &str); 26] = [
    ("Ana", "Núñez", "p01@example.com"),
    ("Ägnes", "Öz", "p02@example.com"),
    ("Олена", "Червоний", "p03@example.com"),
    ("İnci", "Yıldız", "p04@example.com"),
    ("Jo", "STRAẞE", "p05@example.com"),
    ("Kim", "Strasse", "p06@example.com"),
    ("Bartholomew", "Featherstonehaugh", "p07@example.com"),
    ("Grace", "Hopper", "p08@example.com"),
    ("Mia", "Plus", "Mixed.Case+Tag@Example.COM"),
    ("Ida", "Nation", "ida@bücher.example"),
    ("Puny", "Code", "puny@xn--mnchen-3ya.example"),
    ("100% Sure", "Percent", "p12@example.com"),
    ("Under_score", "Line", "p13@example.com"),
    ("Back\\slash", "Path", "p14@example.com"),
    ("Quo\"te", "O'Neil", "p15@example.com"),
    ("Star*", "Ops OR Ors", "p16@example.com"),
    ("-Dash", "NEAR(x y)", "p17@example.com"),
    ("Colon: folded", "^Caret", "p18@example.com"),
    ("太郎", "山田", "p19@example.com"),
    ("ﾀﾛｳ", "ﾔﾏﾀﾞ", "p20@example.com"),
    ("Zoë", "van der Berg", "p21@example.com"),
    ("Ｗｉｄｅ", "Ｎａｍｅ", "p22@example.com"),
    ("🦉🦉", "Owl", "p23@example.com"),
    ("ΙΩΆΝΝΑΣ", "Παπαδόπουλος", "p24@example.com"),
    ("Ahmed", "عبد الله", "p25@example.com"),
    ("Q", "X", "p26@example.com"),
];

const FIRST: [&str; 12] = ["Maren", "Tobias", "Ingrid", "Pavel", "Lucia", "Samuel", "Noor", "Emeka", "Hanna", "Viktor", "Selma", "Iris"];
const LAST: [&str; 11] = ["Lindqvist", "Moreau", "Petrov", "Okafor", "Tanaka", "Kowalski", "Jensen", "Rossi", "Haddad", "Silva", "Novak"];

/// A person as the roster should show them.
#[derive(Clone, Debug)]
pub struct Person {
    pub first: String,
    pub last: String,
    pub email: String,
    pub role: &'static str,
    pub status: &'static str,
    pub group: bool,
    pub expired: bool,
}

impl Person {
    /// A Pending User.
    pub fn new(first: &str, last: &str, email: &str) -> Self {
        let (first, last, email) = (first.to_owned(), last.to_owned(), email.to_owned());
        Self { first, last, email, role: "User", status: "pending", group: false, expired: false }
    }

    /// Whether the folded query stands in one of the fields.
    fn is_found(&self, query: &str) -> bool {
        let email = Email::parse(&self.email).expect("an address");
        folded(&self.first, &self.last, &email, None).split('\n').any(|line| line.contains(query))
    }
}

/// One of the many others.
pub fn filler(n: usize) -> Person {
    let (first, last) = (FIRST[n % FIRST.len()], LAST[(n / 7) % LAST.len()]);
    // There are few Administrators anywhere.
    let role = if n % 97 == 4 { "Administrator" } else { "User" };
    Person { role, ..Person::new(first, &format!("{last}-{n}"), &format!("{}.{n}@filler.example", first.to_lowercase())) }
}

/// One of the two organizations.
pub struct Organization {
    pub slug: String,
    pub token: String,
    pub people: Vec<Person>,
}

/// The database with both.
pub struct Roster {
    pub server: Server,
    pub few: Organization,
    pub many: Organization,
}

/// More people than that read an index.
pub const SMALL: usize = 500;

/// The name of the group that some are in.
pub const GROUP: &str = "Support";

impl Roster {
    /// Both organizations; the large one with `fillers` people more.
    pub async fn new(engine: Engine, fillers: usize) -> Self {
        let mut server = Server::quickstart(engine).await;
        let arguments = ["--admin-first-name", "First", "--admin-last-name", "Administrator", "--json"];
        let made = server.cli(&[&["org", "create", "--name", "Few", "--admin-email", "admin@example.com"][..], &arguments].concat()).await;
        let slug = made["org"].as_str().expect("a slug").to_owned();
        let made = server.cli(&["token", "create", "--org", &slug, "--user", "admin@example.com", "--json"]).await;
        let few = Organization { slug, token: made["token"].as_str().expect("a token").to_owned(), people: Vec::new() };
        let many = Organization { slug: server.org.clone(), token: server.token.clone(), people: Vec::new() };
        // Where any organization's token is welcome.
        server.mcp_url = format!("{}/mcp", server.address());
        let mut roster = Self { server, few, many };
        roster.few.people = roster.fill(&roster.few, 14).await;
        roster.many.people = roster.fill(&roster.many, fillers).await;
        roster
    }

    /// The hard names by the tool, the others as rows.
    async fn fill(&self, organization: &Organization, fillers: usize) -> Vec<Person> {
        let token = &organization.token;
        self.server.call(token, "create_access_group", json!({"name": GROUP, "permissions": ["users:read"]})).await.structured();
        let first = Person::new("First", "Administrator", "admin@example.com");
        let mut people = vec![Person { role: "Administrator", status: "active", ..first }];
        for (n, (first, last, email)) in HARD.into_iter().enumerate() {
            let role = if n % 9 == 4 { "Administrator" } else { "User" };
            people.push(Person { role, group: n % 5 == 2, ..Person::new(first, last, email) });
        }
        let mut calls = JoinSet::new();
        for person in &people[1..] {
            let groups: &[&str] = if person.group { &[GROUP] } else { &[] };
            let arguments = json!({"email": person.email, "first_name": person.first, "last_name": person.last, "role": person.role,
                                   "access_groups": groups});
            let call = self.server.request(token, "invite_user", &arguments);
            calls.spawn(async move { drop(call.await.structured()) });
        }
        while let Some(call) = calls.join_next().await {
            call.expect("it goes through");
        }
        let fillers = (0..fillers).map(filler).collect::<Vec<_>>();
        let connection = Connection::to(&self.server).await;
        seed::people(&connection, seed::number(&connection, &organization.slug).await, &fillers).await;
        connection.close().await;
        people.extend(fillers);
        people
    }

    /// Deactivates and expires some of an organization's people, on both sides alike.
    pub async fn age(&mut self, few: bool) {
        let token = self.organization(few).token.clone();
        let mut expired = Vec::new();
        let mut ended = Vec::new();
        let organization = if few { &mut self.few } else { &mut self.many };
        for (n, person) in organization.people.iter_mut().enumerate().skip(1) {
            if n % 6 == 3 && n < 120 {
                person.status = "deactivated";
                ended.push(person.email.clone());
            } else if n % 4 == 1 {
                person.expired = true;
                expired.push(format!("'{}'", Email::parse(&person.email).expect("an address").key()));
            }
        }
        let mut calls = JoinSet::new();
        for email in ended {
            let call = self.server.request(&token, "deactivate_user", &json!({"user": email}));
            calls.spawn(async move { drop(call.await.structured()) });
        }
        while let Some(call) = calls.join_next().await {
            call.expect("it goes through");
        }
        let sql = format!(
            "UPDATE links SET expires_at = sent_at WHERE user_key IN (SELECT u.key FROM users u JOIN organizations o ON o.number = u.org
              WHERE o.slug = '{}' AND u.email_key IN ({}))",
            self.organization(few).slug,
            expired.join(",")
        );
        assert!(self.server.tamper(&sql).await);
    }

    pub fn organization(&self, few: bool) -> &Organization {
        if few { &self.few } else { &self.many }
    }

    /// One `list_users` as an organization's Administrator.
    pub async fn ask(&self, few: bool, arguments: Value) -> Answer {
        self.server.call(&self.organization(few).token, "list_users", arguments).await
    }

    /// All pages of a list.
    pub async fn walk(&self, few: bool, arguments: &Value, limit: usize) -> Walk {
        walk(&self.server, &self.organization(few).token, arguments, limit).await
    }

    /// Who should be found, by what is known of them.
    pub fn expected(&self, few: bool, arguments: &Value) -> BTreeSet<String> {
        let query = search_fold(arguments["query"].as_str().unwrap_or_default());
        let fits = |person: &&Person| {
            (query.is_empty() || person.is_found(&query))
                && arguments["status"].as_str().is_none_or(|status| status == person.status)
                && arguments["role"].as_str().is_none_or(|role| role == person.role)
                && (arguments["access_group"].is_null() || person.group)
                && arguments["invite_expired"].as_bool().is_none_or(|expired| expired == (person.expired && person.status == "pending"))
        };
        self.organization(few).people.iter().filter(fits).map(|person| person.email.clone()).collect()
    }

    /// Asks both organizations, page by page, and holds the answers against what is known.
    pub async fn agrees(&self, arguments: Value) {
        for few in [true, false] {
            let expected = self.expected(few, &arguments);
            let walked = self.walk(few, &arguments, 100).await;
            let of = if few { "few" } else { "many" };
            let found: BTreeSet<String> = walked.emails.iter().cloned().collect();
            assert_eq!(found, expected, "{arguments} among {of}");
            assert_eq!(found.len(), walked.emails.len(), "{arguments} among {of}: everybody once");
            for (total, exact) in walked.totals {
                if expected.len() <= 1000 || search_fold(arguments["query"].as_str().unwrap_or_default()).is_empty() {
                    assert_eq!((total, exact), (expected.len(), true), "{arguments} among {of}");
                } else {
                    assert_eq!((total, exact), (1000, false), "{arguments} among {of}");
                }
            }
        }
    }
}

/// What a walk over all pages met.
pub struct Walk {
    /// Addresses in the order shown.
    pub emails: Vec<String>,
    /// `total` and `total_is_exact` of every page.
    pub totals: Vec<(usize, bool)>,
}

/// Walks all pages of a list.
pub async fn walk(server: &Server, token: &str, arguments: &Value, limit: usize) -> Walk {
    let mut walked = Walk { emails: Vec::new(), totals: Vec::new() };
    let mut arguments = arguments.clone();
    arguments["limit"] = limit.into();
    loop {
        let page = server.call(token, "list_users", arguments.clone()).await.structured();
        let users = page["users"].as_array().expect("users");
        assert!(users.len() <= limit);
        walked.emails.extend(users.iter().map(|user| user["email"].as_str().expect("an address").to_owned()));
        let total = page["total"].as_u64().and_then(|total| total.try_into().ok()).expect("a total");
        walked.totals.push((total, page["total_is_exact"].as_bool().expect("a bool")));
        if page["next_cursor"].is_null() {
            return walked;
        }
        arguments["cursor"] = page["next_cursor"].clone();
        assert!(walked.totals.len() < 10_000, "a list that never ends: {arguments}");
    }
}

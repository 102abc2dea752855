//! Two organizations with somebody of every kind in them, and what a target's name in the table stands for.

use super::table::{Section, Who};
use crate::common::{
    Engine, Server,
    database::{Connection, hex},
    until,
};
use serde_json::{Value, json};
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};
use usher_mcp::{authn::credential::new_token, domain::Random, keys::sha256};

/// Long after every test.
const FAR: &str = "4102444800000";
/// An id of nobody and nothing, of the right form.
const RANDOM: &str = "01890a5d-ac96-774b-bcce-b302099a8057";
/// A last name that only the other organization has, and one that it has not.
const LAST_NAMES: [&str; 2] = ["Reign", "Person"];

/// Columns that are bookkeeping of calls which went through, or of the record of refusals.
const UNCOUNTED: [(&str, &[&str]); 3] =
    [("org_heads", &["audit_seq", "audit_hash", "audit_at"]), ("users", &["last_seen_at"]), ("credentials", &["last_used_at"])];
/// The record of refusals.
const EVIDENCE: [&str; 3] = ["audit_log", "audit_values", "security_events"];

/// A server's answer to one request, as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) challenge: String,
    pub(crate) text: String,
}

impl Reply {
    /// The JSON-RPC result.
    pub(crate) fn result(&self) -> Value {
        let body: Value = serde_json::from_str(&self.text).expect(&self.text);
        body["result"].clone()
    }

    /// The body of an error; null where it is none.
    pub(crate) fn error(&self) -> Value {
        let result = self.result();
        if result["isError"] != true {
            return Value::Null;
        }
        assert!(result["structuredContent"].is_null(), "{}", self.text);
        serde_json::from_str(result["content"][0]["text"].as_str().expect("text")).expect("JSON")
    }

    /// The same without what names the request, to be compared byte by byte.
    pub(crate) fn anonymous(mut self) -> Self {
        if self.status == 200
            && let Some(request) = self.error()["request_id"].as_str()
        {
            self.text = self.text.replace(request, "");
        }
        self
    }
}

/// Where and with what a caller calls.
#[derive(Clone, Debug)]
pub(crate) struct Door {
    pub(crate) url: String,
    pub(crate) token: Option<String>,
}

/// Whom or what a call names: by id, and by address or name.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    pub(crate) id: String,
    word: String,
}

/// How a call names its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Naming {
    Id,
    /// By address or name.
    Word,
}

impl Named {
    fn new(id: &Value, word: &str) -> Self {
        Self { id: id.as_str().expect("an id").to_owned(), word: word.to_owned() }
    }

    fn by(&self, naming: Naming) -> &str {
        match naming {
            Naming::Id => &self.id,
            Naming::Word => &self.word,
        }
    }
}

/// Everybody and everything by what they are. The person who varies is in one group, whose permissions vary.
struct Cast {
    admin: Named,
    second: Named,
    other: Named,
    plain: Named,
    varying: Named,
    gone: Named,
    pending: Named,
    pending_holder: Named,
    pending_admin: Named,
    gone_holder: Named,
    foreign_admin: Named,
    foreign_user: Named,
    group_of_varying: Named,
    nothing: Named,
    exports: Named,
    invoices: Named,
    foreign_group: Named,
    nobody: Named,
    no_group: Named,
    /// A token's id of each, by theirs.
    tokens: BTreeMap<String, String>,
}

struct Doors {
    none: Vec<Door>,
    bad: Vec<Door>,
    pending: Vec<Door>,
    deactivated: Vec<Door>,
    foreign_here: Vec<Door>,
    foreign_home: Vec<Door>,
    plain: Vec<Door>,
    varying: Vec<Door>,
    admin: Vec<Door>,
    read_only: Vec<Door>,
}

/// All of it.
pub(crate) struct World {
    pub(crate) server: Server,
    pub(crate) connection: Connection,
    cast: Cast,
    doors: Doors,
    foreign_org: String,
    tables: Vec<String>,
    /// What somebody without a token is told, and somebody with an unknown one.
    shut: [Reply; 2],
    held: RefCell<BTreeSet<String>>,
}

/// A credential that no call of the product's own would make, written straight into the database: its token.
async fn planted(server: &Server, connection: &Connection, user: &str, [expires, revoked]: [&str; 2]) -> String {
    let random = Random::os();
    let token = new_token("MATRIX", &random);
    let (user, row, hash) = (user.replace('-', ""), hex(&random.bytes::<16>()), hex(&sha256(token.as_bytes())));
    let [user, row, hash] = match server.engine {
        Engine::Sqlite => [user, row, hash].map(|hex| format!("X'{hex}'")),
        Engine::Postgres => [format!("'{user}'::uuid"), format!("'{row}'::uuid"), format!("'\\x{hash}'::bytea")],
    };
    let sql = format!(
        "INSERT INTO credentials (id, org, user_key, kind, hash, label, scopes, created_at, expires_at, revoked_at)
         SELECT {row}, org, key, 'token', {hash}, 'planted', 'read write', 1, {expires}, {revoked} FROM users WHERE id = {user}"
    );
    assert!(connection.run(&sql).await, "{sql}");
    token
}

/// The other organization: its slug, its only Administrator and where they call, a person and a group of it.
struct Abroad {
    org: String,
    door: Door,
    admin: Named,
    user: Named,
    group: Named,
}

async fn abroad(server: &Server) -> Abroad {
    let administrator = ["--admin-email", "admin@foreign.example", "--admin-first-name", "Fay", "--admin-last-name", "Reign", "--json"];
    let made = server.cli(&[&["org", "create", "--name", "Foreign"], administrator.as_slice()].concat()).await;
    let org = made["org"].as_str().expect("a slug").to_owned();
    let token = server.cli(&["token", "create", "--org", &org, "--user", "admin@foreign.example", "--json"]).await;
    let door = door(&format!("{}/mcp/{org}", server.address()), token["token"].as_str().expect("a token"));
    let pat = json!({"email": "pat@foreign.example", "first_name": "Pat", "last_name": "Reign"});
    let pat = call(server, &door, "invite_user", &pat).await.result();
    let group = call(server, &door, "create_access_group", &json!({"name": "Abroad"})).await.result();
    Abroad {
        org,
        door,
        admin: Named::new(&made["user_id"], "admin@foreign.example"),
        user: Named::new(&pat["structuredContent"]["user"]["id"], "pat@foreign.example"),
        group: Named::new(&group["structuredContent"]["access_group"]["id"], "Abroad"),
    }
}

fn door(url: &str, token: &str) -> Door {
    Door { url: url.to_owned(), token: Some(token.to_owned()) }
}

impl World {
    /// Makes everybody and everything.
    pub(crate) async fn new(engine: Engine) -> Self {
        let server = Server::quickstart(engine).await;
        let connection = Connection::to(&server).await;
        let group = async |name: &str, permissions: &[&str]| {
            let made = server.ok("create_access_group", json!({"name": name, "permissions": permissions})).await;
            Named::new(&made["access_group"]["id"], name)
        };
        let invited = async |email: &str, role: &str, groups: &[&str]| {
            let arguments = json!({"email": email, "first_name": "Test", "last_name": "Person", "role": role, "access_groups": groups});
            Named::new(&server.ok("invite_user", arguments).await["user"]["id"], email)
        };
        let joined = async |email: &str, groups: &[&str]| {
            let (id, token) = server.member(email, groups).await;
            (Named::new(&json!(id), email), token)
        };
        let group_of_varying = group("Varying", &[]).await;
        let nothing = group("Nothing", &[]).await;
        let exports = group("Exports", &["customers:export"]).await;
        let invoices = group("Invoices", &["billing:update"]).await;
        let (second, _) = server.administrator("second@example.com").await;
        let second = Named::new(&json!(second), "second@example.com");
        let (other, _) = joined("other@example.com", &[]).await;
        let (plain, plain_token) = joined("plain@example.com", &[]).await;
        let (varying, varying_token) = joined("varying@example.com", &["Varying"]).await;
        let (gone, gone_token) = joined("gone@example.com", &[]).await;
        let pending = invited("pending@example.com", "User", &[]).await;
        let pending_holder = invited("pending.holder@example.com", "User", &["Exports"]).await;
        let pending_admin = invited("pending.admin@example.com", "Administrator", &[]).await;
        let gone_holder = invited("gone.holder@example.com", "User", &["Exports"]).await;
        server.ok("deactivate_user", json!({"user": gone.id})).await;
        server.ok("deactivate_user", json!({"user": gone_holder.id})).await;
        let admin = Named::new(&server.ok("whoami", json!({})).await["user"]["id"], "admin@example.com");
        let read_only = server.token_for("admin@example.com", &["--read-only"]).await;

        let abroad = abroad(&server).await;
        let (here, home, at_home) = (server.mcp_url.clone(), abroad.door.url.clone(), abroad.door);
        // The same planting for somebody Active opens the door: what shuts it for the others is what they are.
        let plant = async |user: &str, when: [&str; 2]| planted(&server, &connection, user, when).await;
        let alive = plant(&plain.id, [FAR, "NULL"]).await;
        assert_eq!(call(&server, &door(&here, &alive), "whoami", &json!({})).await.status, 200);
        let mistyped = alive.replace("MATRIX", "MATRIY");
        let unknown = new_token("MATRIX", &Random::os());
        let mut bad: Vec<Door> = ["x", &mistyped, &unknown].iter().map(|token| door(&here, token)).collect();
        bad.push(door(&here, &plant(&plain.id, ["2", "NULL"]).await));
        bad.push(door(&here, &plant(&plain.id, [FAR, "2"]).await));
        // Tokens of here at another organization's address, and at none's.
        bad.push(door(&home, &server.token));
        bad.push(door(&format!("{here}-not"), &server.token));
        let doors = Doors {
            none: vec![Door { url: here.clone(), token: None }],
            bad,
            pending: vec![door(&here, &plant(&pending.id, [FAR, "NULL"]).await)],
            deactivated: vec![door(&here, &gone_token), door(&here, &plant(&gone.id, [FAR, "NULL"]).await)],
            foreign_here: vec![Door { url: here.clone(), ..at_home.clone() }],
            foreign_home: vec![at_home.clone(), Door { url: format!("{}/mcp", server.address()), ..at_home }],
            plain: vec![door(&here, &plain_token)],
            varying: vec![door(&here, &varying_token)],
            admin: vec![door(&here, &server.token)],
            read_only: vec![door(&here, &read_only)],
        };
        // One of them is ended, the other is left.
        plant(&other.id, [FAR, "NULL"]).await;
        let mut tokens = BTreeMap::new();
        let whose = [&admin, &second, &other, &plain, &varying].map(|named| (&doors.admin[0], named));
        for (door, named) in whose.into_iter().chain([(&doors.foreign_home[0], &abroad.admin)]) {
            let listed = call(&server, door, "list_mcp_tokens", &json!({"user": named.id})).await.result();
            let newest = &listed["structuredContent"]["credentials"][0]["id"];
            tokens.insert(named.id.clone(), newest.as_str().expect("an id").to_owned());
        }
        let cast = Cast {
            tokens,
            admin,
            second,
            other,
            plain,
            varying,
            gone,
            pending,
            pending_holder,
            pending_admin,
            gone_holder,
            foreign_admin: abroad.admin,
            foreign_user: abroad.user,
            group_of_varying,
            nothing,
            exports,
            invoices,
            foreign_group: abroad.group,
            nobody: Named::new(&json!(RANDOM), "nobody@example.com"),
            no_group: Named::new(&json!(RANDOM), "No such group"),
        };
        // No mail is under way any more: from here on only calls change the database.
        let waiting = "SELECT count(*) FROM outbox WHERE state = 'queued'";
        until("the mails", async || (connection.number(waiting).await == 0).then_some(())).await;
        let mut tables = connection.tables().await;
        if engine == Engine::Sqlite {
            tables.extend(["users_fts_data", "users_fts_docsize"].map(str::to_owned));
        }
        let knock = async |door: &Door| call(&server, door, "whoami", &json!({})).await;
        let shut = [knock(&doors.none[0]).await, knock(&doors.bad[0]).await];
        let challenge = r#"Bearer realm="usher""#;
        assert_eq!(shut[0].challenge, challenge);
        assert_eq!(shut[1].challenge, format!(r#"{challenge}, error="invalid_token""#));
        Self { server, connection, cast, doors, foreign_org: abroad.org, tables, shut, held: RefCell::default() }
    }

    /// Gives the varying person exactly these permissions, by one call.
    pub(crate) async fn hold(&self, wanted: &BTreeSet<String>) {
        let held = self.held.replace(wanted.clone());
        let add: Vec<_> = wanted.difference(&held).collect();
        let remove: Vec<_> = held.difference(wanted).collect();
        if !add.is_empty() || !remove.is_empty() {
            let arguments = json!({"access_group": self.cast.group_of_varying.id, "add_permissions": add, "remove_permissions": remove});
            self.server.ok("update_access_group", arguments).await;
        }
    }

    /// Where a caller calls: one place or several that are answered alike.
    pub(crate) fn doors(&self, who: &Who) -> &[Door] {
        match who {
            Who::NoToken => &self.doors.none,
            Who::BadToken => &self.doors.bad,
            Who::Pending => &self.doors.pending,
            Who::Deactivated => &self.doors.deactivated,
            Who::ForeignHere => &self.doors.foreign_here,
            Who::ForeignAtHome => &self.doors.foreign_home,
            Who::Holding(set) if set.is_empty() => &self.doors.plain,
            Who::Holding(_) | Who::AnyOther | Who::Unasked => &self.doors.varying,
            Who::Administrator => &self.doors.admin,
            Who::ReadOnly => &self.doors.read_only,
        }
    }

    /// What a caller is told who is not let in.
    pub(crate) fn shut(&self, who: &Who) -> &Reply {
        &self.shut[usize::from(*who != Who::NoToken)]
    }

    /// The caller. Those who are nobody speak of somebody who exists.
    pub(crate) fn me(&self, who: &Who) -> &Named {
        match who {
            Who::NoToken | Who::BadToken => &self.cast.plain,
            Who::Pending => &self.cast.pending,
            Who::Deactivated => &self.cast.gone,
            Who::ForeignHere | Who::ForeignAtHome => &self.cast.foreign_admin,
            Who::Holding(set) if set.is_empty() => &self.cast.plain,
            Who::Holding(_) | Who::AnyOther | Who::Unasked => &self.cast.varying,
            Who::Administrator | Who::ReadOnly => &self.cast.admin,
        }
    }

    /// The person that a column names.
    fn person(&self, column: &str, who: &Who) -> Option<&Named> {
        let foreigner = matches!(who, Who::ForeignHere | Who::ForeignAtHome);
        Some(match column {
            "oneself" => self.me(who),
            "another User" => &self.cast.other,
            "an Administrator" => &self.cast.second,
            "a foreign person" if foreigner => &self.cast.other,
            "a foreign person" => &self.cast.foreign_user,
            "a random id" => &self.cast.nobody,
            "a Pending User" => &self.cast.pending,
            "a Pending User holding `customers:export`" => &self.cast.pending_holder,
            "a Pending Administrator" => &self.cast.pending_admin,
            "a Deactivated User" => &self.cast.gone,
            "a Deactivated User holding `customers:export`" => &self.cast.gone_holder,
            _ => return None,
        })
    }

    /// The group that a column or variant names.
    fn group(&self, name: &str, who: &Who) -> Option<&Named> {
        let foreigner = matches!(who, Who::ForeignHere | Who::ForeignAtHome);
        Some(match name {
            "a group giving nothing" => &self.cast.nothing,
            "a group giving `customers:export`" | "the group giving `customers:export`" => &self.cast.exports,
            "a group giving `billing:update`" => &self.cast.invoices,
            "a foreign group" if foreigner => &self.cast.nothing,
            "a foreign group" => &self.cast.foreign_group,
            "a random group id" => &self.cast.no_group,
            _ => return None,
        })
    }

    /// The id of the token that a column names.
    fn token(&self, column: &str, who: &Who) -> &str {
        let foreigner = matches!(who, Who::ForeignHere | Who::ForeignAtHome);
        let of = |named: &Named| self.cast.tokens.get(&named.id).map(String::as_str);
        match column {
            // Those who are nobody speak of somebody's.
            "one's own token" => of(self.me(who)).or_else(|| of(&self.cast.plain)).expect("a token"),
            "a token of another User" => of(&self.cast.other).expect("a token"),
            "a token of an Administrator" => of(&self.cast.second).expect("a token"),
            "a foreign token" if foreigner => of(&self.cast.other).expect("a token"),
            "a foreign token" => of(&self.cast.foreign_admin).expect("a token"),
            "a random token id" => RANDOM,
            _ => panic!("{column}: no token"),
        }
    }

    /// The arguments of one cell.
    pub(crate) fn arguments(&self, section: &Section, column: &str, who: &Who, naming: Naming) -> Value {
        let (tool, variant) = (section.tool.as_str(), section.variant.as_str());
        let person = self.person(column, who).map(|person| person.by(naming));
        let group = self.group(column, who).map(|group| group.by(naming));
        match (tool, variant) {
            ("whoami" | "list_permissions", "") if column == "the call" => json!({}),
            ("list_users" | "list_mcp_tokens", "") if column == "everybody" => json!({}),
            ("list_access_groups", "") if column == "all groups" => json!({}),
            ("list_audit_events", "") if column == "everything" => json!({}),
            ("revoke_mcp_token", "") => json!({"id": self.token(column, who)}),
            ("list_users" | "list_access_groups" | "delete_access_group", "") => json!({"access_group": group.expect(column)}),
            (
                "get_user" | "check_membership" | "resend_invite" | "deactivate_user" | "reactivate_user" | "end_ai_access"
                | "list_audit_events" | "list_mcp_tokens",
                "",
            ) => json!({"user": person.expect(column)}),
            ("update_user", "a new name") => json!({"user": person.expect(column), "first_name": "Renamed"}),
            ("update_user", "a new Slack ID") => json!({"user": person.expect(column), "slack_id": "U012AB3CD"}),
            ("update_user", "the other role") => {
                let person = person.expect(column);
                let administrators = [&self.cast.admin, &self.cast.second, &self.cast.foreign_admin];
                let role = if administrators.iter().any(|known| known.by(naming) == person) { "User" } else { "Administrator" };
                json!({"user": person, "role": role})
            }
            ("invite_user", "a User" | "an Administrator") => {
                let role = if variant == "a User" { "User" } else { "Administrator" };
                let foreigner = matches!(who, Who::ForeignHere | Who::ForeignAtHome);
                let (here, elsewhere) = ("other@example.com", if foreigner { "other@example.com" } else { "pat@foreign.example" });
                let (email, groups) = match column {
                    "no group" => ("new@example.com", vec![]),
                    "an address in use here" => (here, vec![]),
                    "an address in use elsewhere" => (elsewhere, vec![]),
                    _ => ("new@example.com", vec![group.expect(column)]),
                };
                json!({"email": email, "first_name": "New", "last_name": "Comer", "role": role, "access_groups": groups})
            }
            ("create_access_group", "") => {
                let permissions: Vec<&str> = column.split('`').skip(1).step_by(2).collect();
                assert!(column == "a group giving nothing" || permissions.len() == 1, "{column}");
                json!({"name": "New", "permissions": permissions})
            }
            ("update_access_group", "a new name") => json!({"access_group": group.expect(column), "name": "Renamed"}),
            ("update_access_group", "`billing:update` is added") => {
                json!({"access_group": group.expect(column), "add_permissions": ["billing:update"]})
            }
            ("update_access_group", "`customers:export` is taken away") => {
                json!({"access_group": group.expect(column), "remove_permissions": ["customers:export"]})
            }
            ("add_to_access_group" | "remove_from_access_group", _) => {
                let usual = self.group(variant, who).expect(variant).by(naming);
                match group {
                    Some(group) => json!({"users": [self.cast.other.by(naming)], "access_groups": [group]}),
                    None => json!({"users": [person.expect(column)], "access_groups": [usual]}),
                }
            }
            _ => panic!("{tool}: {variant}: {column}: no arguments for this"),
        }
    }

    /// Whether what a read shows is whom or what its cell names; nothing is asked of a list of everything.
    pub(crate) fn shows(&self, section: &Section, column: &str, who: &Who, result: &Value) -> bool {
        let (person, group) = (self.person(column, who).map(|named| &named.id), self.group(column, who).map(|named| &named.id));
        let all = |list: &str, about: &dyn Fn(&Value) -> bool| result[list].as_array().is_some_and(|list| list.iter().all(about));
        match (section.tool.as_str(), person, group) {
            ("whoami", _, _) => result["user"]["id"] == self.me(who).id,
            ("get_user", Some(person), _) => result["user"]["id"] == *person,
            ("check_membership", Some(person), _) => result["user_id"] == *person,
            ("list_audit_events", Some(person), _) => {
                all("events", &|event| event["actor"]["user_id"] == *person || event["target"]["id"] == *person)
            }
            ("list_mcp_tokens", Some(person), _) => {
                all("credentials", &|credential| credential["user_id"] == *person)
                    && result["credentials"].as_array().is_some_and(|list| !list.is_empty())
            }
            ("list_mcp_tokens", None, _) => {
                let sees_all = match who {
                    Who::Holding(permissions) => permissions.contains("mcp_tokens:read"),
                    _ => matches!(who, Who::Administrator | Who::ReadOnly | Who::ForeignAtHome),
                };
                let me = &self.me(who).id;
                sees_all || all("credentials", &|credential| credential["user_id"] == *me && credential["email"].is_string())
            }
            ("list_users", _, Some(group)) => {
                let holds = |held: &Value| held["id"] == *group;
                all("users", &|user| user["access_groups"].as_array().is_some_and(|groups| groups.iter().any(holds)))
            }
            ("list_access_groups", _, Some(group)) => {
                result["access_groups"].as_array().map(Vec::len) == Some(1) && result["access_groups"][0]["id"] == *group
            }
            ("list_users" | "list_access_groups" | "list_audit_events" | "list_permissions", None, None) => true,
            (tool, _, _) => panic!("{tool}: {column}: a read that shows nothing known here"),
        }
    }

    /// What an address in use must say.
    pub(crate) fn holder(&self) -> Value {
        json!({"user_id": self.cast.other.id, "status": "active", "next": "get_user"})
    }

    /// Whether an answer says nothing of an organization that is not the caller's.
    pub(crate) fn discreet(reply: &Reply, who: &Who) -> bool {
        let foreigner = matches!(who, Who::ForeignHere | Who::ForeignAtHome);
        !reply.text.contains(LAST_NAMES[usize::from(foreigner)])
    }

    /// Calls a tool.
    pub(crate) async fn call(&self, door: &Door, tool: &str, arguments: &Value) -> Reply {
        call(&self.server, door, tool, arguments).await
    }

    /// The names in `tools/list`.
    pub(crate) async fn tools(&self, door: &Door) -> BTreeSet<String> {
        let answer = post(&self.server, door, &json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"})).await.result();
        answer["tools"].as_array().expect("tools").iter().map(|tool| tool["name"].as_str().expect("a name").to_owned()).collect()
    }

    /// Every row there is, but what may follow a refusal.
    pub(crate) async fn rows(&self) -> BTreeSet<String> {
        let mut all = BTreeSet::new();
        for table in &self.tables {
            if EVIDENCE.contains(&table.as_str()) {
                continue;
            }
            let uncounted = UNCOUNTED.iter().find(|(of, _)| of == table).map_or(&[][..], |(_, columns)| columns);
            // Whatever runs out is ended beside the calls; the one token that has run out tells nothing here.
            let but = if table == "credentials" { " WHERE expires_at <> 2" } else { "" };
            for mut row in self.connection.rows(&format!("SELECT * FROM {table}{but}")).await {
                row.retain(|column, _| !uncounted.contains(&column.as_str()));
                all.insert(format!("{table} {row:?}"));
            }
        }
        all
    }

    /// How many entries of the audit log are about something that was done.
    pub(crate) async fn deeds(&self) -> i64 {
        self.connection.number("SELECT count(*) FROM audit_log WHERE outcome <> 'refused'").await
    }

    /// Whether the audit logs of both organizations verify.
    pub(crate) async fn verified(&self) -> bool {
        let mut sound = true;
        for org in [&self.server.org, &self.foreign_org] {
            sound &= self.server.cli(&["audit", "verify", "--org", org, "--json"]).await["ok"] == true;
        }
        sound
    }
}

async fn post(server: &Server, door: &Door, message: &Value) -> Reply {
    let mut request = server.http.post(&door.url).header("content-type", "application/json").header("accept", "*/*");
    if let Some(token) = &door.token {
        request = request.bearer_auth(token);
    }
    let response = request.body(message.to_string()).send().await.expect("an answer");
    let status = response.status().as_u16();
    let challenge = response.headers().get("www-authenticate").map(|value| value.to_str().expect("text").to_owned());
    Reply { status, challenge: challenge.unwrap_or_default(), text: response.text().await.expect("a body") }
}

async fn call(server: &Server, door: &Door, tool: &str, arguments: &Value) -> Reply {
    let params = json!({"name": tool, "arguments": arguments});
    post(server, door, &json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})).await
}

//! The whole measurement: what is started, in which order it is called, and the tables at the end.

use crate::{
    Arguments,
    http::{Connection, Target},
    measure::{Load, Model, Outcome, median, medians, memory_of, run},
    scenarios::{Door, Flood, Revocation, door, flood, looks, revocation, starts, statements},
    server::{Place, Server},
};
use std::{
    fmt::Write as _,
    io::{BufRead, BufReader, Error, Result, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

/// People in the organization that lists are made of.
const PEOPLE: usize = 10_000;
/// The search whose two hits in a hundred fill a page.
const LIST: &str = r#"{"query":"garcia","limit":50}"#;
/// The same with the page size where none is asked for.
const SHORT_LIST: &str = r#"{"query":"garcia","limit":25}"#;
/// An invite.
const INVITE: &str = r#"{"email":"n{n}@new.example.com","first_name":"New","last_name":"Person"}"#;
/// The same in the words of the peers.
const PEER_INVITE: &str = r#"{"email":"n{n}@new.example.com","name":"New Person"}"#;
/// Bytes of the answer that the floor gives: about a list of 50 people as the peers write it.
const FLOOR: usize = 10_000;

/// How long and how often.
struct Pace {
    seconds: u64,
    rounds: usize,
    deactivations: usize,
    starts: usize,
    flood: u64,
}

/// Something that is called.
struct Contender {
    name: String,
    target: Target,
    pid: u32,
    model: Model,
    runs: Vec<(usize, Outcome)>,
}

impl Contender {
    fn new(name: impl Into<String>, target: &Target, pid: u32, model: Model) -> Self {
        Self { name: name.into(), target: target.clone(), pid, model, runs: Vec::new() }
    }

    fn at(&self, connections: usize) -> Outcome {
        let runs: Vec<Outcome> = self.runs.iter().filter(|(found, _)| *found == connections).map(|(_, run)| run.clone()).collect();
        medians(&runs)
    }
}

/// Calls all contenders in turn, so that what else the machine does falls on all alike.
async fn race(contenders: &mut [Contender], connections: &[usize], pace: &Pace) -> Result<()> {
    let time = Duration::from_secs(pace.seconds);
    for contender in contenders.iter() {
        let load = Load { connections: 8, time: Duration::from_millis(500), rate: 0 };
        run(&contender.target, &contender.model, load, contender.pid).await?;
    }
    for _ in 0..pace.rounds {
        for &connections in connections {
            for contender in contenders.iter_mut() {
                let load = Load { connections, time, rate: 0 };
                let outcome = run(&contender.target, &contender.model, load, contender.pid).await?;
                contender.runs.push((connections, outcome));
            }
        }
    }
    Ok(())
}

fn table(out: &mut String, title: &str, contenders: &[Contender], connections: &[usize]) {
    _ = writeln!(
        out,
        "\n### {title}\n\n| | connections | calls/s | p50 ms | p99 ms | CPU ms per call | others' cores | wrong answers |\n|---|---|---|---|---|---|---|---|"
    );
    for contender in contenders {
        for &connections in connections {
            let o = contender.at(connections);
            _ = writeln!(
                out,
                "| {} | {connections} | {:.0} | {:.2} | {:.2} | {:.3} | {:.2} | {} |",
                contender.name, o.rate, o.p50, o.p99, o.cpu, o.others, o.errors
            );
        }
    }
}

/// A floor server: this program again, as a process of its own.
struct Floor {
    target: Target,
    child: Child,
}

impl Floor {
    fn start(bytes: usize) -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?).args(["noop", &bytes.to_string()]).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().ok_or_else(|| Error::other("no stdout"))?).read_line(&mut line)?;
        Ok(Self { target: Target::new(&format!("http://{}/mcp", line.trim()), "")?, child })
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// `NAME=PID@URL`.
fn peer(text: &str, token: &str) -> Result<(String, u32, Target)> {
    let wrong = || Error::other("--peer takes NAME=PID@URL");
    let (name, rest) = text.split_once('=').ok_or_else(wrong)?;
    let (pid, url) = rest.split_once('@').ok_or_else(wrong)?;
    Ok((name.to_owned(), pid.parse().map_err(|_| wrong())?, Target::new(url, token)?))
}

struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("usher-load.{}", std::process::id()));
        std::fs::create_dir(&folder)?;
        Ok(Self(folder))
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

fn progress(text: &str) {
    drop(writeln!(std::io::stderr(), "== {text}"));
}

fn one_line(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default().lines().next().unwrap_or_default().to_owned()
}

fn machine() -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default().trim_start_matches([' ', '\t', ':']).to_owned();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!("{cores} cores ({model}), Linux {}, load before {}", one_line("/proc/sys/kernel/osrelease"), one_line("/proc/loadavg"))
}

/// Plain calls against SQLite, beside the floor and the peers.
async fn sqlite_calls(arguments: &Arguments, server: &Server, pace: &Pace, out: &mut String) -> Result<()> {
    let mut connection = Connection::new(&server.target);
    let own = connection.exchange(&server.target.call("whoami", "{}")).await?.body.len();
    let (floor, small) = (Floor::start(FLOOR)?, Floor::start(own)?);
    let noop = || Model::new("noop", "{}");
    let usher = |name: &str, tool: &str, arguments: &str| Contender::new(name, &server.target, server.pid(), Model::new(tool, arguments));
    let token = std::env::var("USHER_PEER_TOKEN").unwrap_or_default();
    let peers = arguments.all("peer").map(|text| peer(text, &token)).collect::<Result<Vec<_>>>()?;

    let mut reads = vec![
        Contender::new("no-op, 10 kB", &floor.target, floor.child.id(), noop()),
        Contender::new(format!("no-op, {own} bytes as `whoami`"), &small.target, small.child.id(), noop()),
        usher("usher `whoami`", "whoami", "{}"),
        usher("usher `list_users`, search, 50 rows", "list_users", LIST),
        usher("usher `list_users`, search, 25 rows", "list_users", SHORT_LIST),
    ];
    reads.extend(peers.iter().map(|(name, pid, target)| {
        Contender::new(format!("{name} `list_users`, search, 50 rows"), target, *pid, Model::new("list_users", LIST))
    }));
    race(&mut reads, &[1, 16, 64], pace).await?;
    table(out, "Reads, SQLite, 10,000 people", &reads, &[1, 16, 64]);

    let mut writes = vec![usher("usher `invite_user`", "invite_user", INVITE)];
    writes.extend(
        peers.iter().map(|(name, pid, target)| {
            Contender::new(format!("{name} `invite_user`"), target, *pid, Model::new("invite_user", PEER_INVITE))
        }),
    );
    race(&mut writes, &[1, 16, 64], pace).await?;
    table(out, "Invites, SQLite, committed durably", &writes, &[1, 16, 64]);

    let rate = |contender: &Contender| contender.at(16).rate;
    _ = writeln!(out, "\n### Ratios of this run, 16 connections\n\n| | |\n|---|---|");
    _ = writeln!(out, "| `whoami` to the no-op of 10 kB | {:.2} |", rate(&reads[2]) / rate(&reads[0]));
    _ = writeln!(out, "| `whoami` to the no-op of its own size | {:.2} |", rate(&reads[2]) / rate(&reads[1]));
    for (n, (name, ..)) in peers.iter().enumerate() {
        _ = writeln!(out, "| `list_users`, 50 rows, to {name} | {:.2} |", rate(&reads[3]) / rate(&reads[5 + n]));
        _ = writeln!(out, "| `invite_user` to {name} | {:.2} |", rate(&writes[0]) / rate(&writes[1 + n]));
    }
    Ok(())
}

/// Plain calls against PostgreSQL.
async fn postgres_calls(place: &Place, pace: &Pace, log: &Path, out: &mut String) -> Result<()> {
    let server = place.start("quickstart", None, None).await?;
    server.fill(0..PEOPLE).await?;
    let usher = |name: &str, tool: &str, arguments: &str| Contender::new(name, &server.target, server.pid(), Model::new(tool, arguments));
    let mut calls = [
        usher("usher `whoami`", "whoami", "{}"),
        usher("usher `list_users`, search, 50 rows", "list_users", LIST),
        usher("usher `invite_user`, one organization", "invite_user", INVITE),
    ];
    race(&mut calls, &[1, 16], pace).await?;
    table(out, "PostgreSQL, 10,000 people", &calls, &[1, 16]);
    let token = server.target.token.clone();
    server.stop()?;
    let counted = statements(place, &token, log).await?;
    statements_table(out, "PostgreSQL", &counted);
    Ok(())
}

fn statements_table(out: &mut String, database: &str, counted: &[(&str, f64)]) {
    _ = writeln!(out, "\n### Statements per call, {database}\n\n| tool | statements |\n|---|---|");
    for (tool, count) in counted {
        _ = writeln!(out, "| `{tool}` | {count:.1} |");
    }
}

fn revocation_table(out: &mut String, database: &str, [same, apart]: &[Revocation; 2]) {
    _ = writeln!(
        out,
        "\n### From an answered deactivation to the first 401, {database}\n\n| node | deactivations | p50 ms | p99 ms | worst ms | calls that still went through |\n|---|---|---|---|---|---|"
    );
    for (node, found) in [("the same", same), ("another", apart)] {
        let [median, high, worst] = [0.5, 0.99, 1.0].map(|share| found.quantile(share));
        _ = writeln!(out, "| {node} | {} | {median:.2} | {high:.2} | {worst:.2} | {} |", found.times.len(), found.stale);
    }
}

fn flood_table(out: &mut String, database: &str, found: &[Flood]) {
    _ = writeln!(
        out,
        "\n### Another organization's invites (50 a second) while 16 connections flood, {database}\n\n| flood | flood's calls/s | its calls | invites' p50 ms | p99 ms | p99 to the quiet one's | wrong answers |\n|---|---|---|---|---|---|---|"
    );
    for one in found {
        let (rate, calls, wrong) = one.pressure.as_ref().map_or((0.0, 0, 0), |flood| (flood.rate, flood.calls, flood.errors));
        let ratio = one.invites.p99 / found[0].invites.p99;
        let wrong = wrong + one.invites.errors;
        _ = writeln!(
            out,
            "| {} | {rate:.0} | {calls} | {:.2} | {:.2} | {ratio:.2} | {wrong} |",
            one.name, one.invites.p50, one.invites.p99
        );
    }
}

fn door_table(out: &mut String, database: &str, found: &[Door]) {
    _ = writeln!(
        out,
        "\n### At the door, {database}: how long the answer takes, median ms of 200 tries\n\n| asked for | known | unknown | pending | deactivated | largest difference |\n|---|---|---|---|---|---|"
    );
    for Door { asked, medians } in found {
        let [known, unknown, pending, gone] = medians;
        let difference = medians.iter().fold(0.0, |most: f64, one| most.max((one - known).abs()));
        _ = writeln!(out, "| {asked} | {known:.2} | {unknown:.2} | {pending:.2} | {gone:.2} | {difference:.2} |");
    }
}

/// A flood beside another organization.
async fn floods(place: &Place, database: &str, pace: &Pace, out: &mut String) -> Result<()> {
    progress(&format!("{database}: a flood of refusals"));
    let node = place.start("quickstart", None, None).await?;
    flood_table(out, database, &flood(&node, Duration::from_secs(pace.flood)).await?);
    node.stop()
}

/// The roster's page among a hundred people, then among many.
async fn pages(place: &Place, database: &str, many: usize, out: &mut String) -> Result<()> {
    progress(&format!("{database}: pages of the roster"));
    let server = place.start("quickstart", None, None).await?;
    server.fill(0..100).await?;
    let few = looks(&server).await?;
    progress(&format!("{database}: inviting {many}"));
    server.fill(100..many).await?;
    let all = looks(&server).await?;
    _ = writeln!(
        out,
        "\n### The roster's page, {database}\n\n| page of 50 | among 100: ms | bytes | among {many}: ms | bytes |\n|---|---|---|---|---|"
    );
    for (few, many) in few.iter().zip(&all) {
        _ = writeln!(out, "| {} | {:.1} | {} | {:.1} | {} |", few.page, few.time, few.weight, many.time, many.weight);
    }
    server.stop()
}

/// Revocation on two nodes, and the door.
async fn people(place: &Place, database: &str, pace: &Pace, out: &mut String) -> Result<()> {
    progress(&format!("{database}: revocation"));
    let node = place.start("quickstart", None, None).await?;
    let other = place.start("serve", Some(&node.target.token), None).await?;
    revocation_table(out, database, &revocation(&node, &other, pace.deactivations).await?);
    other.stop()?;
    progress(&format!("{database}: the door"));
    door_table(out, database, &door(&node).await?);
    node.stop()
}

/// Everything.
pub(crate) async fn all(arguments: &Arguments) -> Result<()> {
    let pace = if arguments.get("quick").is_some() {
        Pace { seconds: 1, rounds: 1, deactivations: 50, starts: 3, flood: 3 }
    } else {
        Pace {
            seconds: arguments.number("seconds", 3)?,
            rounds: arguments.number("rounds", 5)?,
            deactivations: arguments.number("deactivations", 1000)?,
            starts: 11,
            flood: 20,
        }
    };
    let usher = PathBuf::from(arguments.needed("usher")?);
    let scratch = Scratch::new()?;
    let mut out = format!("{}\n", machine());
    // A relay that takes connections and never says a word: invites are measured without the mail that follows them.
    let silent = std::net::TcpListener::bind("127.0.0.1:0")?;
    let relay = format!("smtp://{}", silent.local_addr()?);
    let place = |name: &str, database: Option<String>, smtp: bool| Place {
        usher: usher.clone(),
        data: scratch.folder(name),
        database,
        smtp: smtp.then(|| relay.clone()),
    };

    let wanted = |part: &str| arguments.get("part").is_none_or(|only| only == part);
    if wanted("calls") {
        progress("SQLite: calls");
        let filled = place("filled", None, true);
        let server = filled.start("quickstart", None, None).await?;
        server.fill(0..PEOPLE).await?;
        let token = server.target.token.clone();
        sqlite_calls(arguments, &server, &pace, &mut out).await?;
        let loaded = memory_of(server.pid());
        server.stop()?;

        progress("start, memory, statements");
        let (all_starts, idle) = starts(&filled, &token, pace.starts).await?;
        #[expect(clippy::cast_precision_loss, reason = "a file's size")]
        let megabytes = std::fs::metadata(&usher)?.len() as f64 / 1e6;
        _ = writeln!(
            out,
            "\n### Start and size, SQLite\n\n| start to first answered call | memory a second after | after the calls above | binary |\n|---|---|---|---|\n| {:.0} ms | {idle:.1} MiB | {loaded:.1} MiB | {megabytes:.1} MB |",
            median(&all_starts, |start| *start)
        );
        statements_table(&mut out, "SQLite", &statements(&filled, &token, &scratch.folder("statements.log")).await?);

        progress("SQLite: invites with their mail");
        let mailing = place("mailing", None, false).start("quickstart", None, None).await?;
        let mut invites =
            [Contender::new("usher, mail into the folder meanwhile", &mailing.target, mailing.pid(), Model::new("invite_user", INVITE))];
        race(&mut invites, &[16], &pace).await?;
        table(&mut out, "`invite_user` with its mail, SQLite", &invites, &[16]);
        mailing.stop()?;
    }
    let many = arguments.number("people", if arguments.get("quick").is_some() { 1000 } else { 100_000 })?;
    if wanted("pages") {
        pages(&place("pages", None, true), "SQLite", many, &mut out).await?;
    }
    if wanted("people") {
        people(&place("people", None, false), "SQLite", &pace, &mut out).await?;
    }
    if wanted("floods") {
        floods(&place("floods", None, false), "SQLite", &pace, &mut out).await?;
    }

    if let Some(postgres) = arguments.get("postgres") {
        let database = |name: &str| Some(format!("{postgres}/{name}"));
        if wanted("calls") {
            progress("PostgreSQL: calls");
            postgres_calls(&place("postgres", database("calls"), true), &pace, &scratch.folder("postgres.log"), &mut out).await?;
        }
        if wanted("pages") {
            pages(&place("postgres-pages", database("pages"), true), "PostgreSQL", many, &mut out).await?;
        }
        if wanted("people") {
            people(&place("postgres-people", database("people"), false), "PostgreSQL", &pace, &mut out).await?;
        }
        if wanted("floods") {
            floods(&place("postgres-floods", database("floods"), false), "PostgreSQL", &pace, &mut out).await?;
        }
    }
    drop(silent);
    writeln!(std::io::stdout(), "{out}load after {}", one_line("/proc/loadavg"))
}

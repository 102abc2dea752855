//! Servers under measurement: started, filled, spoken to, ended.

use crate::http::{Connection, Target};
use serde_json::{Value, json};
use std::{
    fs::File,
    io::{BufRead, BufReader, Error, Result},
    ops::Range,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// A family name in fifty is Garcia, so a search for it hits two people in a hundred.
const FAMILIES: usize = 50;

/// A running server; it ends with this value.
pub(crate) struct Server {
    /// Its MCP endpoint, as the first Administrator.
    pub(crate) target: Target,
    /// The slug of its first organization.
    pub(crate) org: String,
    /// From the start of the process to its first answered call.
    pub(crate) start: Duration,
    place: Place,
    child: Child,
}

/// Where a server keeps what it keeps.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// The binary.
    pub(crate) usher: PathBuf,
    /// Its data folder.
    pub(crate) data: PathBuf,
    /// A PostgreSQL database; none for SQLite.
    pub(crate) database: Option<String>,
    /// Its relay; none for the mail folder.
    pub(crate) smtp: Option<String>,
}

impl Place {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.usher);
        command.args(arguments).env("USHER_DATA_DIR", &self.data).env("USHER_LOG", "error");
        if let Some(url) = &self.database {
            command.env("USHER_DATABASE_URL", url);
        }
        if let Some(url) = &self.smtp {
            command.env("USHER_SMTP_URL", url);
        }
        command
    }

    /// Runs a command to its end; its line of JSON.
    pub(crate) fn run(&self, arguments: &[&str]) -> Result<Value> {
        let output = self.command(arguments).arg("--json").output()?;
        serde_json::from_slice(&output.stdout).map_err(|_| Error::other(String::from_utf8_lossy(&output.stderr).into_owned()))
    }

    /// A new token of somebody.
    pub(crate) fn token(&self, org: &str, email: &str) -> Result<String> {
        let made = self.run(&["token", "create", "--org", org, "--user", email])?;
        made["token"].as_str().map(str::to_owned).ok_or_else(|| Error::other("no token"))
    }

    /// Starts it: `quickstart` (a new token comes with it) or `serve` with a token from before. `log` gets what it logs.
    pub(crate) async fn start(&self, command: &str, token: Option<&str>, log: Option<(&str, &Path)>) -> Result<Server> {
        let mut program = self.command(&[command, "--json", "--listen", "127.0.0.1:0"]);
        program.args(["--resends", "0", "--invites-per-day", "0", "--calls-per-minute", "0"]).stdout(Stdio::piped());
        if let Some((filter, file)) = log {
            program.env("USHER_LOG", filter).stderr(File::create(file)?);
        }
        let began = Instant::now();
        let mut child = program.spawn()?;
        let stdout = child.stdout.take().ok_or_else(|| Error::other("no stdout"))?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let said: Value = serde_json::from_str(&line).map_err(Error::other)?;
        let text = |key: &str| said[key].as_str().unwrap_or_default().to_owned();
        let token = token.map_or_else(|| text("token"), str::to_owned);
        let target = Target::new(&format!("http://{}/mcp/{}", text("listen"), text("org")), &token)?;
        let mut server = Server { target, org: text("org"), start: Duration::ZERO, place: self.clone(), child };
        server.ok("whoami", &json!({})).await?;
        server.start = began.elapsed();
        Ok(server)
    }
}

impl Server {
    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where it keeps what it keeps.
    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// Ends it: in an orderly way, unless its relay is silent, for it would wait for that.
    pub(crate) fn stop(mut self) -> Result<()> {
        if self.place.smtp.is_some() {
            return Ok(());
        }
        Command::new("kill").args(["-TERM", &self.pid().to_string()]).status()?;
        self.child.wait().map(drop)
    }

    /// One call that has to go through; its structured content.
    pub(crate) async fn ok(&self, tool: &str, arguments: &Value) -> Result<Value> {
        let mut connection = Connection::new(&self.target);
        ok(&mut connection, &self.target, tool, arguments).await
    }

    /// Fills the roster of the first organization with these of its people, by inviting them.
    pub(crate) async fn fill(&self, people: Range<usize>) -> Result<()> {
        let tasks: Vec<_> = (0..16)
            .map(|lane| {
                let (target, people) = (self.target.clone(), people.clone());
                tokio::spawn(async move {
                    let mut connection = Connection::new(&target);
                    for n in people.skip(lane).step_by(16) {
                        let (first, last) = name(n);
                        let email = format!("{}.{}{n}@example.com", first.to_lowercase(), last.to_lowercase());
                        let arguments = json!({"email": email, "first_name": first, "last_name": last});
                        ok(&mut connection, &target, "invite_user", &arguments).await?;
                    }
                    Result::Ok(())
                })
            })
            .collect();
        for task in tasks {
            task.await.map_err(Error::other)??;
        }
        Ok(())
    }

    /// Invites somebody, takes the link out of their mail, and joins as them. Only with a mail folder.
    pub(crate) async fn join(&self, email: &str) -> Result<()> {
        let arguments = json!({"email": email, "first_name": "Test", "last_name": "Person"});
        self.ok("invite_user", &arguments).await?;
        let link = self.link_to(email).await?;
        let path = link.find("/invite/").map(|at| &link[at..]).ok_or_else(|| Error::other("no link"))?;
        let host = &self.target.authority;
        let mut connection = Connection::new(&self.target);
        let opened = connection.exchange(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes()).await?;
        let (place, cookie) = (opened.header("location"), opened.header("set-cookie"));
        let (Some(place), Some(cookie)) = (place, cookie) else { return Err(Error::other("the link leads nowhere")) };
        let path = place.find("/invite/").map_or(place.as_str(), |at| &place[at..]);
        let cookie = cookie.split(';').next().unwrap_or_default();
        let form = "first_name=Test&last_name=Person&password=seven+brave+otters+paint+fences&do=join";
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
            form.len()
        );
        let status = connection.exchange(request.as_bytes()).await?.status;
        if status < 400 { Ok(()) } else { Err(Error::other(format!("joining was answered {status}"))) }
    }

    /// A browser in which the first Administrator is signed in: its cookies.
    pub(crate) async fn browser(&self) -> Result<String> {
        let made = self.place.run(&["sign-in-link", "--org", &self.org, "--user", "admin@example.com"])?;
        let url = made["url"].as_str().unwrap_or_default();
        let below = |url: &str| url.find("/link/").map(|at| url[at..].to_owned()).ok_or_else(|| Error::other("no link"));
        let mut connection = Connection::new(&self.target);
        let opened = connection.exchange(&self.target.page(&below(url)?, "")).await?;
        let (place, cookies) = (opened.header("location").unwrap_or_default(), opened.cookies());
        let form = "do=go";
        let request = format!(
            "POST {} HTTP/1.1\r\nHost: {}\r\nCookie: {cookies}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
            below(&place)?,
            self.target.authority,
            form.len()
        );
        let cookies = connection.exchange(request.as_bytes()).await?.cookies();
        if cookies.contains("session") { Ok(cookies) } else { Err(Error::other("nobody was signed in")) }
    }

    async fn link_to(&self, email: &str) -> Result<String> {
        for _ in 0..1000 {
            for entry in std::fs::read_dir(self.place.data.join("mail")).into_iter().flatten().flatten() {
                let mail = std::fs::read_to_string(entry.path()).unwrap_or_default();
                let link = mail.lines().map(str::trim).find(|line| line.starts_with("http") && line.contains("/invite/"));
                if let Some(link) = link.filter(|_| mail.contains(&format!("<{email}>"))) {
                    return Ok(link.to_owned());
                }
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Err(Error::other("the mail did not come"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// One call that has to go through, on a kept connection; its structured content.
pub(crate) async fn ok(connection: &mut Connection, target: &Target, tool: &str, arguments: &Value) -> Result<Value> {
    let reply = connection.exchange(&target.call(tool, &arguments.to_string())).await?;
    if !reply.is_result() {
        return Err(Error::other(format!("{tool}: {} {}", reply.status, String::from_utf8_lossy(reply.body))));
    }
    let body: Value = serde_json::from_slice(reply.body).map_err(Error::other)?;
    Ok(body["result"]["structuredContent"].clone())
}

fn name(n: usize) -> (String, String) {
    let first = ["Maria", "James", "Anna", "Luis", "Chen", "Yuki", "Omar", "Fatima", "Ivan", "Olga"][n % 10];
    let last = if n.is_multiple_of(FAMILIES) { "Garcia".to_owned() } else { format!("Family{:02}", n % FAMILIES) };
    (first.to_owned(), last)
}

//! The command line: every flag, variable and secret file, and what each command answers, word for word where
//! programs read it.

use crate::common::{Engine, Options, PASSWORD, Server, database, on_both};
use serde_json::{Value, json};
use std::{
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Output, Stdio},
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    process::{Child, Command},
};

/// What `quickstart` and `serve` say, in this order.
const KEYS: [&str; 9] = ["listen", "public_url", "mcp_url", "org", "admin_email", "token", "sign_in_url", "mail_dir", "data_dir"];

fn usher(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_usher"));
    command.args(arguments).current_dir(folder).env("USHER_LOG", "warn").kill_on_drop(true);
    command
}

/// A folder, and where a database may be made.
async fn place(engine: Engine) -> (TempDir, String) {
    let url = match engine {
        Engine::Sqlite => "roster.db".to_owned(),
        Engine::Postgres => database::new().await,
    };
    (TempDir::new().expect("a folder"), url)
}

/// Runs a command to its end.
async fn run(folder: &Path, arguments: &[&str]) -> Output {
    usher(folder, arguments).output().await.expect("usher runs")
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Its one line of JSON.
fn line(output: &Output) -> Value {
    assert!(output.status.success(), "{}", stderr(output));
    let text = stdout(output);
    assert_eq!(text.lines().count(), 1, "{text}");
    serde_json::from_str(&text).expect("JSON")
}

/// Why it did not do it.
fn refusal(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{}{}", stdout(output), stderr(output));
    assert!(output.stdout.is_empty(), "{}", stdout(output));
    let text = stderr(output);
    assert!(text.starts_with("usher: "), "{text}");
    text
}

/// A server of its own, and the line it printed.
struct Started {
    said: Value,
    child: Child,
}

impl Started {
    async fn with(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("usher starts");
        let mut lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
        if let Some(line) = lines.next_line().await.expect("a line") {
            Self { said: serde_json::from_str(&line).expect("one line of JSON"), child }
        } else {
            let output = child.wait_with_output().await.expect("it ends");
            panic!("{}", String::from_utf8_lossy(&output.stderr));
        }
    }

    /// Ends it in an orderly way; what it logged.
    async fn stop(mut self) -> String {
        let pid = self.child.id().expect("it runs").to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().await.expect("kill runs").success());
        let mut log = String::new();
        self.child.stderr.take().expect("stderr").read_to_string(&mut log).await.expect("text");
        assert!(self.child.wait().await.expect("it ends").success());
        log
    }
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

fn sorted(mut names: Vec<&str>) -> Vec<&str> {
    names.sort_unstable();
    names
}

/// The flags that every command takes, each with its variable, a value it takes, and one it does not where there is one.
const FLAGS: [(&str, &str, &str, Option<&str>); 17] = [
    ("--data-dir", "USHER_DATA_DIR", "data", None),
    ("--database-url", "USHER_DATABASE_URL", "postgres://user@127.0.0.1/usher", None),
    ("--key-file", "USHER_KEY_FILE", "keys", None),
    ("--listen", "USHER_LISTEN", "127.0.0.1:0", None),
    ("--public-url", "USHER_PUBLIC_URL", "https://usher.example.com", None),
    ("--trusted-proxies", "USHER_TRUSTED_PROXIES", "10.0.0.0/8,fd00::/8", Some("everybody")),
    ("--smtp-url", "USHER_SMTP_URL", "smtp://127.0.0.1:25", None),
    ("--mail-from", "USHER_MAIL_FROM", "usher@example.com", None),
    ("--mail-dir", "USHER_MAIL_DIR", "mail", None),
    ("--outbound-allow", "USHER_OUTBOUND_ALLOW", "127.0.0.1,10.0.0.0/8", Some("everybody")),
    ("--outbound-ca", "USHER_OUTBOUND_CA", "ca.pem", None),
    ("--calls-per-minute", "USHER_CALLS_PER_MINUTE", "0", Some("-1")),
    ("--invites-per-day", "USHER_INVITES_PER_DAY", "0", Some("many")),
    ("--resends", "USHER_RESENDS", "3/10m,10/d", None),
    ("--approvals", "USHER_APPROVALS", "administrator,bulk", Some("everything")),
    ("--log", "USHER_LOG", "debug", None),
    ("--log-format", "USHER_LOG_FORMAT", "json", Some("xml")),
];

#[tokio::test]
async fn every_flag_has_a_variable_and_stands_before_and_after_the_command() {
    let folder = TempDir::new().expect("a folder");
    let folder = folder.path();
    for (flag, variable, good, bad) in FLAGS {
        for (value, code) in [(Some(good), 0), (bad, 2)] {
            let Some(value) = value else { continue };
            let given = format!("{flag}={value}");
            for arguments in [[given.as_str(), "tools"], ["tools", given.as_str()]] {
                assert_eq!(run(folder, &arguments).await.status.code(), Some(code), "{arguments:?}");
            }
            let output = usher(folder, &["tools"]).env(variable, value).output().await.expect("usher runs");
            assert_eq!(output.status.code(), Some(code), "{variable}={value}");
        }
        let help = stdout(&run(folder, &["token", "create", "--help"]).await);
        assert!(help.contains(flag) && help.contains(variable), "{flag}");
    }
    let by_variable = |value: &str| usher(folder, &["tools"]).env("USHER_JSON", value).output();
    let all =
        [run(folder, &["--json", "tools"]).await, run(folder, &["tools", "--json"]).await, by_variable("1").await.expect("usher runs")];
    assert!(all.iter().all(|output| line(output) == line(&all[0])));
    for off in ["0", "false", ""] {
        assert!(stdout(&by_variable(off).await.expect("usher runs")).lines().count() > 1, "{off:?}: in words");
    }
    let help = stdout(&run(folder, &["token", "create", "--help"]).await);
    assert!(help.contains("USHER_JSON"));
    assert_eq!(std::fs::read_dir(folder).expect("the folder").count(), 0, "printing makes nothing");
}

#[tokio::test]
async fn flags_and_variables_do_the_same() {
    drop(rustls::crypto::ring::default_provider().install_default());
    let settings = [
        ("--data-dir", "USHER_DATA_DIR", "data"),
        ("--database-url", "USHER_DATABASE_URL", "roster.db"),
        ("--key-file", "USHER_KEY_FILE", "root-key"),
        ("--listen", "USHER_LISTEN", "127.0.0.1:0"),
        ("--public-url", "USHER_PUBLIC_URL", "http://localhost:9999/team"),
        ("--mail-dir", "USHER_MAIL_DIR", "letters"),
    ];
    let flags: Vec<&str> = settings.iter().flat_map(|(flag, _, value)| [*flag, *value]).collect();
    for way in 0..3 {
        let folder = TempDir::new().expect("a folder");
        let mut command = usher(folder.path(), &[]);
        match way {
            0 => command.args(&flags).args(["quickstart", "--json"]),
            1 => command.args(["quickstart", "--json"]).args(&flags),
            _ => command.args(["--json", "quickstart"]).envs(settings.map(|(_, variable, value)| (variable, value))),
        };
        let started = Started::with(command).await;
        let said = &started.said;
        assert_eq!(said["public_url"], "http://localhost:9999/team", "{way}");
        assert_eq!(said["mcp_url"], "http://localhost:9999/team/mcp/my-organization");
        assert_eq!((&said["data_dir"], &said["mail_dir"]), (&json!("data"), &json!("letters")));
        for made in ["data", "roster.db", "root-key"] {
            assert!(folder.path().join(made).exists(), "{way}: {made}");
        }
        assert!(!folder.path().join("data/usher.db").exists() && !folder.path().join("data/keys").exists());
        for path in ["", "/", "/team", "/team/"] {
            let page = reqwest::get(format!("http://{}{path}", said["listen"].as_str().expect("listen"))).await.expect("an answer");
            assert_eq!(page.status(), 200, "{path}");
        }
        started.stop().await;
    }
}

#[tokio::test]
async fn secrets_are_read_from_files_and_the_plain_variable_comes_first() {
    let folder = TempDir::new().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("database"), "first.db\n").expect("a file");
    std::fs::write(path("relay"), "smtp://127.0.0.1:1\n").expect("a file");
    let migrate = || usher(folder.path(), &["migrate", "--json"]);
    let output = migrate().env("USHER_DATABASE_URL_FILE", "database").output().await.expect("usher runs");
    assert_eq!(line(&output), json!({"ok": true}));
    assert!(path("first.db").exists());
    let output =
        migrate().env("USHER_DATABASE_URL_FILE", "database").env("USHER_DATABASE_URL", "second.db").output().await.expect("usher runs");
    assert!(output.status.success() && path("second.db").exists());
    let output = migrate().env("USHER_DATABASE_URL_FILE", "absent").output().await.expect("usher runs");
    let said = refusal(&output);
    assert!(said.contains("USHER_DATABASE_URL_FILE") && said.contains("absent"), "{said}");
    // The relay from the file is the one that is asked, and nobody listens there.
    let output = usher(folder.path(), &["doctor", "--json", "--mail-from", "usher@example.com"])
        .env("USHER_DATABASE_URL_FILE", "database")
        .env("USHER_SMTP_URL_FILE", "relay")
        .output()
        .await
        .expect("usher runs");
    assert!(finding(&output, "mail").1.contains("the relay does not answer"), "{}", stdout(&output));
}

#[tokio::test]
async fn an_empty_variable_is_one_that_is_not_set() {
    drop(rustls::crypto::ring::default_provider().install_default());
    let folder = TempDir::new().expect("a folder");
    let mut command = usher(folder.path(), &["quickstart", "--json"]);
    command.envs(FLAGS.map(|(_, variable, _, _)| (variable, ""))).env("USHER_LISTEN", "127.0.0.1:0");
    command.envs([("USHER_DATABASE_URL_FILE", ""), ("USHER_SMTP_URL_FILE", "")]);
    let started = Started::with(command).await;
    let said = started.said.clone();
    assert_eq!(said["public_url"], format!("http://{}", said["listen"].as_str().expect("listen")));
    assert_eq!(said["mail_dir"], "./usher-data/mail");
    assert!(folder.path().join("usher-data/usher.db").exists());
    started.stop().await;
}

#[tokio::test]
async fn what_is_no_address_of_a_database_is_no_file_either() {
    let folder = TempDir::new().expect("a folder");
    for url in ["postgresql:/u@h", "postgres:u@h", "Postgres://u@h/d", "mysql://u@h/d", "", " "] {
        let said = refusal(&run(folder.path(), &["migrate", "--database-url", url]).await);
        assert!(said.contains("--database-url"), "{said}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).expect("the folder").count(), 0);
}

#[tokio::test]
async fn a_start_that_fails_says_what_to_do_and_records_no_public_url() {
    drop(rustls::crypto::ring::default_provider().install_default());
    let folder = TempDir::new().expect("a folder");
    let start = |command: &str, arguments: &[&str]| {
        let mut program = usher(folder.path(), &[command, "--json", "--listen", "127.0.0.1:0"]);
        program.args(arguments);
        program
    };
    let refused = [
        (vec!["--public-url", "http://127.0.0.1:7/mcp"], "https://HOST"),
        (vec!["--public-url", "http://127.0.0.1:7/mcp/my-organization"], "https://HOST"),
        (vec!["--public-url", "http://127.0.0.1:7/:x"], "https://HOST"),
        (vec!["--public-url", "usher.example.com"], "https://HOST"),
        (vec!["--public-url", "http://127.0.0.1:7", "--resends", "often"], "--resends"),
        (vec!["--public-url", "http://127.0.0.1:7", "--smtp-url", "mail.example"], "--smtp-url"),
        (vec!["--public-url", "https://usher.example.com", "--smtp-url", "smtp://127.0.0.1:1"], "--mail-from"),
    ];
    for command in ["quickstart", "serve"] {
        for (arguments, word) in &refused {
            let said = refusal(&start(command, arguments).output().await.expect("usher runs"));
            assert!(said.contains(word), "{said}");
        }
    }
    let said = refusal(
        &start("quickstart", &["--public-url", "http://127.0.0.1:7", "--admin-email", "nobody"]).output().await.expect("usher runs"),
    );
    assert!(said.contains("invalid_argument"), "{said}");
    let started = Started::with(start("quickstart", &[])).await;
    assert_eq!(started.said["public_url"], format!("http://{}", started.said["listen"].as_str().expect("listen")));
    started.stop().await;
}

#[tokio::test]
async fn a_start_that_is_odd_says_so_in_its_log() {
    drop(rustls::crypto::ring::default_provider().install_default());
    for (arguments, word) in
        [(vec!["--public-url", "http://usher.example.com"], "in the clear"), (vec!["--smtp-url", "smtp://127.0.0.1:1"], "--mail-from")]
    {
        let folder = TempDir::new().expect("a folder");
        let mut command = usher(folder.path(), &["quickstart", "--json", "--listen", "127.0.0.1:0"]);
        command.args(&arguments);
        let log = Started::with(command).await.stop().await;
        assert!(log.contains(word), "{log}");
    }
    // An organization without any token is what a quickstart leaves that was killed between the two.
    let folder = TempDir::new().expect("a folder");
    let create = ["org", "create", "--name", "N", "--admin-email", "a@example.com", "--admin-first-name", "A", "--admin-last-name", "B"];
    assert!(run(folder.path(), &create).await.status.success());
    let started = Started::with(usher(folder.path(), &["quickstart", "--json", "--listen", "127.0.0.1:0"])).await;
    assert_eq!(started.said["token"], Value::Null);
    let log = started.stop().await;
    assert!(log.contains("usher token create --org n "), "{log}");
}

#[tokio::test]
async fn quickstart_prints_one_line_with_all_keys_and_the_token_only_once() {
    on_both(async |engine| {
        let (folder, url) = place(engine).await;
        let quickstart = || {
            let mut command = usher(folder.path(), &["quickstart", "--json", "--listen", "127.0.0.1:0", "--org", "Ärzte & Söhne"]);
            command.args(["--admin-email", "Root@Example.com", "--admin-first-name", "Rut", "--admin-last-name", "Root"]);
            command.env("USHER_DATABASE_URL", &url);
            command
        };
        let first = Started::with(quickstart()).await;
        let said = first.said.clone();
        assert_eq!(keys(&said), sorted(KEYS.to_vec()));
        let listen = said["listen"].as_str().expect("listen");
        assert!(listen.starts_with("127.0.0.1:") && !listen.ends_with(":0"), "{listen}");
        assert_eq!(said["public_url"], format!("http://{listen}"));
        let slug = said["org"].as_str().expect("a slug");
        assert!(slug.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'), "{slug}");
        assert_eq!(said["mcp_url"], format!("http://{listen}/mcp/{slug}"));
        assert_eq!(said["admin_email"], "Root@Example.com");
        let sign_in = said["sign_in_url"].as_str().expect("a link");
        assert!(sign_in.starts_with(&format!("http://{listen}/link/")) && sign_in.len() <= 120, "{sign_in}");
        assert_eq!((&said["data_dir"], &said["mail_dir"]), (&json!("./usher-data"), &json!("./usher-data/mail")));
        let token = said["token"].as_str().expect("a token").to_owned();
        let data = folder.path().join("usher-data");
        let mode = |path: &Path| std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
        assert_eq!((mode(&data), mode(&data.join("keys"))), (0o700, 0o600));
        // As soon as the line is printed, requests are answered.
        let health = reqwest::get(format!("http://{listen}/healthz")).await.expect("an answer");
        assert_eq!(health.status(), 200);
        let log = first.stop().await;
        assert!(!log.contains(&token), "{log}");

        let again = Started::with(quickstart()).await;
        assert_eq!((&again.said["token"], &again.said["sign_in_url"], &again.said["org"]), (&Value::Null, &Value::Null, &json!(slug)));
        again.stop().await;
        let mut command = usher(folder.path(), &["serve", "--json", "--listen", "127.0.0.1:0"]);
        command.env("USHER_DATABASE_URL", &url);
        let served = Started::with(command).await;
        assert_eq!(keys(&served.said), sorted(KEYS.to_vec()));
        assert_eq!(
            (&served.said["token"], &served.said["org"], &served.said["admin_email"]),
            (&Value::Null, &json!(slug), &json!("Root@Example.com"))
        );
        served.stop().await;
    })
    .await;
}

#[tokio::test]
async fn of_first_starts_at_once_one_makes_the_organization_and_shows_its_token() {
    on_both(async |engine| {
        let (folder, url) = place(engine).await;
        let quickstart = || {
            let mut command = usher(folder.path(), &["quickstart", "--json", "--listen", "127.0.0.1:0"]);
            command.env("USHER_DATABASE_URL", &url);
            Started::with(command)
        };
        let (a, b, c, d) = tokio::join!(quickstart(), quickstart(), quickstart(), quickstart());
        let all = [a, b, c, d];
        assert!(all.iter().all(|started| started.said["org"] == "my-organization"), "{engine:?}");
        assert_eq!(all.iter().filter(|started| started.said["token"].is_string()).count(), 1, "{engine:?}");
        for started in all {
            started.stop().await;
        }
        let mut list = usher(folder.path(), &["org", "list", "--json"]);
        let listed = line(&list.env("USHER_DATABASE_URL", &url).output().await.expect("usher runs"));
        assert_eq!(listed.as_array().map(Vec::len), Some(1), "{engine:?}: {listed}");
    })
    .await;
}

#[tokio::test]
async fn serve_names_an_organization_only_where_there_is_exactly_one() {
    drop(rustls::crypto::ring::default_provider().install_default());
    let folder = TempDir::new().expect("a folder");
    let serve = || usher(folder.path(), &["serve", "--json", "--listen", "127.0.0.1:0"]);
    let create = |name: &'static str| {
        let arguments = [
            "org",
            "create",
            "--json",
            "--name",
            name,
            "--admin-email",
            "a@example.com",
            "--admin-first-name",
            "A",
            "--admin-last-name",
            "B",
        ];
        async move { arguments }
    };
    for (organizations, named) in [(0, false), (1, true), (2, false)] {
        let started = Started::with(serve()).await;
        let said = &started.said;
        let url = said["mcp_url"].as_str().expect("a URL");
        assert_eq!((said["org"].is_null(), said["admin_email"].is_null()), (!named, !named), "{organizations}");
        assert_eq!(url.ends_with("/mcp"), !named, "{url}");
        started.stop().await;
        let made = line(&run(folder.path(), &create("Same name").await).await);
        assert_eq!(keys(&made), ["admin_email", "org", "user_id"]);
    }
}

#[tokio::test]
async fn postgres_is_migrated_by_its_owner_and_served_as_a_lesser_role() {
    drop(rustls::crypto::ring::default_provider().install_default());
    let folder = TempDir::new().expect("a folder");
    let owner = database::new().await;
    let with = |arguments: &[&str], url: &str| {
        let mut command = usher(folder.path(), arguments);
        command.env("USHER_DATABASE_URL", url);
        command
    };
    let refused = with(&["serve", "--listen", "127.0.0.1:0"], &owner).output().await.expect("usher runs");
    assert!(refusal(&refused).contains("usher migrate"));
    let role = format!("usher_serving_{}", std::process::id());
    let admin = sqlx::PgPool::connect(&owner).await.expect("PostgreSQL answers");
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("CREATE ROLE {role} LOGIN"))).execute(&admin).await.expect("a role");
    let (_, rest) = owner.rsplit_once('@').expect("an address");
    let serving = format!("postgres://{role}@{rest}");
    // What PostgreSQL itself refuses is told as it said it, with what to do.
    let no_owner = refusal(&with(&["migrate"], &serving).output().await.expect("usher runs"));
    assert!(no_owner.contains("permission denied") && no_owner.contains("as the database's owner"), "{no_owner}");
    let no_role = refusal(&with(&["migrate", "--serving-role", "usher_no_such_role"], &owner).output().await.expect("usher runs"));
    assert!(no_role.contains("there is no such role") && no_role.contains("CREATE ROLE"), "{no_role}");
    let (server, _) = rest.rsplit_once('/').expect("a database");
    let no_database = format!("postgres://{role}@{server}/usher_no_such_database");
    let no_database = refusal(&with(&["org", "list"], &no_database).output().await.expect("usher runs"));
    assert!(no_database.contains("create the database first"), "{no_database}");
    let migrated = with(&["migrate", "--json", "--serving-role", &role], &owner).output().await.expect("usher runs");
    assert_eq!(line(&migrated), json!({"ok": true}));
    // The first start makes the key file; before it there is no node to copy one from.
    let doctor = with(&["doctor", "--json"], &serving).output().await.expect("usher runs");
    assert_eq!(finding(&doctor, "keyring").0, json!(true), "{}", stdout(&doctor));

    let started = Started::with(with(&["serve", "--json", "--listen", "127.0.0.1:0"], &serving)).await;
    let new =
        ["org", "create", "--json", "--name", "N", "--admin-email", "a@example.com", "--admin-first-name", "A", "--admin-last-name", "B"];
    let made = line(&with(&new, &serving).output().await.expect("usher runs"));
    let slug = made["org"].as_str().expect("a slug");
    let verdict = line(&with(&["audit", "verify", "--json", "--org", slug], &serving).output().await.expect("usher runs"));
    assert_eq!((&verdict["ok"], &verdict["first_bad"]), (&json!(true), &Value::Null));
    let doctor = with(&["doctor", "--json"], &serving).output().await.expect("usher runs");
    assert_eq!(finding(&doctor, "audit log").0, json!(true), "{}", stdout(&doctor));
    let as_owner = with(&["doctor", "--json"], &owner).output().await.expect("usher runs");
    let (well, says) = finding(&as_owner, "audit log");
    assert!(well == json!(false) && says.contains("--serving-role"), "{says}");
    started.stop().await;
    admin.close().await;
    // Roles outlive their test's database: this one goes with it.
    drop_role(&owner, &role).await;
}

async fn drop_role(url: &str, role: &str) {
    let (base, name) = url.rsplit_once('/').expect("a database");
    let pool = sqlx::PgPool::connect(&format!("{base}/postgres")).await.expect("PostgreSQL answers");
    for sql in [format!("DROP DATABASE {name} WITH (FORCE)"), format!("DROP ROLE {role}")] {
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&pool).await.expect("dropped");
    }
    pool.close().await;
}

#[tokio::test]
async fn the_public_url_is_recorded_once_given_and_derived_until_then() {
    drop(rustls::crypto::ring::default_provider().install_default());
    let folder = TempDir::new().expect("a folder");
    let start = |arguments: &[&str]| {
        let mut command = usher(folder.path(), &["quickstart", "--json", "--listen", "127.0.0.1:0"]);
        command.args(arguments);
        Started::with(command)
    };
    for _ in 0..2 {
        let derived = start(&[]).await;
        assert_eq!(derived.said["public_url"], format!("http://{}", derived.said["listen"].as_str().expect("listen")));
        assert_eq!(derived.stop().await, "");
    }
    let given = start(&["--public-url", "http://127.0.0.1:9999/"]).await;
    assert_eq!(given.said["public_url"], "http://127.0.0.1:9999");
    given.stop().await;
    let kept = start(&[]).await;
    assert_eq!(kept.said["mcp_url"], "http://127.0.0.1:9999/mcp/my-organization");
    let mailed = line(&run(folder.path(), &["mail", "test", "--json", "--to", "ana@example.com"]).await);
    assert_eq!(mailed, json!({"delivery": "folder"}));
    let mails: Vec<_> = std::fs::read_dir(folder.path().join("usher-data/mail")).expect("the mail folder").flatten().collect();
    assert_eq!(mails.len(), 1);
    assert!(std::fs::read_to_string(mails[0].path()).expect("a mail").contains("127.0.0.1:9999"));
    let log = kept.stop().await;
    assert_eq!(log.lines().count(), 1, "one warning: {log}");
    assert!(log.contains("--public-url"), "{log}");
}

/// What `doctor --json` found of one thing.
fn finding(output: &Output, check: &str) -> (Value, String) {
    let said: Value = serde_json::from_slice(&output.stdout).expect("one line of JSON");
    let checks = said["checks"].as_array().expect("checks");
    assert_eq!(said["ok"], json!(checks.iter().all(|check| check["ok"] == true)));
    assert_eq!(output.status.success(), said["ok"] == true);
    let found = checks.iter().find(|found| found["check"] == check).unwrap_or_else(|| panic!("{check}: {said}"));
    (found["ok"].clone(), found["message"].as_str().expect("a message").to_owned())
}

#[tokio::test]
async fn doctor_says_what_to_mend_and_mends_nothing() {
    drop(rustls::crypto::ring::default_provider().install_default());
    let folder = TempDir::new().expect("a folder");
    let folder = folder.path();
    let doctor = |more: &[&str]| {
        let mut arguments = vec!["doctor", "--json"];
        arguments.extend(more);
        let mut command = usher(folder, &arguments);
        async move { command.output().await.expect("usher runs") }
    };
    let assert_ill = |output: &Output, check: &str, word: &str| {
        let (well, says) = finding(output, check);
        assert!(well == json!(false) && says.contains(word), "{check}: {says}");
    };
    let nothing = doctor(&[]).await;
    assert_ill(&nothing, "data folder", "usher quickstart");
    assert_ill(&nothing, "database", "usher quickstart");
    assert_eq!(std::fs::read_dir(folder).expect("the folder").count(), 0);
    assert_ill(&doctor(&["--database-url", "postgres://me:secret@127.0.0.1:1/roster"]).await, "database", "does not answer");

    Started::with(usher(folder, &["quickstart", "--json", "--listen", "127.0.0.1:0"])).await.stop().await;
    let well = doctor(&[]).await;
    assert!(well.status.success(), "{}", stdout(&well));
    for check in ["configuration", "data folder", "database", "keyring", "clock", "audit log", "public URL", "mail"] {
        assert_eq!(finding(&well, check).0, json!(true), "{check}");
    }
    assert!(stdout(&run(folder, &["doctor"]).await).lines().all(|line| line.starts_with("ok    ")));

    assert_ill(&doctor(&["--smtp-url", "smtp://127.0.0.1:1"]).await, "mail", "--mail-from");
    assert_ill(&doctor(&["--smtp-url", "smtp://127.0.0.1:1", "--mail-from", "u@example.com"]).await, "mail", "does not answer");
    assert_ill(&doctor(&["--mail-from", "nobody", "--smtp-url", "smtp://127.0.0.1:1"]).await, "mail", "--mail-from");
    assert_ill(&doctor(&["--public-url", "https://usher.example.com"]).await, "mail", "--smtp-url");
    assert_ill(&doctor(&["--public-url", "http://usher.example.com"]).await, "public URL", "TLS");
    assert_ill(&doctor(&["--public-url", "usher.example.com"]).await, "public URL", "https://");
    assert_ill(&doctor(&["--resends", "often"]).await, "configuration", "--resends");
    std::fs::write(folder.join("usher-data/permissions.json"), "{").expect("a file");
    assert_ill(&doctor(&[]).await, "configuration", "permissions.json");
    std::fs::remove_file(folder.join("usher-data/permissions.json")).expect("removed");

    let keys = folder.join("usher-data/keys");
    let mode = |path: &Path, mode: u32| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("a mode");
    mode(&keys, 0o644);
    assert_ill(&doctor(&[]).await, "keyring", "chmod 600");
    assert!(refusal(&run(folder, &["org", "list"]).await).contains("chmod 600"));
    mode(&keys, 0o600);
    mode(&folder.join("usher-data"), 0o755);
    assert_ill(&doctor(&[]).await, "data folder", "chmod 700");
    mode(&folder.join("usher-data"), 0o700);
    std::fs::write(folder.join("other"), format!("usher-keyring-1\n{}\n", "0".repeat(64))).expect("a file");
    mode(&folder.join("other"), 0o600);
    assert_ill(&doctor(&["--key-file", "other"]).await, "keyring", "another database");
    assert_ill(&doctor(&["--key-file", "absent"]).await, "keyring", "missing");
}

#[tokio::test]
async fn a_command_in_the_wrong_place_says_so_and_makes_nothing() {
    let folder = TempDir::new().expect("a folder");
    let folder = folder.path();
    for arguments in [
        &["org", "list"][..],
        &["user", "list", "--org", "x"],
        &["token", "create", "--org", "x", "--user", "y@example.com"],
        &["audit", "verify", "--org", "x"],
        &["mail", "test", "--to", "y@example.com"],
    ] {
        let said = refusal(&run(folder, arguments).await);
        assert!(said.contains("--data-dir") && said.contains("usher quickstart"), "{said}");
    }
    let said = refusal(&run(folder, &["org", "list", "--database-url", "postgres://me:secret@127.0.0.1:1/roster"]).await);
    assert!(said.contains("127.0.0.1:1") && !said.contains("secret"), "{said}");
    assert_eq!(std::fs::read_dir(folder).expect("the folder").count(), 0);
}

#[tokio::test]
async fn organizations_are_made_renamed_suspended_and_resumed_on_the_host() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        let new = [
            "org",
            "create",
            "--json",
            "--name",
            "My organization",
            "--admin-email",
            "b@example.com",
            "--admin-first-name",
            "B",
            "--admin-last-name",
            "C",
        ];
        let made = server.cli(&new).await;
        assert_eq!(keys(&made), ["admin_email", "org", "user_id"]);
        let slug = made["org"].as_str().expect("a slug");
        assert_ne!(slug, server.org, "slugs are unique, names are not");
        let token = server.cli(&["token", "create", "--json", "--org", slug, "--user", "b@example.com"]).await;
        let token = token["token"].as_str().expect("a token");
        let there = format!("{}/mcp/{slug}", server.address());
        let status = async |url: &str| {
            let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}).to_string();
            server
                .http
                .post(url)
                .bearer_auth(token)
                .header("content-type", "application/json")
                .body(body)
                .send()
                .await
                .expect("an answer")
                .status()
        };
        assert_eq!(status(&there).await, 200);
        assert_eq!(status(&format!("{}/mcp", server.address())).await, 200);
        assert_eq!(status(&server.mcp_url).await, 401, "a token of another organization");
        // Each once, and then it is so already: no change, and no entry.
        let change = async |arguments: &[&str]| {
            let arguments = [&["org"], arguments, &["--json", "--org", slug]].concat();
            let (first, again) = (server.cli(&arguments).await, server.cli(&arguments).await);
            assert_eq!((&first["changed"], &again["changed"]), (&json!(true), &json!(false)), "{arguments:?}");
        };
        change(&["suspend"]).await;
        assert_eq!(status(&there).await, 401);
        let mut command = usher(server.data_dir.path(), &["token", "create", "--org", slug, "--user", "b@example.com"]);
        command.env("USHER_DATA_DIR", server.data_dir.path()).envs(server.database_url().map(|url| ("USHER_DATABASE_URL", url)));
        let said = refusal(&command.output().await.expect("usher runs"));
        assert!(said.contains("conflict") && said.contains("usher org resume"), "{said}");
        change(&["resume"]).await;
        assert_eq!(status(&there).await, 200);
        change(&["rename", "--name", "Renamed"]).await;
        let verdict = server.cli(&["audit", "verify", "--json", "--org", slug]).await;
        assert_eq!(verdict["entries"], 5, "made, a token, and three changes");
        let all = server.cli(&["org", "list", "--json"]).await;
        assert_eq!(
            all[1],
            json!({"org": slug, "name": "Renamed", "people": 1, "suspended": false, "invite_domains": [], "other_domains": "warn",
                "second_factor": "nobody", "sso_required": false, "magic_links": true, "most_administrators": null, "most_token_days": 365})
        );
        assert_eq!(status(&there).await, 200, "the slug stays");
    })
    .await;
}

#[tokio::test]
async fn people_are_recovered_on_the_host_and_the_log_names_the_command_line() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        server.member("ana@example.com", &[]).await;
        server.ok("deactivate_user", json!({"user": "ana@example.com"})).await;
        let of = ["--json", "--org", &server.org, "--user", "ana@example.com"];
        let command = |words: [&'static str; 2]| [&words[..], &of[..]].concat();
        let back = server.cli(&command(["user", "reactivate"])).await;
        assert_eq!(back["user"]["status"], "active");
        let promoted = server.cli(&command(["user", "promote"])).await;
        assert_eq!(promoted["user"]["role"], "Administrator");
        for (word, said) in [("promote", "They were an Administrator before."), ("reactivate", "They were not deactivated.")] {
            let mut again = usher(server.data_dir.path(), &["user", word]);
            again.args(&of[1..]).env("USHER_DATA_DIR", server.data_dir.path());
            again.envs(server.database_url().map(|url| ("USHER_DATABASE_URL", url)));
            assert_eq!(stdout(&again.output().await.expect("usher runs")).trim_end(), said);
        }
        let all = server.cli(&["user", "list", "--json", "--org", &server.org]).await;
        let emails: Vec<_> = all.as_array().expect("people").iter().map(|user| user["email"].as_str().expect("an email")).collect();
        assert_eq!(emails, ["ana@example.com", "admin@example.com"]);
        let events = server.ok("list_audit_events", json!({"surface": "cli", "limit": 2})).await;
        for event in events["events"].as_array().expect("events") {
            assert_eq!((&event["actor"]["kind"], &event["surface"]), (&json!("cli"), &json!("cli")), "{event}");
        }
        assert_eq!(events["events"].as_array().map(Vec::len), Some(2));
    })
    .await;
}

#[tokio::test]
async fn tokens_are_made_shown_once_bounded_and_revoked() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        let org = server.org.clone();
        let on = async |arguments: &[&str]| {
            let mut command = usher(server.data_dir.path(), arguments);
            command.args(["--org", &org]).env("USHER_DATA_DIR", server.data_dir.path());
            if let Some(url) = server.database_url() {
                command.env("USHER_DATABASE_URL", url);
            }
            command.output().await.expect("usher runs")
        };
        let create = ["token", "create", "--user", "admin@example.com"];
        let plain = on(&create).await;
        let token = stdout(&plain).trim_end().to_owned();
        assert!(token.starts_with("usher_pat_") && !token.contains(char::is_whitespace), "the token and nothing else");
        assert_eq!(server.call(&token, "whoami", json!({})).await.status, 200);

        let made = line(&on(&[&create[..], &["--json", "--label", "nightly", "--read-only", "--expires-in-days", "365"]].concat()).await);
        assert_eq!(keys(&made), ["expires_at", "id", "token"]);
        let reading = made["token"].as_str().expect("a token");
        let me = server.call(reading, "whoami", json!({})).await.structured();
        assert_eq!((&me["credential"]["label"], &me["credential"]["scopes"]), (&json!("nightly"), &json!(["read"])));
        assert_eq!(me["credential"]["expires_at"], made["expires_at"]);
        let refused = server.call(reading, "deactivate_user", json!({"user": "admin@example.com"})).await.error();
        assert_eq!((&refused["code"], &refused["details"]["scope"]), (&json!("permission_denied"), &json!("write")));
        for days in ["366", "0"] {
            assert!(refusal(&on(&[&create[..], &["--expires-in-days", days]].concat()).await).contains("365"), "{days}");
        }

        server.ok("invite_user", json!({"email": "bo@example.com", "first_name": "Bo", "last_name": "Li"})).await;
        let pending = on(&["token", "create", "--user", "bo@example.com"]).await;
        assert!(refusal(&pending).contains("can have a token (conflict). Let them accept"), "{}", stderr(&pending));
        let link = server.link_to("bo@example.com").await;
        assert_eq!(server.accept(&link, "Bo", "Li", PASSWORD).await.status(), 200);
        server.ok("deactivate_user", json!({"user": "bo@example.com"})).await;
        assert!(refusal(&on(&["token", "create", "--user", "bo@example.com"]).await).contains("conflict"));
        for command in [["token", "create", "--user", "nobody@example.com"], ["token", "list", "--user", "nobody@example.com"]] {
            let said = refusal(&on(&command).await);
            assert!(said.contains("user_not_found") && said.contains("usher user list"), "{said}");
        }
        // Here there are commands and no tools.
        let said = refusal(&on(&["token", "list", "--user", "bogus"]).await);
        assert!(said.contains("invalid_argument") && said.contains("usher user list") && !said.contains("list_users"), "{said}");
        let said = refusal(&on(&["sign-in-link", "--user", "bo@example.com"]).await);
        assert!(said.trim_end().ends_with("Only an Active person can sign in (conflict)"), "{said}");

        let listed = line(&on(&["token", "list", "--json", "--user", "admin@example.com"]).await);
        assert_eq!(listed.as_array().map(Vec::len), Some(3), "quickstart's and these two");
        let id = listed[0]["user_id"].as_str().expect("an id").to_uppercase();
        for spelling in [" Admin@EXAMPLE.com", &id] {
            assert_eq!(line(&on(&["token", "list", "--json", "--user", spelling]).await), listed, "{spelling}");
        }
        assert!(!listed.to_string().contains("usher_pat_"), "a token is shown once");
        let id = made["id"].as_str().expect("an id");
        assert_eq!(line(&on(&["token", "revoke", "--json", "--id", id]).await), json!({"id": id, "changed": true}));
        assert_eq!(server.call(reading, "whoami", json!({})).await.status, 401);
        assert_eq!(line(&on(&["token", "revoke", "--json", "--id", id]).await)["changed"], false);
    })
    .await;
}

#[tokio::test]
async fn audit_verify_answers_one_line_and_its_exit_code_says_whether_all_is_well() {
    on_both(async |engine| {
        let server = Server::quickstart(engine).await;
        let verify = async |more: &[&str]| {
            let mut command = usher(server.data_dir.path(), &["audit", "verify", "--org", &server.org]);
            command.args(more).env("USHER_DATA_DIR", server.data_dir.path());
            if let Some(url) = server.database_url() {
                command.env("USHER_DATABASE_URL", url);
            }
            command.output().await.expect("usher runs")
        };
        let whole = line(&verify(&["--json"]).await);
        assert_eq!(keys(&whole), sorted(vec!["ok", "entries", "head", "first_bad"]));
        assert_eq!((&whole["ok"], &whole["first_bad"]), (&json!(true), &Value::Null));
        assert!(server.tamper("DELETE FROM audit_values WHERE seq = 1").await);
        let broken = verify(&["--json"]).await;
        assert_eq!(broken.status.code(), Some(1));
        let said: Value = serde_json::from_slice(&broken.stdout).expect("JSON");
        assert_eq!((&said["ok"], &said["first_bad"]), (&json!(false), &json!(1)));
        assert!(stdout(&verify(&[]).await).starts_with("Broken at entry 1 "));
    })
    .await;
}

#[tokio::test]
async fn tools_prints_the_contract() {
    let folder = TempDir::new().expect("a folder");
    let said = line(&run(folder.path(), &["tools", "--json"]).await);
    assert_eq!(said, serde_json::to_value(usher_tools::catalogue()).expect("JSON"));
    let words = stdout(&run(folder.path(), &["tools"]).await);
    assert_eq!(words.lines().count(), usher_tools::catalogue().len());
}

#[tokio::test]
async fn logs_go_to_stderr_as_text_or_json_and_without_colours() {
    drop(rustls::crypto::ring::default_provider().install_default());
    for format in ["text", "json"] {
        let folder = TempDir::new().expect("a folder");
        let options = ["--public-url", "http://127.0.0.1:9", "--log-format", format];
        let mut command = usher(folder.path(), &["quickstart", "--json", "--listen", "127.0.0.1:0"]);
        command.args(options);
        let log = Started::with(command).await.stop().await;
        assert!(!log.is_empty() && !log.contains('\u{1b}'), "{log}");
        for line in log.lines() {
            assert_eq!(serde_json::from_str::<Value>(line).is_ok(), format == "json", "{line}");
        }
    }
}

#[tokio::test]
async fn a_server_without_a_way_for_mail_says_so_and_refuses_to_invite() {
    on_both(async |engine| {
        let options = Options::arguments(&["--public-url", "https://usher.example.com"]);
        let server = Server::quickstart_with(engine, &options).await;
        let refused = server.refused("invite_user", json!({"email": "a@example.com", "first_name": "A", "last_name": "B"})).await;
        assert_eq!(refused["code"], "mail_unavailable");
        assert_eq!(server.ok("list_users", json!({"status": "pending"})).await["total"], 0);
    })
    .await;
}

#[tokio::test]
async fn a_result_that_cannot_be_written_is_a_failure_that_says_so() {
    let server = Server::quickstart(Engine::Sqlite).await;
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("a device that takes nothing");
    let mut command = usher(server.data_dir.path(), &["token", "create", "--user", "admin@example.com", "--org", &server.org]);
    let child = command.env("USHER_DATA_DIR", server.data_dir.path()).stdout(full).stderr(Stdio::piped()).spawn().expect("usher starts");
    let output = child.wait_with_output().await.expect("it ends");
    assert!(refusal(&output).contains("cannot be written"), "a token that is shown once must not be lost without a word");
}

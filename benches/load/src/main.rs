//! Measures a built `usher` over real HTTP, beside a server that does nothing, and prints what came of it as tables.
//!
//! ```text
//! usher-load all --usher PATH [--postgres URL] [--peer NAME=PID@URL]… [--quick]
//! usher-load call --url URL --tool NAME [--arguments JSON] [--connections N] [--seconds S] [--rate R] [--pid PID]
//! usher-load noop BYTES
//! ```
//!
//! `benches/run` builds everything and runs `all`. `call` measures any MCP server; its token comes from `USHER_TOKEN`.

#![expect(clippy::disallowed_methods, reason = "what is measured is the machine's own time")]

mod http;
mod measure;
mod noop;
mod report;
mod scenarios;
mod server;

use http::Target;
use measure::{Load, Model, run};
use std::{
    io::{Error, Result, Write},
    process::ExitCode,
    time::Duration,
};

/// What was asked for on the command line.
#[derive(Debug, Default)]
struct Arguments(Vec<(String, String)>);

impl Arguments {
    fn parse(words: impl Iterator<Item = String>) -> Result<Self> {
        let mut words = words.peekable();
        let mut all = Vec::new();
        while let Some(word) = words.next() {
            let name = word.strip_prefix("--").ok_or_else(|| Error::other(format!("what is {word}?")))?;
            let value = words.next_if(|next| !next.starts_with("--")).unwrap_or_default();
            all.push((name.to_owned(), value));
        }
        Ok(Self(all))
    }

    fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.all(name).last()
    }

    fn number<T: std::str::FromStr>(&self, name: &str, otherwise: T) -> Result<T> {
        self.get(name).map_or(Ok(otherwise), |text| text.parse().map_err(|_| Error::other(format!("--{name} takes a number"))))
    }

    fn needed(&self, name: &str) -> Result<&str> {
        self.get(name).ok_or_else(|| Error::other(format!("--{name} is missing")))
    }
}

async fn call(arguments: &Arguments) -> Result<()> {
    let token = std::env::var("USHER_TOKEN").unwrap_or_default();
    let target = Target::new(arguments.needed("url")?, &token)?;
    let model = Model::new(arguments.needed("tool")?, arguments.get("arguments").unwrap_or("{}"));
    let load = Load {
        connections: arguments.number("connections", 16)?,
        time: Duration::from_secs(arguments.number("seconds", 5)?),
        rate: arguments.number("rate", 0)?,
    };
    let outcome = run(&target, &model, load, arguments.number("pid", 0)?).await?;
    writeln!(std::io::stdout(), "{outcome:?}")
}

#[tokio::main(flavor = "current_thread")]
async fn driver(command: &str, words: impl Iterator<Item = String>) -> Result<()> {
    let arguments = Arguments::parse(words)?;
    match command {
        "all" => report::all(&arguments).await,
        "call" => call(&arguments).await,
        _ => Err(Error::other("usage: usher-load all|call|noop …")),
    }
}

#[tokio::main]
async fn floor(bytes: &str) -> Result<()> {
    noop::serve(bytes.parse().map_err(|_| Error::other("noop takes a number of bytes"))?).await
}

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let command = words.next().unwrap_or_default();
    let outcome = match command.as_str() {
        "noop" => floor(&words.next().unwrap_or_default()),
        _ => driver(&command, words),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            drop(writeln!(std::io::stderr(), "usher-load: {error}"));
            ExitCode::FAILURE
        }
    }
}

//! Takes somebody on, as a program would: invites them, waits until they have joined, then asks what they may do.
//!
//! ```text
//! export USHER_URL=http://127.0.0.1:8080/mcp/my-organization USHER_TOKEN=usher_pat_…
//! cargo run --example onboard -- ana@example.com Ana Ruiz Support users:read
//! ```
//!
//! Names, arguments and results come from `usher-tools`, so a tool that is renamed or an argument that is left out does
//! not compile. The connection is the Rust MCP SDK's own.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for the terminal")]

use rmcp::{
    RoleClient, ServiceExt,
    model::CallToolRequestParams,
    service::RunningService,
    transport::{StreamableHttpClientTransport, streamable_http_client::StreamableHttpClientTransportConfig},
};
use serde::Serialize;
use std::{error::Error, process::ExitCode, time::Duration};
use usher_tools::{
    CheckMembership, CheckMembershipParams, ErrorBody, ErrorCode, InviteUser, InviteUserParams, MembershipStatus, ResendInvite,
    ResendInviteParams, Tool,
};

/// How often to ask whether somebody has joined: far below any limit, and nobody types a password faster.
const EVERY: Duration = Duration::from_secs(1);

/// A connected client.
struct Usher(RunningService<RoleClient, ()>);

impl Usher {
    /// Connects to an organization's MCP URL with a personal token.
    async fn connect(url: String, token: String) -> Result<Self, Box<dyn Error>> {
        let config = StreamableHttpClientTransportConfig::with_uri(url).auth_header(token);
        Ok(Self(().serve(StreamableHttpClientTransport::from_config(config)).await?))
    }

    /// Calls a tool. A refusal comes back as the body that says what is wrong and what to do about it.
    async fn call<T: Tool>(&self, params: &T::Params) -> Result<Result<T::Output, ErrorBody>, Box<dyn Error>>
    where
        T::Params: Serialize,
    {
        let serde_json::Value::Object(arguments) = serde_json::to_value(params)? else {
            return Err("a tool's arguments are one object".into());
        };
        let result = self.0.call_tool(CallToolRequestParams::new(T::NAME).with_arguments(arguments)).await?;
        // A refusal carries its body as text only, a result both as text and as structured content.
        Ok(if result.is_error == Some(true) { Err(result.into_typed()?) } else { Ok(result.into_typed()?) })
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    drop(rustls::crypto::ring::default_provider().install_default());
    match onboard().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("onboard: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn onboard() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(email), Some(first_name), Some(last_name)) = (arguments.next(), arguments.next(), arguments.next()) else {
        return Err("usage: onboard EMAIL FIRST_NAME LAST_NAME [ACCESS_GROUP [PERMISSION]]".into());
    };
    let (access_group, permission) = (arguments.next(), arguments.next());
    let variable = |name: &str| std::env::var(name).map_err(|_| format!("set {name}"));
    let usher = Usher::connect(variable("USHER_URL")?, variable("USHER_TOKEN")?).await?;

    let invite = InviteUserParams {
        email: email.clone(),
        first_name,
        last_name,
        access_groups: access_group.into_iter().collect(),
        ..InviteUserParams::default()
    };
    match usher.call::<InviteUser>(&invite).await? {
        Ok(invited) => {
            println!("{} is {}; the mail is {}", invited.user.email, invited.user.status, invited.delivery.map_or("sent", |d| d.as_str()));
        }
        // Invited before, perhaps by a run of this program whose answer got lost: a new link does no harm.
        Err(refused) if refused.code == ErrorCode::EmailAlreadyInUse => {
            println!("{}", refused.message);
            match usher.call::<ResendInvite>(&ResendInviteParams { user: email.clone(), ..ResendInviteParams::default() }).await? {
                Ok(_) => println!("a new link is on its way"),
                Err(refused) if refused.code == ErrorCode::InviteNotPending => {}
                Err(refused) => return Err(refused.into()),
            }
        }
        Err(refused) => return Err(refused.into()),
    }

    let question = CheckMembershipParams { user: email.clone(), permission };
    let member = loop {
        let answer = usher.call::<CheckMembership>(&question).await??;
        match answer.status {
            MembershipStatus::Active => break answer,
            MembershipStatus::Pending => tokio::time::sleep(EVERY).await,
            MembershipStatus::Deactivated | MembershipStatus::None => return Err(format!("{email} is {} now", answer.status).into()),
        }
    };
    println!("{email} has joined as {}", member.role.map_or("nobody", |role| role.as_str()));
    if let (Some(permission), Some(allowed)) = (question.permission, member.allowed) {
        println!("{permission}: {}", if allowed { "yes" } else { "no" });
    }
    Ok(())
}

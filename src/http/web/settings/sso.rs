//! Identity providers in the browser: connecting one, another registration, ending it, and whether there is another way in.

use super::{carried, for_deciding, framed, just, may_look, may_try, trouble, trouble_or_conflict};
use crate::{
    app::SharedApp,
    authn::sso::{GOOGLE, Issuer, Secret},
    authz::{
        Action as _,
        sso::{ChangeProvider, ConnectProvider, RemoveProvider, RequireSso},
    },
    domain::Invalid,
    error::Error,
    http::web::{
        done::{self, Done, go_and_say},
        fault, page,
        signed_in::{Bare, Drawn, Fields, Try, Typed},
        views::{
            Fault,
            settings::{Connected, NewProvider, ProviderPage, RemoveProviderPage, Section, SsoPage, Top, Trouble},
            when::When,
        },
        visitor::Visitor,
    },
    service::{
        retrying,
        sso::{self, Failed, NewConnection},
    },
    store::sso::Connection,
};
use axum::{
    extract::{Path, State, rejection::PathRejection},
    http::HeaderMap,
    response::Response,
};

/// What is not done while single sign-on rests on it.
const END_FIRST: &str = "End the requirement first; it can be set again later.";

fn shown(app: &SharedApp, visitor: &Visitor, connection: &Connection) -> Connected {
    Connected {
        id: connection.id.to_string(),
        name: connection.name.clone(),
        issuer: connection.issuer.clone(),
        tenants: connection.tenants.clone().unwrap_or_default(),
        client_id: connection.client_id.clone(),
        trusts_unverified_email: connection.trusts_unverified_email,
        redirect_uri: sso::redirect_uri(app, &visitor.now.slug, &connection.issuer),
        since: When::new(connection.created_at, app.clock.now()),
    }
}

/// Why a provider, or a rule, stood in the way, where that can be mended on the page; else the answer.
fn mendable(app: &SharedApp, tried: &Try<'_>, failed: &Failed) -> Result<Trouble, Box<Response>> {
    match failed {
        Failed::Provider(fault) => {
            let message = format!("Nothing was saved, for the provider was asked first: {fault}.");
            Ok(Trouble { field: "form", message, conflict: false })
        }
        Failed::Ours(error) => match trouble(error) {
            Some(trouble) => {
                tried.note(app, error);
                Ok(trouble)
            }
            None => Err(Box::new(tried.refused(app, error))),
        },
    }
}

// ---- all of them ----

/// The forms of that page. The secret is read apart, and never kept.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
pub struct SsoForm {
    #[serde(rename = "as")]
    drawn_for: String,
    #[serde(rename = "do")]
    act: String,
    #[serde(flatten)]
    typed: NewProvider,
    client_secret: String,
}

impl Fields for SsoForm {
    fn drawn_for(&self) -> &str {
        &self.drawn_for
    }

    fn typed(&self) -> Typed {
        let typed = &self.typed;
        // Without one it is the form that asks for nothing but the requirement.
        let provider = match typed.preset.as_str() {
            "" => "",
            "microsoft" => "Microsoft",
            "other" => "Any other OpenID Connect provider",
            _ => "Google",
        };
        let unverified = if typed.trust_unverified_email.is_some() { "count" } else { "" };
        vec![
            ("Provider", provider.to_owned()),
            ("Issuer", typed.issuer.clone()),
            ("Directory (tenant) ID", typed.tenants.clone()),
            ("Client ID", typed.client_id.clone()),
            ("Name", typed.name.clone()),
            ("Unverified addresses", unverified.to_owned()),
        ]
    }
}

impl std::fmt::Debug for SsoForm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SsoForm").field("act", &self.act).finish_non_exhaustive()
    }
}

/// The issuer that was typed, and what its button usually says.
fn issuer(typed: &NewProvider) -> Result<(Issuer, &'static str), Invalid> {
    let tenants: Vec<String> = typed.tenants.split(',').map(str::trim).filter(|tenant| !tenant.is_empty()).map(str::to_owned).collect();
    match typed.preset.as_str() {
        "microsoft" => {
            let issuer = match tenants.as_slice() {
                [one] => Issuer::microsoft(one, &[]),
                several => Issuer::microsoft("organizations", several),
            };
            Ok((issuer.map_err(|invalid| Invalid { field: "tenants", ..invalid })?, "Microsoft"))
        }
        "other" => Ok((Issuer::parse(&typed.issuer, &tenants)?, "single sign-on")),
        _ => Ok((Issuer::parse(GOOGLE, &[])?, "Google")),
    }
}

async fn draw(
    app: &SharedApp,
    visitor: &Visitor,
    (typed, address): (&NewProvider, Option<&str>),
    just: Option<Done>,
    trouble: Option<&Trouble>,
) -> Response {
    let tried = Try::to_look(app, visitor);
    let (connections, outlook) = match (sso::connections(app, &tried.call).await, sso::outlook(app, &tried.call).await) {
        (Ok(connections), Ok(outlook)) => (connections, outlook),
        (Err(error), _) | (_, Err(error)) => return tried.refused(app, &error),
    };
    let connections: Vec<_> = connections.iter().map(|connection| shown(app, visitor, connection)).collect();
    let view = SsoPage {
        frame: &framed(app, visitor),
        top: Top { here: Section::Sso, said: just.map(Done::sentence), trouble },
        save: for_deciding(app, visitor),
        connections: &connections,
        required: visitor.now.settings.sso_required,
        proven: outlook.footing.proven,
        break_glass: outlook.footing.break_glass,
        not_linked: outlook.not_linked,
        first: &outlook.first,
        typed,
        address,
    };
    done::said(app, page(app, &view), just)
}

/// `GET /settings/sso`.
pub async fn list(State(app): State<SharedApp>, visitor: Visitor, headers: HeaderMap) -> Response {
    match may_look(&app, &visitor) {
        Ok(()) => draw(&app, &visitor, (&NewProvider::default(), None), just(&app, &headers), None).await,
        Err(response) => response,
    }
}

/// `POST /settings/sso`.
pub async fn act(State(app): State<SharedApp>, mut drawn: Drawn<SsoForm>) -> Response {
    let secret = Secret::new(std::mem::take(&mut drawn.form.client_secret));
    match drawn.form.act.as_str() {
        "require" => require(&app, &drawn, true).await,
        "open" => require(&app, &drawn, false).await,
        "address" => address(&app, &drawn.visitor, &drawn.form.typed).await,
        _ => connect(&app, &drawn, secret).await,
    }
}

/// What must be registered at the provider that was typed; it changes nothing.
async fn address(app: &SharedApp, visitor: &Visitor, typed: &NewProvider) -> Response {
    if let Err(response) = may_try::<ConnectProvider>(app, &Try::to_look(app, visitor)) {
        return response;
    }
    match issuer(typed) {
        Ok((issuer, _)) => {
            let address = sso::redirect_uri(app, &visitor.now.slug, issuer.as_str());
            draw(app, visitor, (typed, Some(&address)), None, None).await
        }
        Err(invalid) => draw(app, visitor, (typed, None), None, trouble(&invalid.into()).as_ref()).await,
    }
}

async fn connect(app: &SharedApp, drawn: &Drawn<SsoForm>, client_secret: Secret) -> Response {
    let (visitor, typed) = (&drawn.visitor, &drawn.form.typed);
    let tried = drawn.tries(app, ConnectProvider::NAME, None);
    if let Err(response) = may_try::<ConnectProvider>(app, &tried) {
        return response;
    }
    let connected = match issuer(typed) {
        Ok((issuer, usual)) => {
            let new = NewConnection {
                name: if typed.name.trim().is_empty() { usual.to_owned() } else { typed.name.clone() },
                issuer,
                client_id: typed.client_id.trim().to_owned(),
                client_secret,
                trusts_unverified_email: typed.trust_unverified_email.is_some(),
            };
            sso::connect(app, &tried.call, &new, Some(visitor.now.proved_at)).await
        }
        Err(invalid) => Err(Failed::Ours(invalid.into())),
    };
    match connected {
        Ok(id) => go_and_say(app, &format!("{}/{id}", Section::Sso.path()), Done::ProviderConnected),
        Err(error) => match mendable(app, &tried, &error) {
            Ok(trouble) => draw(app, visitor, (typed, None), None, Some(&trouble)).await,
            Err(response) => *response,
        },
    }
}

async fn require(app: &SharedApp, drawn: &Drawn<SsoForm>, required: bool) -> Response {
    let visitor = &drawn.visitor;
    let tried = drawn.tries(app, RequireSso::NAME, None);
    match retrying(|| sso::require(app, &tried.call, required, Some(visitor.now.proved_at))).await {
        Ok(_) => go_and_say(app, Section::Sso.path(), if required { Done::SsoRequired } else { Done::SsoOpen }),
        Err(error) => match mendable(app, &tried, &Failed::Ours(error)) {
            Ok(trouble) => draw(app, visitor, (&NewProvider::default(), None), None, Some(&trouble)).await,
            Err(response) => *response,
        },
    }
}

// ---- one of them ----

type Segment = Result<Path<String>, PathRejection>;

fn id_of(segment: &Segment) -> &str {
    segment.as_ref().map_or("", |Path(id)| id)
}

/// The connection that an address names, and how many there are, for whoever sees settings; else the answer.
async fn named(app: &SharedApp, visitor: &Visitor, segment: &Segment) -> Result<(Connection, usize), Response> {
    let tried = Try::to_look(app, visitor);
    let all = sso::connections(app, &tried.call).await.map_err(|error| tried.refused(app, &error))?;
    let (count, id) = (all.len(), id_of(segment));
    let found = all.into_iter().find(|connection| connection.id.to_string() == id);
    found.map(|connection| (connection, count)).ok_or_else(|| fault(app, Fault::NotFound))
}

/// The forms of that page.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
pub struct ProviderForm {
    #[serde(rename = "as")]
    drawn_for: String,
    #[serde(rename = "do")]
    act: String,
    seen: String,
    client_id: String,
    client_secret: String,
}

impl Fields for ProviderForm {
    fn drawn_for(&self) -> &str {
        &self.drawn_for
    }

    fn typed(&self) -> Typed {
        vec![("Client ID", self.client_id.clone())]
    }
}

impl std::fmt::Debug for ProviderForm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProviderForm").field("act", &self.act).finish_non_exhaustive()
    }
}

fn draw_one(
    app: &SharedApp,
    visitor: &Visitor,
    connection: &Connection,
    typed: Option<&ProviderForm>,
    just: Option<Done>,
    trouble: Option<&Trouble>,
) -> Response {
    let view = ProviderPage {
        frame: &framed(app, visitor),
        top: Top { here: Section::Sso, said: just.map(Done::sentence), trouble },
        save: for_deciding(app, visitor),
        connection: &shown(app, visitor, connection),
        seen: &carried(typed.map(|typed| typed.seen.as_str()), &connection.registration(), trouble),
        client_id: typed.map_or(&connection.client_id, |typed| &typed.client_id),
        required: visitor.now.settings.sso_required,
    };
    done::said(app, page(app, &view), just)
}

/// `GET /settings/sso/{id}`.
pub async fn look(State(app): State<SharedApp>, visitor: Visitor, segment: Segment, headers: HeaderMap) -> Response {
    match named(&app, &visitor, &segment).await {
        Ok((connection, _)) => draw_one(&app, &visitor, &connection, None, just(&app, &headers), None),
        Err(response) => response,
    }
}

/// `POST /settings/sso/{id}`: asks the provider whether it is there, or puts another registration in place.
pub async fn change(State(app): State<SharedApp>, segment: Segment, mut drawn: Drawn<ProviderForm>) -> Response {
    let secret = Secret::new(std::mem::take(&mut drawn.form.client_secret));
    let (visitor, sent) = (&drawn.visitor, &drawn.form);
    let tests = sent.act == "test";
    // Whoever asks a provider whether it is there changes nothing.
    let tried = if tests { Try::to_look(&app, visitor) } else { drawn.tries(&app, ChangeProvider::NAME, None) };
    if let Err(response) = may_try::<ChangeProvider>(&app, &tried) {
        return response;
    }
    let (connection, _) = match named(&app, visitor, &segment).await {
        Ok(named) => named,
        Err(response) => return response,
    };
    let id = connection.id.to_string();
    let (typed, result) = if tests {
        (None, sso::test(&app, &tried.call, Some(&id)).await.map(|_| Done::ProviderAnswers))
    } else {
        let registration = (sent.client_id.trim(), &secret);
        let changed = sso::relink(&app, &tried.call, Some(&id), registration, Some(&sent.seen), Some(visitor.now.proved_at)).await;
        (Some(sent), changed.map(|_| Done::ProviderChanged))
    };
    let again = |trouble: &Trouble| draw_one(&app, visitor, &connection, typed, None, Some(trouble));
    match result {
        Ok(done) => go_and_say(&app, &format!("{}/{id}", Section::Sso.path()), done),
        Err(Failed::Ours(error @ Error::Conflict(_))) => {
            tried.note(&app, &error);
            match trouble_or_conflict(
                &error,
                &format!("The client ID is “{}” now. Type the secret again and save, to put yours in its place.", connection.client_id),
            ) {
                Some(trouble) => again(&trouble),
                None => tried.refused(&app, &error),
            }
        }
        Err(error) => match mendable(&app, &tried, &error) {
            Ok(trouble) => again(&Trouble { message: with_way_out(&error, trouble.message), ..trouble }),
            Err(response) => *response,
        },
    }
}

/// What single sign-on rests on has a way out of its own here.
fn with_way_out(failed: &Failed, message: String) -> String {
    match failed {
        Failed::Ours(Error::Clash { .. }) => format!("{message} {END_FIRST}"),
        Failed::Ours(_) | Failed::Provider(_) => message,
    }
}

fn draw_removal(app: &SharedApp, visitor: &Visitor, (connection, count): &(Connection, usize), trouble: Option<&Trouble>) -> Response {
    let view = RemoveProviderPage {
        frame: &framed(app, visitor),
        top: Top { here: Section::Sso, said: None, trouble },
        connection: &shown(app, visitor, connection),
        last: *count == 1,
        required: visitor.now.settings.sso_required,
    };
    page(app, &view)
}

/// `GET /settings/sso/{id}/remove`: what would end.
pub async fn ask_removal(State(app): State<SharedApp>, visitor: Visitor, segment: Segment) -> Response {
    if let Err(response) = may_try::<RemoveProvider>(&app, &Try::to_look(&app, &visitor)) {
        return response;
    }
    match named(&app, &visitor, &segment).await {
        Ok(named) => draw_removal(&app, &visitor, &named, None),
        Err(response) => response,
    }
}

/// `POST /settings/sso/{id}/remove`.
pub async fn remove(State(app): State<SharedApp>, segment: Segment, drawn: Drawn<Bare>) -> Response {
    let visitor = &drawn.visitor;
    let tried = drawn.tries(&app, RemoveProvider::NAME, None);
    // Asked for first, for a second click finds the connection gone, and is no mistake.
    let error = match retrying(|| sso::remove(&app, &tried.call, Some(id_of(&segment)), Some(visitor.now.proved_at))).await {
        Ok(_) => return go_and_say(&app, Section::Sso.path(), Done::ProviderRemoved),
        Err(error) => Failed::Ours(error),
    };
    match mendable(&app, &tried, &error) {
        Ok(Trouble { message, .. }) => match named(&app, visitor, &segment).await {
            Ok(named) => {
                let trouble = Trouble { field: "remove", message: with_way_out(&error, message), conflict: false };
                draw_removal(&app, visitor, &named, Some(&trouble))
            }
            Err(response) => response,
        },
        Err(response) => *response,
    }
}

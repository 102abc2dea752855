//! The roster as people look at it: sorted, page by page in both directions, and as a file to take away.

use super::{About, Call, Done, Writing, parse, view};
use crate::{
    app::App,
    authz::{
        self,
        action::{ExportUsers, GroupFacts},
    },
    domain::{Role, Status},
    error::Error,
    store::{
        groups,
        people::{
            self, Counts,
            roster::{self, Mark, Sort, Unseen, Wanted},
        },
    },
};
use usher_tools as contract;

/// What a roster is narrowed to, and its order.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Search text; empty is none.
    pub query: &'a str,
    /// Only this status.
    pub status: Option<Status>,
    /// Only this role.
    pub role: Option<Role>,
    /// Only members of this group: an id or a name.
    pub access_group: Option<&'a str>,
    /// Only who was not seen for so long.
    pub unseen: Option<Unseen>,
    /// The order.
    pub sort: Sort,
}

/// A page of the roster.
#[derive(Debug)]
pub struct Page {
    /// Its people in their order.
    pub users: Vec<contract::User>,
    /// How many stand before them.
    pub at: u64,
    /// How many there are in all.
    pub total: u64,
    /// Whether `total` is all, or where counting stopped.
    pub total_is_exact: bool,
    /// The sealed cursor of the page before, if there is one.
    pub previous: Option<String>,
    /// The sealed cursor of the next page, if there is one.
    pub next: Option<String>,
}

impl Asked<'_> {
    async fn group(&self, app: &App, call: &Call) -> Result<Option<GroupFacts>, Error> {
        let Some(name) = self.access_group else { return Ok(None) };
        groups::find(&app.pool, call.actor.org(), &parse::which(name)).await?.ok_or(Error::GroupNotFound).map(Some)
    }

    async fn wanted(&self, app: &App, call: &Call) -> Result<Wanted, Error> {
        let group = self.group(app, call).await?;
        Ok(Wanted {
            query: parse::query(Some(self.query)),
            status: self.status,
            role: self.role,
            group: group.map(|group| (group.key, group.members)),
            unseen: self.unseen,
            sort: self.sort,
        })
    }
}

/// What binds a cursor to a list and its order.
fn words(wanted: &Wanted) -> String {
    let sort = format!("{:?} {}", wanted.sort.by, wanted.sort.descending);
    let group = wanted.group.map(|(key, _)| key);
    let status = wanted.status.map(Status::as_str);
    serde_json::json!([wanted.query, status, wanted.role.map(Role::as_str), group, wanted.unseen.map(Unseen::as_str), sort]).to_string()
}

/// A page of at most `limit` people, for whoever may list them; `counts` is how many there are.
pub async fn page(app: &App, call: &Call, counts: &Counts, asked: &Asked<'_>, cursor: Option<&str>, limit: usize) -> Result<Page, Error> {
    authz::visible(&call.actor, &call.standing, false)?;
    let (now, org) = (app.clock.now(), call.actor.org());
    let wanted = asked.wanted(app, call).await?;
    let words = words(&wanted);
    let from: Option<Mark> = parse::mark(app, &call.actor, "roster", &words, cursor)?;
    let part = roster::roster(&app.pool, org, &wanted, counts, from.as_ref(), limit, now).await?;
    let seal = |mark: Option<Mark>| parse::seal_mark(app, &call.actor, "roster", &words, mark.as_ref());
    Ok(Page {
        users: part.people.into_iter().map(|person| view::user(person, now)).collect(),
        at: u64::try_from(part.at).unwrap_or_default(),
        total: u64::try_from(part.total).unwrap_or_default(),
        total_is_exact: part.total_is_exact,
        previous: seal(part.previous),
        next: seal(part.next),
    })
}

/// Notes that somebody takes the roster away as a file: asked and written before the first of it leaves.
pub async fn export(app: &App, call: &Call, asked: &Asked<'_>) -> Result<(), Error> {
    authz::needs::<ExportUsers>(&call.actor, &call.standing, false)?;
    let group = asked.group(app, call).await?.map(|group| group.name);
    let mut writing = Writing::begin::<ExportUsers>(app, call, false).await?;
    let result = async {
        let action = ExportUsers {
            status: asked.status,
            role: asked.role,
            group,
            unseen: asked.unseen.map(Unseen::as_str),
            searched: !asked.query.trim().is_empty(),
        };
        if let Some(proof) = writing.ask(action, false)? {
            people::exported(&mut writing.work, proof).await?;
        }
        Ok(Done { value: (), changed: true, about: About::default() })
    }
    .await;
    writing.finish(result).await
}

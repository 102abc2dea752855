//! The roster in the browser: who is here, and who is still pending.
//!
//! Every filter stands in the address, so that a list can be kept, sent, and gone back to.

mod export;

pub use export::export;

use super::{
    address,
    done::{self, Done},
    door::go_to,
    frame::frame,
    page, query,
    signed_in::Try,
    views::{
        frame::Place,
        grouped,
        users::{Choice, Elsewhere, Emptiness, Heading, NarrowedTo, Row, Sorted, Standing, Toast, UsersPage},
        when::When,
    },
    visitor::Visitor,
};
use crate::{
    app::SharedApp,
    authz::{self, action::only_administrators_touch_administrators},
    domain::{Role, Status, Timestamp, UserId, builtin},
    error::Error,
    service::{Call, groups, people, roster},
    store::people::{
        Counts,
        roster::{By, Sort, Unseen},
    },
};
use axum::{
    extract::{RawQuery, State},
    http::HeaderMap,
    response::Response,
};
use std::cmp::Ordering;
use url::form_urlencoded;
use usher_tools::{self as contract, bounds};

/// People on a page.
const LIMIT: usize = 50;
/// How many access groups a menu and a form offer.
pub(super) const GROUPS: u32 = 100;

/// What a list is narrowed to, and its order, as the address says it. What is none of the values of a filter narrows nothing.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    query: String,
    status: String,
    role: String,
    access_group: String,
    last_seen: String,
    sort: String,
    cursor: String,
}

/// Orders by their word in the address; the first is that of an address without one.
const ORDERS: [(&str, By); 4] = [("created", By::Created), ("name", By::Name), ("email", By::Email), ("last_seen", By::LastSeen)];
const NEWEST_FIRST: Sort = Sort { by: By::Created, descending: true };

fn sort_word(sort: Sort) -> String {
    let word = ORDERS.iter().find(|(_, by)| *by == sort.by).map_or("", |(word, _)| word);
    let minus = if sort.descending { "-" } else { "" };
    if sort == NEWEST_FIRST { String::new() } else { format!("{minus}{word}") }
}

/// An order as the page says it.
fn in_order(sort: Sort) -> &'static str {
    match (sort.by, sort.descending) {
        (By::Created, true) => "newest first",
        (By::Created, false) => "oldest first",
        (By::Name, false) => "by name",
        (By::Name, true) => "by name, Z to A",
        (By::Email, false) => "by email",
        (By::Email, true) => "by email, Z to A",
        (By::LastSeen, true) => "last seen first",
        (By::LastSeen, false) => "longest unseen first",
    }
}

impl Asked {
    /// What an address says, or a form that repeats it; nothing where that is more than the tool of the same list takes. Of a
    /// parameter that comes twice the first counts.
    pub(super) fn read(query: &str) -> Option<Self> {
        let mut asked = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let field = match &*name {
                "query" => &mut asked.query,
                "status" => &mut asked.status,
                "role" => &mut asked.role,
                "access_group" => &mut asked.access_group,
                "last_seen" => &mut asked.last_seen,
                "sort" => &mut asked.sort,
                "cursor" => &mut asked.cursor,
                _ => continue,
            };
            if field.is_empty() {
                *field = value.into_owned();
            }
        }
        asked.fits().then_some(asked)
    }

    fn status(&self) -> Option<contract::Status> {
        contract::Status::parse(&self.status)
    }

    fn role(&self) -> Option<contract::Role> {
        contract::Role::parse(&self.role)
    }

    fn unseen(&self) -> Option<Unseen> {
        Unseen::ALL.into_iter().find(|unseen| unseen.as_str() == self.last_seen)
    }

    fn sort(&self) -> Sort {
        let (descending, word) = self.sort.strip_prefix('-').map_or((false, self.sort.as_str()), |word| (true, word));
        ORDERS.iter().find(|(known, _)| *known == word).map_or(NEWEST_FIRST, |(_, by)| Sort { by: *by, descending })
    }

    fn parameters(&self) -> [(&'static str, &str); 7] {
        [
            ("query", &self.query),
            ("status", &self.status),
            ("role", &self.role),
            ("access_group", &self.access_group),
            ("last_seen", &self.last_seen),
            ("sort", &self.sort),
            ("cursor", &self.cursor),
        ]
    }

    fn is_narrowed(&self) -> bool {
        !self.query.is_empty() || self.is_filtered()
    }

    /// Whether anything but a search narrows it.
    fn is_filtered(&self) -> bool {
        self.status().is_some() || self.role().is_some() || !self.access_group.is_empty() || self.unseen().is_some()
    }

    /// Whether all of it is within what the tool of the same list takes.
    fn fits(&self) -> bool {
        fits(&self.query, bounds::QUERY) && fits(&self.access_group, bounds::ACCESS_GROUP) && fits(&self.cursor, bounds::CURSOR)
    }

    /// Without what narrows nothing: no value of its filter, or groups for whom may not know of them.
    fn cleaned(mut self, knows_groups: bool) -> Self {
        if self.status().is_none() {
            self.status.clear();
        }
        if self.role().is_none() {
            self.role.clear();
        }
        if self.unseen().is_none() {
            self.last_seen.clear();
        }
        if !knows_groups {
            self.access_group.clear();
        }
        self.sort = sort_word(self.sort());
        self
    }

    /// The list's parameters with one of them otherwise, and from its beginning unless that is the cursor.
    fn kept_with<'a>(&'a self, name: &'static str, value: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.parameters().into_iter().filter_map(move |(known, held)| match known {
            _ if known == name => Some((known, value)),
            "cursor" => None,
            _ => Some((known, held)),
        })
    }

    /// The address of that list.
    fn with(&self, name: &'static str, value: &str) -> String {
        address(Place::Users.path(), self.kept_with(name, value))
    }

    /// Its own address.
    pub(super) fn place(&self) -> String {
        self.with("cursor", &self.cursor)
    }

    /// As the use case takes it.
    fn wanted(&self) -> roster::Asked<'_> {
        roster::Asked {
            query: &self.query,
            status: self.status().map(Status::from),
            role: self.role().map(Role::from),
            access_group: Some(self.access_group.as_str()).filter(|group| !group.is_empty()),
            unseen: self.unseen(),
            sort: self.sort(),
        }
    }
}

/// Whether a text is one that the contract would take.
pub(super) fn fits(text: &str, most: u32) -> bool {
    !text.contains('\0') && text.chars().take(most as usize + 1).count() <= most as usize
}

fn count(counts: &Counts, status: Option<Status>, role: Option<Role>) -> Option<u64> {
    u64::try_from(counts.of(status, role)).ok()
}

fn statuses(asked: &Asked, counts: &Counts) -> Vec<Choice> {
    let role = asked.role().map(Role::from);
    let choice = |name: &str, status: Option<contract::Status>| Choice {
        name: name.to_owned(),
        href: asked.with("status", status.map_or("", contract::Status::as_str)),
        count: count(counts, status.map(Status::from), role),
        chosen: asked.status() == status,
    };
    vec![
        choice("All", None),
        choice("Active", Some(contract::Status::Active)),
        choice("Pending", Some(contract::Status::Pending)),
        choice("Deactivated", Some(contract::Status::Deactivated)),
    ]
}

fn roles(asked: &Asked, counts: &Counts) -> Vec<Choice> {
    let status = asked.status().map(Status::from);
    let choice = |name: &str, role: Option<contract::Role>| Choice {
        name: name.to_owned(),
        href: asked.with("role", role.map_or("", contract::Role::as_str)),
        count: role.and_then(|role| count(counts, status, Some(role.into()))),
        chosen: asked.role() == role,
    };
    vec![choice("any", None), choice("Administrator", Some(contract::Role::Administrator)), choice("User", Some(contract::Role::User))]
}

fn unseen_choices(asked: &Asked) -> Vec<Choice> {
    let choice = |name: &str, unseen: Option<Unseen>| Choice {
        name: name.to_owned(),
        href: asked.with("last_seen", unseen.map_or("", Unseen::as_str)),
        count: None,
        chosen: asked.unseen() == unseen,
    };
    let name = |unseen| match unseen {
        Unseen::Month => "over 30 days ago",
        Unseen::Quarter => "over 90 days ago",
        Unseen::Ever => "never",
    };
    std::iter::once(choice("any time", None)).chain(Unseen::ALL.map(|unseen| choice(name(unseen), Some(unseen)))).collect()
}

/// The orders as a menu, for where no column headings are.
fn sort_choices(asked: &Asked) -> Vec<Choice> {
    let choice = |by, descending| {
        let sort = Sort { by, descending };
        let name = in_order(sort).to_owned();
        Choice { name, href: asked.with("sort", &sort_word(sort)), count: None, chosen: asked.sort() == sort }
    };
    vec![
        choice(By::Created, true),
        choice(By::Created, false),
        choice(By::Name, false),
        choice(By::Email, false),
        choice(By::LastSeen, true),
        choice(By::LastSeen, false),
    ]
}

/// A heading that sorts: by its column, and where it does that already, the other way round.
fn heading(asked: &Asked, name: &'static str, by: By) -> Heading {
    let sort = asked.sort();
    let first = match by {
        By::Created | By::LastSeen => true,
        By::Name | By::Email => false,
    };
    let next = Sort { by, descending: if sort.by == by { !sort.descending } else { first } };
    let sorted = (sort.by == by).then_some(if sort.descending { Sorted::Descending } else { Sorted::Ascending });
    Heading { name, href: asked.with("sort", &sort_word(next)), sorted }
}

/// The access groups that a menu or a form offers.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) groups: Vec<contract::AccessGroup>,
    /// Whether there are more than that.
    pub(super) more: bool,
}

/// The access groups that somebody may know of; none where they may not.
pub(super) async fn known_groups(app: &SharedApp, call: &Call) -> Result<Known, Error> {
    if !call.standing.holds(builtin::ACCESS_GROUPS_READ) {
        return Ok(Known::default());
    }
    let params = contract::ListAccessGroupsParams { limit: Some(GROUPS), ..Default::default() };
    let found = groups::list(app, call, &params).await?;
    Ok(Known { groups: found.access_groups, more: found.next_cursor.is_some() })
}

/// The same with the one that is asked for, where it is not among them: there are more than a menu offers, or it goes by its
/// name in another spelling.
async fn with_asked(
    app: &SharedApp,
    call: &Call,
    mut known: Vec<contract::AccessGroup>,
    asked: &str,
) -> Result<Vec<contract::AccessGroup>, Error> {
    if asked.is_empty() || known.iter().any(|group| group.id == asked) {
        return Ok(known);
    }
    let params = contract::ListAccessGroupsParams { access_group: Some(asked.to_owned()), ..Default::default() };
    let found = groups::list(app, call, &params).await?.access_groups;
    known.retain(|group| found.iter().all(|found| found.id != group.id));
    known.extend(found.into_iter().map(|group| contract::AccessGroup { id: asked.to_owned(), ..group }));
    Ok(known)
}

fn group_choices(asked: &Asked, known: &[contract::AccessGroup]) -> Vec<Choice> {
    if known.is_empty() {
        return Vec::new();
    }
    let any = Choice { name: "any".to_owned(), href: asked.with("access_group", ""), count: None, chosen: asked.access_group.is_empty() };
    let one = |group: &contract::AccessGroup| Choice {
        name: group.name.clone(),
        href: asked.with("access_group", &group.id),
        count: Some(group.member_count),
        chosen: asked.access_group == group.id,
    };
    std::iter::once(any).chain(known.iter().map(one)).collect()
}

/// `sends` is who sends invites again from here, if the one who looks does.
fn row(user: contract::User, now: Timestamp, sends: Option<&authz::Standing>) -> Row {
    let within = sends.is_some_and(|standing| only_administrators_touch_administrators(standing, user.role.into()).is_ok());
    Row {
        may_resend: within && user.invite_expired,
        name: user.full_name(),
        standing: match user.status {
            contract::Status::Active => Standing::Active,
            contract::Status::Pending if user.invite_expired => Standing::Expired,
            contract::Status::Pending => Standing::Pending,
            contract::Status::Deactivated => Standing::Deactivated,
        },
        is_administrator: user.role == contract::Role::Administrator,
        created: When::read(&user.created_at, now),
        last_seen: user.last_seen_at.as_deref().and_then(|at| When::read(at, now)),
        id: user.id,
        email: user.email,
        slack_id: user.slack_id,
    }
}

/// Which people these are of how many, in words.
fn range(page: &roster::Page, sort: Sort) -> String {
    let (shown, order) = (u64::try_from(page.users.len()).unwrap_or(u64::MAX), in_order(sort));
    if shown == 0 {
        return "Nobody".to_owned();
    }
    let last = page.at + shown;
    if page.total_is_exact && page.at == 0 && shown == page.total {
        return format!("{} in all, {order}", grouped(shown));
    }
    let of = match (page.total_is_exact, last.cmp(&page.total)) {
        // Who was added or left meanwhile moved the others.
        (true, Ordering::Less | Ordering::Equal) => format!(" of {}", grouped(page.total)),
        (false, Ordering::Less) => format!(" of more than {}", grouped(page.total)),
        (true | false, Ordering::Greater) | (false, Ordering::Equal) => String::new(),
    };
    format!("{}–{}{of}, {order}", grouped(page.at + 1), grouped(last))
}

/// What a list is narrowed to, and what the whole roster holds, for when nobody matches.
fn narrowed_to(asked: &Asked, groups: &[Choice], everybody: i64, elsewhere: Option<Elsewhere>) -> NarrowedTo {
    let mut only = Vec::new();
    match asked.status() {
        Some(contract::Status::Active) => only.push("Active"),
        Some(contract::Status::Pending) => only.push("Pending"),
        Some(contract::Status::Deactivated) => only.push("Deactivated"),
        None => {}
    }
    match asked.role() {
        Some(contract::Role::Administrator) => only.push("Administrators"),
        Some(contract::Role::User) => only.push("Users"),
        None => only.push("people"),
    }
    let group = groups.iter().skip(1).find(|group| group.chosen).map(|group| group.name.clone());
    let unseen = asked.unseen().map(|unseen| match unseen {
        Unseen::Month => "who were last seen over 30 days ago",
        Unseen::Quarter => "who were last seen over 90 days ago",
        Unseen::Ever => "who were never seen",
    });
    let whole = if everybody == 1 { "1 person".to_owned() } else { format!("{} people", grouped(everybody)) };
    NarrowedTo { only: asked.is_filtered().then(|| only.join(" ")), group, unseen, whole, elsewhere }
}

/// Who of the whole roster a search finds that found nobody within the filters.
async fn elsewhere(app: &SharedApp, call: &Call, counts: &Counts, asked: &Asked) -> Result<Option<Elsewhere>, Error> {
    if asked.query.is_empty() || !asked.is_filtered() {
        return Ok(None);
    }
    let wide = Asked { query: asked.query.clone(), ..Asked::default() };
    let found = roster::page(app, call, counts, &wide.wanted(), None, 1).await?;
    let href = wide.place();
    Ok(found.users.into_iter().next().map(|user| {
        let name = (found.total_is_exact && found.total == 1).then(|| user.full_name());
        Elsewhere { name, href }
    }))
}

/// What was done, with the name of whom it was done to. Whoever is gone meanwhile is not named.
async fn toast(app: &SharedApp, call: &Call, (done, of): (Done, Option<UserId>)) -> Toast {
    let plain = || Toast { somebody: None, sentence: done.sentence().to_owned() };
    let Some(of) = of else { return plain() };
    let Ok(found) = people::get(app, call, &contract::GetUserParams { user: of.to_string() }).await else { return plain() };
    let user = found.user;
    let until = user.invite_expires_at.as_deref().and_then(Timestamp::parse_rfc3339).map(Timestamp::short_utc).unwrap_or_default();
    let mail = format!("A mail is on its way to {}; its link works until {until}.", user.email);
    let (result, sentence) = match done {
        Done::Invited => ("is invited.", mail),
        Done::InvitedElsewhere => (
            "is invited.",
            format!(
                "{mail} The domain of their address is not among those that your organization invites: check that it is the person you mean."
            ),
        ),
        Done::Resent => ("is sent a new invite.", format!("{mail} The links of earlier ones open nothing any more.")),
        _ => return plain(),
    };
    Toast { somebody: Some((user.full_name(), result)), sentence }
}

/// What was done on the way here, or could not be.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct News<'a> {
    pub(super) just: Option<(Done, Option<UserId>)>,
    pub(super) trouble: Option<&'a str>,
}

pub(super) async fn show(app: &SharedApp, visitor: &Visitor, asked: Asked, news: News<'_>) -> Response {
    let tried = Try::to_look(app, visitor);
    let call = &tried.call;
    let (counts, known) = match (people::counts(app, call).await, known_groups(app, call).await) {
        (Ok(counts), Ok(known)) => (counts, known),
        (Err(error), _) | (_, Err(error)) => return tried.refused(app, &error),
    };
    let asked = &asked.cleaned(!known.groups.is_empty());
    let groups = match with_asked(app, call, known.groups, &asked.access_group).await {
        Ok(known) => known,
        Err(Error::GroupNotFound) => return go_to(app, &asked.with("access_group", "")),
        Err(error) => return tried.refused(app, &error),
    };
    let everybody = counts.of(None, None);
    let cursor = Some(asked.cursor.as_str()).filter(|cursor| !cursor.is_empty());
    let found = match roster::page(app, call, &counts, &asked.wanted(), cursor, LIMIT).await {
        Ok(found) => found,
        // An address that was kept for long: its page is no more, the list is.
        Err(Error::Invalid(invalid)) if invalid.field == "cursor" => return go_to(app, &asked.with("cursor", "")),
        Err(Error::GroupNotFound) => return go_to(app, &asked.with("access_group", "")),
        Err(error) => return tried.refused(app, &error),
    };
    if let (true, None, Some(previous)) = (found.users.is_empty(), &found.next, &found.previous) {
        // Whoever stood here is gone meanwhile: the page before is the last one.
        return go_to(app, &asked.with("cursor", previous));
    }
    let emptiness = match (found.users.len(), asked.is_narrowed(), &found.next) {
        (0, _, Some(_)) => Emptiness::Further,
        (0, true, None) => Emptiness::NoMatch,
        (1, false, _) if everybody == 1 => Emptiness::FirstOne,
        (_, true | false, _) => Emptiness::None,
    };
    let elsewhere = match emptiness {
        Emptiness::NoMatch => match elsewhere(app, call, &counts, asked).await {
            Ok(elsewhere) => elsewhere,
            Err(error) => return tried.refused(app, &error),
        },
        Emptiness::None | Emptiness::FirstOne | Emptiness::Further => None,
    };
    let (now, groups) = (app.clock.now(), group_choices(asked, &groups));
    let link = |cursor: &Option<String>| cursor.as_ref().map(|cursor| asked.with("cursor", cursor));
    let (previous, next, range) = (link(&found.previous), link(&found.next), range(&found, asked.sort()));
    let sends = Some(&call.standing).filter(|standing| standing.holds(builtin::USERS_INVITE));
    let rows: Vec<_> = found.users.into_iter().map(|user| row(user, now, sends)).collect();
    let kept: Vec<_> = asked
        .parameters()
        .into_iter()
        .filter(|(name, value)| !value.is_empty() && !["query", "cursor"].contains(name))
        .map(|(name, value)| (name, value.to_owned()))
        .collect();
    let said = match news.just {
        Some(just) => Some(toast(app, call, just).await),
        None => None,
    };
    let view = UsersPage {
        frame: &frame(app, visitor, Some(Place::Users)),
        query: &asked.query,
        kept: &kept,
        words: &query(asked.kept_with("cursor", &asked.cursor)),
        place: &asked.place(),
        statuses: &statuses(asked, &counts),
        roles: &roles(asked, &counts),
        groups: &groups,
        more_groups: known.more,
        unseen: &unseen_choices(asked),
        orders: &sort_choices(asked),
        order: in_order(asked.sort()),
        name: heading(asked, "Name", By::Name),
        email: heading(asked, "Email", By::Email),
        created: heading(asked, "Created", By::Created),
        last_seen: heading(asked, "Last seen", By::LastSeen),
        narrowed: asked.is_narrowed(),
        narrowed_to: &narrowed_to(asked, &groups, everybody, elsewhere),
        rows: &rows,
        range: &range,
        previous: previous.as_deref(),
        next: next.as_deref(),
        emptiness,
        may_invite: call.standing.holds(builtin::USERS_INVITE),
        said: said.as_ref(),
        refused: news.trouble,
    };
    done::said(app, page(app, &view), news.just.map(|(done, _)| done))
}

/// `GET /users`.
pub async fn list(State(app): State<SharedApp>, visitor: Visitor, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    let Some(asked) = Asked::read(query.as_deref().unwrap_or_default()) else { return go_to(&app, Place::Users.path()) };
    let just = done::just_somebody(&app, &headers, &Done::OF_PEOPLE);
    show(&app, &visitor, asked, News { just, trouble: None }).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_keeps_the_other_filters_and_begins_anew() {
        let asked = Asked::read("query=ana+%26+co&status=pending&cursor=c&sort=-name&status=active").unwrap();
        assert_eq!(asked.with("role", "User"), "/users?query=ana+%26+co&status=pending&role=User&sort=-name");
        assert_eq!(asked.with("sort", ""), "/users?query=ana+%26+co&status=pending");
        assert_eq!(asked.place(), "/users?query=ana+%26+co&status=pending&sort=-name&cursor=c");
        assert_eq!(Asked::default().with("status", ""), "/users");
        assert!(Asked::read(&format!("query={}", "x".repeat(201))).is_none());
    }

    #[test]
    fn an_order_has_one_word_and_the_usual_one_has_none() {
        for word in ["name", "-name", "email", "-email", "created", "last_seen", "-last_seen"] {
            let asked = Asked::read(&format!("sort={word}")).unwrap().cleaned(true);
            assert_eq!((sort_word(asked.sort()).as_str(), asked.sort.as_str()), (word, word));
        }
        for word in ["", "-created", "-", "role", "--name", "Name"] {
            assert_eq!(Asked::read(&format!("sort={word}")).unwrap().cleaned(true).place(), "/users", "{word}");
        }
    }

    #[test]
    fn a_range_says_no_more_than_is_known() {
        let page = |at, shown: usize, total, total_is_exact| {
            let user = |_| contract::User {
                id: String::new(),
                email: String::new(),
                first_name: String::new(),
                last_name: String::new(),
                role: contract::Role::User,
                status: contract::Status::Active,
                slack_id: None,
                access_groups: Vec::new(),
                created_at: String::new(),
                invite_sent_at: None,
                invite_expires_at: None,
                invite_expired: false,
                activated_at: None,
                deactivated_at: None,
                last_seen_at: None,
                delivery: None,
                version: 1,
            };
            let users = (0..shown).map(user).collect();
            range(&roster::Page { users, at, total, total_is_exact, previous: None, next: None }, NEWEST_FIRST)
        };
        assert_eq!(page(0, 0, 0, true), "Nobody");
        assert_eq!(page(0, 4, 4, true), "4 in all, newest first");
        assert_eq!(page(50, 50, 100_000, true), "51–100 of 100,000, newest first");
        assert_eq!(page(0, 50, 1000, false), "1–50 of more than 1,000, newest first");
        assert_eq!(page(1000, 50, 1000, false), "1,001–1,050, newest first");
        assert_eq!(page(300, 12, 310, true), "301–312, newest first");
    }

    #[test]
    fn who_finds_nobody_is_told_where_they_looked() {
        let said = narrowed_to(&Asked::read("status=pending&role=Administrator").unwrap(), &[], 312, None);
        assert_eq!((said.only.as_deref(), said.whole.as_str()), (Some("Pending Administrators"), "312 people"));
        let said = narrowed_to(&Asked::default(), &[], 1, None);
        assert_eq!((said.only, said.whole.as_str()), (None, "1 person"));
    }
}

//! Every page in every state, for the tests beside the views and for those in a browser: each is named after its template, and
//! after its state behind a hyphen. The module that takes this in brings the types.

use super::{
    AcceptPage, DeadLink, DeadLinkPage, ErrorPage, Fault, FieldError, IndexPage, JoinedPage, Moment, NewPassword, OpenAgainPage, Page,
    Timestamp, TooManyTriesPage, UnknownLinkPage,
    audit::{
        self, Chart, Count,
        page::{AuditPage, Chain, Choices, Found},
    },
    door::{LinkPage, SentPage, Shut, ShutPage, SignInPage, SignInToPage},
    factors::{FactorsPage, ResetPage, Row},
    frame::{Frame, Place},
    groups::{self, AddPage, Candidate, DeletePage, Difference, Doable, GroupPage, GroupsPage, Loser, Matrix, Picking, Saved},
    me::{Identity, MePage, Moved, MovedPage, Other, Password, SessionRow},
    passwords::{self as people, PasswordsPage},
    render,
    second_factor::{CodePage, Drawing, FactorPage, RecoveryCodesPage, Refusal, SetUpPage},
    settings::{Section, Top},
    snippets,
    sso::{GoPage, MeetPage, Provider, StopPage},
    start::{StartPage, Step},
    tools::{self, New, RevokePage, Shown, TokenPage, TokenRow, ToolsPage},
    users::{
        self, Choice, Contact, Elsewhere, Emptiness, GroupChoice, Heading, Holder, InvitePage, NarrowedTo, NoAccessPage, Sorted, Standing,
        Toast, Typed, UsersPage,
    },
    when::{Until, When},
};

#[path = "samples/of_a_person.rs"]
mod of_a_person;
#[path = "samples/of_the_settings.rs"]
mod of_the_settings;

pub(super) const UNTIL: Moment<'static> = Moment { iso: "2026-12-02T14:00:00.000Z", words: "2 Dec 2026, 14:00 UTC" };
/// A text that would like to be more than one.
pub(super) const HOSTILE: &str = "<img src=x onerror=alert(1)>\"'><svg/onload=1>";

pub(super) fn accept() -> AcceptPage<'static> {
    AcceptPage {
        base: "",
        action: "/invite/3vX9kQ2mT7pLr0WzB4cJ",
        organization: "Larkspur Freight",
        inviter: "Mirela Vasquez-Thorne",
        person: "Oksana Petrenko",
        email: "oksana.petrenko@larkspur.example",
        role: "User",
        until: UNTIL,
        providers: &[],
        first_name: "Oksana",
        last_name: "Petrenko",
        show_password: None,
        errors: &[],
    }
}

pub(super) fn joined() -> JoinedPage<'static> {
    JoinedPage {
        base: "",
        organization: "Larkspur Freight",
        person: "Oksana Petrenko",
        email: "oksana.petrenko@larkspur.example",
        role: "User",
        mcp_url: "https://usher.larkspur.example/mcp/larkspur-freight",
    }
}

pub(super) fn dead(why: DeadLink) -> DeadLinkPage<'static> {
    DeadLinkPage { base: "", organization: "Larkspur Freight", why, date: UNTIL }
}

pub(super) const DEAD: [DeadLink; 5] = [DeadLink::Expired, DeadLink::Superseded, DeadLink::Withdrawn, DeadLink::Used, DeadLink::Suspended];

/// Every page, named.
pub(super) fn all() -> Vec<(String, Page)> {
    const ERRORS: &[FieldError] = &[
        FieldError { field: "password", message: "This password is among the first that are tried. Take a longer sentence." },
        FieldError { field: "form", message: "The organization changed meanwhile. Look again and choose Join." },
    ];
    let mut pages = vec![
        ("accept".to_owned(), render(&accept())),
        ("accept-errors".to_owned(), render(&AcceptPage { errors: ERRORS, ..accept() })),
        (
            "accept-provider".to_owned(),
            render(&AcceptPage { providers: &[Provider { value: "sso:1".to_owned(), name: HOSTILE.to_owned() }], ..accept() }),
        ),
        ("accept-show".to_owned(), render(&AcceptPage { show_password: Some(TYPED), ..accept() })),
        ("joined".to_owned(), render(&joined())),
        ("unknown".to_owned(), render(&UnknownLinkPage { base: "" })),
        ("again".to_owned(), render(&OpenAgainPage { base: "" })),
        ("wait".to_owned(), render(&TooManyTriesPage { base: "", retry_after_seconds: 90, has_link: true })),
        ("wait-at-the-door".to_owned(), render(&TooManyTriesPage { base: "", retry_after_seconds: 90, has_link: false })),
        ("index".to_owned(), render(&IndexPage { base: "", mcp_url: "https://usher.larkspur.example/mcp/{organization}" })),
    ];
    pages.extend(DEAD.map(|why| (format!("dead-{why:?}"), render(&dead(why)))));
    pages.extend(Fault::ALL.map(|fault| {
        let page = ErrorPage { base: "", fault, why: None, request_id: Some("01990b1c-7e1a-7000-8000-000000000001") };
        (format!("error-{fault:?}"), render(&page))
    }));
    pages
}

/// The pages of the second factor, named.
pub(super) fn second_factor() -> Vec<(String, Page)> {
    const REFUSAL: Option<Refusal<'static>> = Some(Refusal { message: "This code does not count.", waits: false });
    let (base, id, person, email) = ("", "01990b1c-7e1a-7000-8000-000000000001", HOSTILE, "oksana.petrenko@larkspur.example");
    let others = [other(id)];
    let factor = |codes_left, demanded, waits, refusal| {
        render(&FactorPage { base, id, person, organization: HOSTILE, codes_left, demanded, waits, others: &others, refusal })
    };
    let row = |since: Option<&str>, own| {
        let since = since.map(|words| (words.to_owned(), words.to_owned()));
        Row { id: id.to_owned(), name: HOSTILE.to_owned(), email: email.to_owned(), role: "User", since, own }
    };
    let rows = [row(None, false), row(Some("2 Dec 2026"), false), row(Some("2 Dec 2026"), true)];
    let (demanded, said) = ("Everybody must have one.", Some("The second factor is gone."));
    let (frame, top) = (frame(&Place::ALL), Top::of(Section::SigningIn));
    let factors = |rows, first, next| render(&FactorsPage { frame: &frame, top, demanded, rows, first, next, said });
    let reset = |error| render(&ResetPage { frame: &frame, top, of: id, person, email, since: UNTIL, error });
    let drawing = Some(Drawing { size: 37, path: "M4 4h7v1h-7z".to_owned() });
    let (groups, address, codes) = ("GEZD GNBV", "otpauth://totp/x?secret=GEZDGNBV", "abcd-2345-efgh-67ij");
    [
        ("code", render(&CodePage { base, id, person, organization: HOSTILE, others: &others, refusal: None })),
        ("code-wrong", render(&CodePage { base, id, person, organization: HOSTILE, others: &others, refusal: REFUSAL })),
        ("factor", factor(None, false, false, None)),
        ("factor-demanded", factor(None, true, true, REFUSAL)),
        ("factor-on", factor(Some(9), true, false, REFUSAL)),
        ("set_up", render(&SetUpPage { base, id, email, organization: HOSTILE, groups, address, drawing, refusal: None })),
        ("recovery_codes", render(&RecoveryCodesPage { base, email, organization: HOSTILE, codes })),
        ("factors", factors(&rows, true, None)),
        ("factors-none", factors(&[], false, None)),
        ("factors-on", factors(&rows, false, Some(id))),
        ("factor_reset", reset(None)),
        ("factor_reset-refused", reset(Some("This code does not count."))),
    ]
    .map(|(name, page)| (name.to_owned(), page))
    .to_vec()
}

/// The pages about a reset that an Administrator starts, and of its link, named.
pub(super) fn passwords() -> Vec<(String, Page)> {
    let (id, person, email) = ("01990b1c-7e1a-7000-8000-000000000001", HOSTILE, "oksana.petrenko@larkspur.example");
    let row = |open, own| people::Row { id: id.to_owned(), name: HOSTILE.to_owned(), email: email.to_owned(), role: "User", open, own };
    let rows = [row(true, false), row(false, false), row(true, true)];
    let (frame, top) = (frame(&Place::ALL), Top::of(Section::SigningIn));
    let list =
        |rows, first, next, said, error| render(&PasswordsPage { frame: &frame, top, rows, first, next, said, email: HOSTILE, error });
    let reset = |first, open, error: Option<&str>| {
        let refused = open && error.is_some();
        render(&people::ResetPage { frame: &frame, top, of: id, person, email, minutes: 60, first, open, error, refused })
    };
    let link = |email_error, error| render(&LinkPage { typed_email: Some(HOSTILE), email_error, ..password_link(None, error) });
    [
        ("passwords", list(&rows, true, Some(id), Some("A mail with the link is on its way."), None)),
        ("passwords-not-found", list(&rows, false, None, None, Some("Nobody of your organization has this address."))),
        ("passwords-none", list(&[], false, None, None, None)),
        ("password_reset", reset(false, true, None)),
        ("password_reset-first", reset(true, true, None)),
        ("password_reset-refused", reset(false, true, Some("A reset is started within 10 minutes of signing in."))),
        ("password_reset-closed", reset(false, false, Some("They are deactivated, and nothing lets them in."))),
        ("link-started", link(None, None)),
        ("link-first", render(&LinkPage { title: "Choose a password", first_password: true, ..password_link(None, None) })),
        ("link-started-wrong", link(Some("This is not the address that the link was mailed to."), Some("Too short."))),
    ]
    .map(|(name, page)| (name.to_owned(), page))
    .to_vec()
}

/// A password that its person asked to see.
const TYPED: NewPassword<'static> = NewPassword { text: "a \"quoted\" sentence", strength: "Strong: very hard to guess." };

/// The page of a link that leads to a new password.
fn password_link(show_password: Option<NewPassword<'static>>, error: Option<&'static str>) -> LinkPage<'static> {
    LinkPage {
        base: "",
        action: "/link/x",
        title: "Choose a new password",
        sentence: "Nothing happens until you save it.",
        button: "Save password",
        asks_password: true,
        first_password: false,
        show_password,
        typed_email: None,
        email_error: None,
        error,
        person: HOSTILE,
        email: "oksana.petrenko@larkspur.example",
        organization: HOSTILE,
        until: UNTIL,
    }
}

/// The pages on the way to a provider and back, named.
pub(super) fn sso() -> Vec<(String, Page)> {
    let (base, organization, provider, title, sentence, state) = ("", HOSTILE, HOSTILE, "Sign in", "Choose Sign in.", "Sign in");
    let (action, email) = ("/sign-in/sso/x", "oksana.petrenko@larkspur.example");
    let errors = [FieldError { field: "last_name", message: "Last name is missing." }];
    let meet = |names, invited, errors| {
        render(&MeetPage { base, action, title, sentence, button: title, names, invited, errors, provider, email, organization })
    };
    let stop = |status, again, request_id| render(&StopPage { base, status, title, sentence, state, request_id, again, back: "/sign-in" });
    [
        ("sso_go", render(&GoPage { base, url: "/at-the-provider", host: HOSTILE })),
        ("sso_meet", meet(None, None, &[])),
        ("sso_meet-join", meet(Some((HOSTILE, HOSTILE)), Some((HOSTILE, HOSTILE)), &errors)),
        ("sso_stop", stop(502, None, Some("01990b1c-7e1a-7000-8000-000000000001"))),
        ("sso_stop-again", stop(403, Some(action), None)),
    ]
    .map(|(name, page)| (name.to_owned(), page))
    .to_vec()
}

/// The pages of signing in, and of what is one's own, named.
pub(super) fn door() -> Vec<(String, Page)> {
    let (base, email, organization) = ("", "oksana.petrenko@larkspur.example", HOSTILE);
    let providers = [Provider { value: "sso:1".to_owned(), name: HOSTILE.to_owned() }];
    let sign_in = |error| render(&SignInPage { base, email, email_error: error, organization, organization_error: error });
    let sign_in_to = |providers, show_password, error, waits| {
        let (slug, sso_required) = ("larkspur-freight", true);
        render(&SignInToPage { base, organization, slug, providers, sso_required, email, magic_links: true, show_password, error, waits })
    };
    let link = |show_password, error| render(&password_link(show_password, error));
    let sign_in_link = LinkPage { title: "Sign in", button: "Sign in", asks_password: false, ..password_link(None, None) };
    let (moved, typed) = (Moved::Elsewhere { person: HOSTILE, organization: HOSTILE }, [("First name", HOSTILE)]);
    let mut pages = vec![
        ("sign_in".to_owned(), sign_in(None)),
        ("sign_in-wrong".to_owned(), sign_in(Some("This is not a complete email address."))),
        ("sign_in_to".to_owned(), sign_in_to(&[], None, None, false)),
        ("sign_in_to-provider".to_owned(), sign_in_to(&providers, None, None, false)),
        ("sign_in_to-show".to_owned(), sign_in_to(&[], Some("a sentence"), None, false)),
        ("sign_in_to-refused".to_owned(), sign_in_to(&[], None, Some("That email and password do not open a door here."), false)),
        ("sent".to_owned(), render(&SentPage { base, back: "/sign-in" })),
        ("link".to_owned(), render(&sign_in_link)),
        ("link-password".to_owned(), link(None, None)),
        ("link-show".to_owned(), link(Some(TYPED), None)),
        ("link-weak".to_owned(), link(None, Some("This password is among the first that are tried."))),
        ("moved".to_owned(), render(&MovedPage { base, now: moved, typed: &typed })),
        ("moved-out".to_owned(), render(&MovedPage { base, now: Moved::Out, typed: &[] })),
        ("moved-waits".to_owned(), render(&MovedPage { base, now: Moved::Waits, typed: &typed })),
        ("me".to_owned(), me(true, None, &[])),
        ("me-said".to_owned(), me(false, Some("Your name is saved."), &[])),
        ("me-errors".to_owned(), me(true, None, &ME_ERRORS)),
    ];
    pages.extend(Shut::ALL.map(|why| (format!("shut-{why:?}"), render(&ShutPage { base, why }))));
    pages
}

const ME_ERRORS: [FieldError<'static>; 4] = [
    FieldError { field: "first_name", message: "First name is missing." },
    FieldError { field: "current", message: "This is not your current password." },
    FieldError { field: "password", message: "This password is among the first that are tried." },
    FieldError { field: "identity", message: "It is the only way in that your organization leaves open." },
];

/// The page of one's own.
fn me(has_password: bool, said: Option<&str>, errors: &[FieldError<'_>]) -> Page {
    let (id, label) = ("01990b1c-7e1a-7000-8000-000000000001", "Firefox on Linux");
    let session = |this, waits| SessionRow { id, label, way: "by password", since: UNTIL, waits, this };
    let identity = |live| Identity {
        connection: HOSTILE.to_owned(),
        live,
        email: "oksana@provider.example".to_owned(),
        issuer: "https://provider.example".to_owned(),
        subject: HOSTILE.to_owned(),
    };
    render(&MePage {
        base: "",
        id,
        person: HOSTILE,
        first_name: "Oksana",
        last_name: "Petrenko",
        version: 3,
        email: "oksana.petrenko@larkspur.example",
        role: "Administrator",
        is_administrator: true,
        organization: HOSTILE,
        mcp_url: "https://usher.larkspur.example/mcp/larkspur-freight",
        password: if has_password { Password::Replaceable } else { Password::Absent },
        has_second_factor: has_password,
        others: &[other(id)],
        sessions: &[session(true, false), session(false, false), session(false, true)],
        identities: &[identity(true), identity(false)],
        providers: &[Provider { value: "sso:1".to_owned(), name: HOSTILE.to_owned() }],
        said,
        errors,
    })
}

/// Another account of the browser.
fn other(session: &str) -> Other {
    Other {
        session: session.to_owned(),
        organization: HOSTILE.to_owned(),
        email: "maximiliana-theodora@international-operations.larkspur.example".to_owned(),
        role: "Administrator",
    }
}

fn frame(places: &[Place]) -> Frame {
    Frame {
        base: String::new(),
        id: "01990b1c-7e1a-7000-8000-000000000001".to_owned(),
        key: "0".repeat(43),
        person: HOSTILE.to_owned(),
        email: "mirela@larkspur.example".to_owned(),
        role: "Administrator",
        organization: HOSTILE.to_owned(),
        others: vec![other("01990b1c-7e1a-7000-8000-000000000002")],
        places: places.to_vec(),
        steps_left: 2,
        here: places.first().copied(),
    }
}

fn choices(names: &[&str]) -> Vec<Choice> {
    let choice =
        |(n, name): (usize, &&str)| Choice { name: (*name).to_owned(), href: "/users".to_owned(), count: Some(312), chosen: n == 0 };
    names.iter().enumerate().map(choice).collect()
}

fn roster(state: &str, emptiness: Emptiness, (said, refused): (Option<&str>, Option<&str>)) -> (String, Page) {
    let said = said.map(|sentence| Toast { somebody: Some((HOSTILE.to_owned(), "is invited.")), sentence: sentence.to_owned() });
    let when = When { iso: UNTIL.iso.to_owned(), exact: UNTIL.words.to_owned(), words: "2 minutes ago".to_owned() };
    let row = |name: &str, standing| users::Row {
        id: name.to_owned(),
        name: name.to_owned(),
        email: "maximiliana-theodora.vonhohenbruck-altendorf@international-operations.larkspur.example".to_owned(),
        slack_id: (standing == Standing::Active).then(|| "U06TT0D51XZ".to_owned()),
        is_administrator: standing == Standing::Active,
        standing,
        may_resend: standing == Standing::Expired,
        created: Some(when.clone()),
        last_seen: (standing == Standing::Active).then(|| when.clone()),
    };
    let rows = [
        row(HOSTILE, Standing::Pending),
        row("ليلى الحداد", Standing::Active),
        row("佐藤 美咲", Standing::Expired),
        row(&"Maximiliana ".repeat(8), Standing::Deactivated),
    ];
    let shown = match emptiness {
        Emptiness::None => rows.as_slice(),
        Emptiness::FirstOne => &rows[1..2],
        Emptiness::NoMatch | Emptiness::Further => &[],
    };
    let heading = |name, sorted| Heading { name, href: "/users?sort=name".to_owned(), sorted };
    let narrowed_to = NarrowedTo {
        only: Some("Pending Administrators".to_owned()),
        group: Some(HOSTILE.to_owned()),
        unseen: Some("who were never seen"),
        whole: "312 people".to_owned(),
        elsewhere: Some(Elsewhere { name: Some(HOSTILE.to_owned()), href: "/users?query=%3C".to_owned() }),
    };
    let page = render(&UsersPage {
        frame: &frame(&Place::ALL),
        query: HOSTILE,
        kept: &[("status", HOSTILE.to_owned())],
        words: HOSTILE,
        place: "/users?query=%3C",
        statuses: &choices(&["All", "Active", "Pending", "Deactivated"]),
        roles: &choices(&["any", "Administrator", "User"]),
        groups: &choices(&["any", HOSTILE]),
        more_groups: true,
        unseen: &choices(&["any time", "never"]),
        orders: &choices(&["newest first", "by name"]),
        order: "newest first",
        name: heading("Name", None),
        email: heading("Email", None),
        created: heading("Created", Some(Sorted::Descending)),
        last_seen: heading("Last seen", None),
        narrowed: true,
        narrowed_to: &narrowed_to,
        rows: shown,
        range: "51–100 of 312, newest first",
        previous: Some("/users?cursor=c3Vu"),
        next: Some("/users?cursor=c3Vu"),
        emptiness,
        may_invite: true,
        said: said.as_ref(),
        refused,
    });
    (format!("users-{state}"), page)
}

fn inviting(state: &str, holder: Option<&Holder>, errors: &[FieldError<'_>]) -> (String, Page) {
    let group = |ticked| GroupChoice { id: HOSTILE.to_owned(), name: HOSTILE.to_owned(), members: 1, ticked };
    let page = render(&InvitePage {
        frame: &frame(&Place::ALL),
        typed: &Typed {
            email: HOSTILE.to_owned(),
            first_name: HOSTILE.to_owned(),
            last_name: HOSTILE.to_owned(),
            administrator: holder.is_some(),
        },
        groups: &[group(true), group(false)],
        more_groups: true,
        may_make_administrators: errors.is_empty(),
        many: Some("Larkspur Freight already has 3 Administrators. Two or three are usually enough."),
        back: "/users",
        said: errors.is_empty().then_some("They are invited."),
        holder,
        errors,
    });
    (format!("invite-{state}"), page)
}

fn access_groups(state: &str, emptiness: groups::Emptiness, starts: &[groups::Start], said: Option<&str>) -> (String, Page) {
    let row = |name: &str, description: Option<&str>| groups::Row {
        id: "01990b1c-7e1a-7000-8000-000000000003".to_owned(),
        name: name.to_owned(),
        description: description.map(str::to_owned),
        members: 61,
        permissions: 5,
    };
    let rows = [row(HOSTILE, Some(HOSTILE)), row("قسم المحاسبة", None), row(&"Dispatch".repeat(12), Some("May invite teammates."))];
    let page = render(&GroupsPage {
        frame: &frame(&Place::ALL),
        query: if emptiness == groups::Emptiness::Nothing { "" } else { HOSTILE },
        rows: if emptiness == groups::Emptiness::None { &rows } else { &[] },
        range: "50 of 120 groups, oldest first",
        first: Some("/access-groups"),
        next: Some("/access-groups?cursor=c3Vu"),
        emptiness,
        starts,
        said,
    });
    (format!("access_groups-{state}"), page)
}

fn starts() -> Vec<groups::Start> {
    ["Blank", "Support", "Connectors without billing"]
        .map(|name| groups::Start { name, href: "/access-groups/new?start=support".to_owned(), chosen: name == "Support" })
        .to_vec()
}

fn matrix(open: bool) -> Matrix {
    let tick = |permission: &str, given, open| groups::Tick {
        permission: permission.to_owned(),
        action: permission.to_owned(),
        about: HOSTILE.to_owned(),
        given,
        open,
    };
    let line = |resource: &str, about| groups::Line {
        resource: resource.to_owned(),
        about,
        cells: [
            vec![tick("read", true, true)],
            vec![tick("create", false, open)],
            Vec::new(),
            vec![tick("delete", true, open)],
            vec![tick("export", false, open), tick("hand over", false, open)],
        ],
    };
    let section = |name, lines| groups::Section { name, lines };
    Matrix {
        sections: vec![
            section("Access", vec![line("Users", "The roster of people"), line("Access groups", "Who may do what")]),
            section("Product", vec![line("Service desks", "")]),
        ],
    }
}

fn saved() -> Saved {
    Saved { id: "01990b1c-7e1a-7000-8000-000000000003".to_owned(), name: HOSTILE.to_owned(), members: 61, version: 7 }
}

const LONG_ADDRESS: &str = "maximiliana-theodora.vonhohenbruck-altendorf@international-operations.larkspur.example";

fn members(rows: bool) -> groups::Members {
    let member = |name: &str, standing, removable| groups::Member {
        id: name.to_owned(),
        name: name.to_owned(),
        email: LONG_ADDRESS.to_owned(),
        standing,
        removable,
    };
    groups::Members {
        rows: rows.then(|| vec![member(HOSTILE, None, true), member("ليلى الحداد", Some("Deactivated"), false)]),
        first: rows.then(|| "/access-groups/1".to_owned()),
        next: rows.then(|| "/access-groups/1?cursor=c3Vu".to_owned()),
        cursor: "c3Vu".to_owned(),
        roster: rows.then(|| "/users?access_group=1".to_owned()),
    }
}

/// The pages of one group.
fn access_group() -> Vec<(String, Page)> {
    const ERRORS: [FieldError<'static>; 4] = [
        FieldError { field: "name", message: "An access group with this name exists already." },
        FieldError { field: "description", message: "Description may have at most 500 characters." },
        FieldError { field: "permissions", message: "It would then give what you do not hold yourself: billing:update." },
        FieldError { field: "form", message: "Nobody was removed." },
    ];
    let all = Doable { save: true, assign: true, invite: true, delete: true };
    let differences = [Difference { field: "Name", now: HOSTILE.to_owned(), typed: "Support".to_owned() }];
    let (saved, starts) = (saved(), starts());
    let page =
        |state: &str, group: Option<(&Saved, &groups::Members)>, may: Doable, differences: &[Difference], errors: &[FieldError<'_>]| {
            let is_usual = errors.is_empty() && differences.is_empty();
            let page = render(&GroupPage {
                frame: &frame(&Place::ALL),
                saved: group.map(|(saved, _)| saved),
                back: "/access-groups",
                typed: &groups::Typed { name: HOSTILE.to_owned(), description: HOSTILE.to_owned() },
                matrix: &matrix(may.delete),
                beyond: (!may.delete).then_some("This group gives what you do not hold yourself: billing:update."),
                starts: &starts,
                left_out: (!may.delete).then_some("Left out, because you do not hold it yourself: billing:read."),
                members: group.map(|(_, members)| members),
                may,
                differences,
                said: is_usual.then_some("The group is saved."),
                gone: state == "gone",
                errors,
            });
            (format!("access_group-{state}"), page)
        };
    vec![
        page("new", None, all, &[], &[]),
        page("gone", None, all, &[], &ERRORS[3..]),
        page("errors", None, Doable { delete: false, ..all }, &[], &ERRORS[..3]),
        page("edit", Some((&saved, &members(true))), all, &[], &[]),
        page("conflict", Some((&saved, &members(true))), all, &differences, &[]),
        page("look", Some((&saved, &members(false))), Doable::default(), &[], &ERRORS[3..]),
    ]
}

/// The pages that put people into a group, and end one.
fn group_changes() -> Vec<(String, Page)> {
    let saved = saved();
    let candidate = |name: &str, ticked, note| Candidate {
        id: name.to_owned(),
        name: name.to_owned(),
        email: LONG_ADDRESS.to_owned(),
        ticked,
        open: note != Some("already in this group"),
        note,
    };
    let list = Picking::List {
        query: HOSTILE.to_owned(),
        chosen: vec![candidate("佐藤 美咲", true, None)],
        found: vec![candidate(HOSTILE, false, Some("Pending")), candidate("ليلى الحداد", false, Some("already in this group"))],
        range: "25 of 312, newest first. Search to find the others.".to_owned(),
    };
    let nobody = Picking::List { query: HOSTILE.to_owned(), chosen: Vec::new(), found: Vec::new(), range: "0 people".to_owned() };
    let whom = [groups::Refused { name: HOSTILE.to_owned(), email: LONG_ADDRESS.to_owned(), why: "is an Administrator.".to_owned() }];
    let add = |state: &str, picking: &Picking, refused: Option<&str>| {
        let whom: &[groups::Refused] = if refused.is_some() { &whom } else { &[] };
        let page = render(&AddPage { frame: &frame(&Place::ALL), group: &saved, picking, refused, whom, more: whom.len() });
        (format!("add_people-{state}"), page)
    };
    let loser = |loses| Loser { name: HOSTILE.to_owned(), fate: "loses all 11, and is left with nothing.".to_owned(), loses };
    let delete = |state: &str, group: &Saved, losers: &[Loser], error| {
        let permissions = ["users:read".to_owned(), "users:invite".to_owned()];
        let page =
            render(&DeletePage { frame: &frame(&Place::ALL), group, permissions: &permissions, losers, more: 59, reason: HOSTILE, error });
        (format!("delete_group-{state}"), page)
    };
    vec![
        add("list", &list, None),
        add("refused", &list, Some("Nobody was added, because of these.")),
        add("nobody", &nobody, None),
        add("address", &Picking::Address(HOSTILE.to_owned()), None),
        add("closed", &Picking::Closed("This group gives what you do not hold yourself: billing:update.".to_owned()), None),
        delete("question", &saved, &[loser(true), loser(false)], None),
        delete("wrong", &Saved { members: 0, ..saved.clone() }, &[], Some("Reason must be one line.")),
    ]
}

fn moment() -> When {
    When { iso: UNTIL.iso.to_owned(), exact: UNTIL.words.to_owned(), words: "2 minutes ago".to_owned() }
}

fn until() -> Until {
    Until { iso: UNTIL.iso.to_owned(), exact: UNTIL.words.to_owned(), words: "in 3 days".to_owned() }
}

/// The dashboard.
fn dashboard() -> Vec<(String, Page)> {
    const ERRORS: [FieldError<'static>; 6] = [
        FieldError { field: "email", message: "Email is no address." },
        FieldError { field: "first_name", message: "First name must not be empty." },
        FieldError { field: "last_name", message: "Last name must not be empty." },
        FieldError { field: "role", message: "Only Administrators make Administrators." },
        FieldError { field: "access_groups", message: "These groups give more than you hold yourself: users:deactivate." },
        FieldError { field: "form", message: "Your share of today’s invites is used up." },
    ];
    let holder = Holder { state: "that person is Pending.", page: Some("/users/1".to_owned()), may_resend: true };
    let contact = Contact { id: "1".to_owned(), name: HOSTILE.to_owned(), email: "mirela@larkspur.example".to_owned() };
    let no_access = |groups: &[String]| {
        render(&NoAccessPage { frame: &frame(&[]), holds: !groups.is_empty(), groups, contacts: &[contact.clone(), contact.clone()] })
    };
    vec![
        roster("list", Emptiness::None, (Some("They are invited."), None)),
        roster("refused", Emptiness::None, (None, Some("They have joined meanwhile."))),
        roster("first", Emptiness::FirstOne, (None, None)),
        roster("none", Emptiness::NoMatch, (None, None)),
        roster("further", Emptiness::Further, (None, None)),
        access_groups("list", groups::Emptiness::None, &starts(), Some("The group is gone.")),
        access_groups("first", groups::Emptiness::Nothing, &starts(), None),
        access_groups("nothing", groups::Emptiness::Nothing, &[], None),
        access_groups("none", groups::Emptiness::NoMatch, &[], None),
        inviting("empty", None, &[]),
        inviting("taken", Some(&holder), &[]),
        inviting("errors", None, &ERRORS),
        ("no_access-alone".to_owned(), no_access(&[])),
        ("no_access-groups".to_owned(), no_access(&[HOSTILE.to_owned(), "Support".to_owned()])),
    ]
}

/// The first steps, and one's own AI tools.
fn own_tools() -> Vec<(String, Page)> {
    let start = |done: &[Step]| {
        let mail = "mails lie in a folder there, until whoever runs it names a relay with --smtp-url.";
        render(&StartPage { frame: &frame(&Place::ALL), first_name: HOSTILE, host: "usher.larkspur.example", mail, done })
    };
    let row = |writes: bool| TokenRow {
        id: "01990b1c-7e1a-7000-8000-000000000003".to_owned(),
        label: if writes { HOSTILE.to_owned() } else { "night-report ".repeat(7) },
        client: writes.then(|| HOSTILE.to_owned()),
        writes,
        used: writes.then(|| When { iso: UNTIL.iso.to_owned(), exact: UNTIL.words.to_owned(), words: "2 minutes ago".to_owned() }),
        ends: until(),
        soon: !writes,
    };
    let mcp_url = "https://usher.larkspur.example/mcp/larkspur-freight";
    let all = [row(true), row(false)];
    let page = |new, tokens: &[TokenRow], said| {
        let hosts = &snippets::all(mcp_url, snippets::Token::Variable);
        render(&ToolsPage { frame: &frame(&[]), mcp_url, new, tokens, hosts, said })
    };
    let form = |prove, errors: &[FieldError<'_>]| {
        let typed = tools::Typed { label: HOSTILE.to_owned(), days: "90".to_owned(), writes: errors.is_empty() };
        render(&TokenPage { frame: &frame(&[]), typed: &typed, most_days: 365, prove, errors })
    };
    let errors = ["label", "expires_in_days", "form"].map(|field| FieldError { field, message: "This cannot be so." });
    let token = "usher_pat_x7Kq2b4mZQe8Yt1RkVb7Hn0sLwPcXa29uJdG5oFiT3y0pQ2rX9sd";
    [
        ("start-none", start(&[])),
        ("start-some", start(&[Step::Invite, Step::Group])),
        ("tools-empty", page(New::Nothing, &[], None)),
        ("tools-some", page(New::Nothing, &all, Some("That token is revoked."))),
        ("tools-new", page(New::Made(Shown { label: HOSTILE, token }), &all, None)),
        ("tools-again", page(New::MadeBefore, &all, None)),
        ("tool_token", form(None, &[])),
        ("tool_token-errors", form(None, &errors)),
        ("tool_token-late", form(Some("/sign-in/larkspur-freight"), &[])),
        ("tool_token-too-late", form(Some("/sign-in/larkspur-freight"), &errors[2..])),
        ("tool_revoke", render(&RevokePage { frame: &frame(&[]), token: &all[0] })),
    ]
    .map(|(name, page)| (name.to_owned(), page))
    .to_vec()
}

/// Entries of every kind, done and refused, with and without what may be missing.
fn entries() -> Vec<usher_tools::AuditEvent> {
    let entry = |n: i64, action: &str| {
        let person =
            |name: Option<&str>| serde_json::json!({"user_id": "01990b1c-7e1a-7000-8000-000000000001", "name": name, "kind": "user"});
        let (refused, erased) = (n % 3 == 1, n % 7 == 3);
        serde_json::json!({
            "id": "01990b1c-7e1a-7000-8000-00000000000e", "sequence": n, "at": format!("2026-11-{:02}T14:00:11.000Z", 1 + n / 5),
            "actor": if n % 5 == 2 { serde_json::json!({"user_id": null, "name": null, "kind": "cli"}) } else { person((!erased).then_some(HOSTILE)) },
            "credential": {"id": "01990b1c-7e1a-7000-8000-000000000003", "kind": "token", "label": HOSTILE},
            "client": (n % 2 == 0).then(|| serde_json::json!({"name": HOSTILE, "verified": n % 4 == 0})),
            "surface": if n % 2 == 0 { "mcp" } else { "web" }, "tool": (n % 2 == 0).then_some("invite_user"), "action": action,
            "target": {"kind": "user", "id": "01990b1c-7e1a-7000-8000-000000000004", "name": (!erased).then_some("ليلى الحداد")},
            "outcome": if refused { "refused" } else { "done" }, "code": refused.then_some("permission_denied"),
            "reason": (n % 4 == 0).then_some(HOSTILE), "repeated": 1 + n % 2, "request_id": "01990b1c-7e1a-7000-8000-000000000005",
            "changes": [{"field": "role", "before": "User", "after": "Administrator"}, {"field": "last_name", "before": HOSTILE, "after": null}],
        })
    };
    let actions = audit::words::ACTIONS.iter().flat_map(|(_, actions)| actions.iter());
    let mut entries: Vec<_> =
        (1..).zip(actions).map(|(n, (action, _))| serde_json::from_value(entry(n, action)).expect("an entry")).collect();
    entries.reverse();
    entries
}

/// When the sample log is looked at.
fn now() -> Timestamp {
    Timestamp::parse_rfc3339("2026-11-25T14:02:00Z").expect("a time")
}

fn log(state: &str, found: Found, under_way: bool, is_empty: bool) -> (String, Page) {
    let counts: Vec<_> = (0..30).map(|day| Count { day: 20_753 + day, people: 7, tools: day.unsigned_abs() * 2, refused: 3 }).collect();
    let chart =
        Chart { bound: Some("Only the newest 20,000 entries are counted.".to_owned()), ..Chart::draw(&counts, 20_753, 20_782, now()) };
    let page = render(&AuditPage {
        frame: &frame(&[Place::Audit]),
        chain: &Chain { entries: "18,204 entries".to_owned(), found, under_way: under_way.then(moment) },
        chart: (!is_empty).then_some(&chart),
        kept: &[("user", HOSTILE.to_owned()), ("from", "2026-11-01".to_owned())],
        user: HOSTILE,
        client: HOSTILE,
        dates: ("2026-11-01", ""),
        actions: &[Choices { title: "", choices: choices(&["any"]) }, Choices { title: "People", choices: choices(&["Invites", HOSTILE]) }],
        surfaces: &choices(&["any", "Web"]),
        outcomes: &choices(&["any", "Done"]),
        times: &choices(&["Any time", "Today"]),
        days: &if is_empty { Vec::new() } else { audit::days(&entries(), now()) },
        range: "Entries 18,204 to 18,155 of 18,204, newest first",
        newer: (!is_empty).then_some("/audit?newer=c3Vu"),
        older: (!is_empty).then_some("/audit?cursor=c3Vu"),
        may_export: !under_way,
    });
    (format!("audit-{state}"), page)
}

/// The pages of the audit log, named.
pub(super) fn audit_log() -> Vec<(String, Page)> {
    let unbroken = Found::Unbroken { entries: "18,201 entries".to_owned(), head: "9f3c1ab0d2e477d2".to_owned(), when: moment() };
    vec![
        log("list", unbroken, false, false),
        log("unchecked", Found::Nothing, true, true),
        log("broken", Found::Broken { words: "Broken at entry 18,011.".to_owned(), when: moment() }, false, true),
        log("unread", Found::Unread { words: "The check could not be finished.", when: moment() }, true, true),
    ]
}

/// All of them.
pub(super) fn every() -> impl Iterator<Item = (String, Page)> {
    all()
        .into_iter()
        .chain(door())
        .chain(second_factor())
        .chain(passwords())
        .chain(sso())
        .chain(dashboard())
        .chain(audit_log())
        .chain(access_group())
        .chain(group_changes())
        .chain(of_the_settings::every())
        .chain(own_tools())
        .chain(of_a_person::every())
}

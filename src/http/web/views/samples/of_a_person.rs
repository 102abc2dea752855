//! The pages of one person.

use super::super::{
    audit::{self, Day},
    frame::Place,
    person::{
        Account, ActivityPage, AddGroupsPage, ConfirmPage, Delivery, Fact, Field, Form, GroupsPage, Invite, May, Membership, Offer,
        PersonPage, Resource, RoleField, Said, Seen, Source, Tab, Token, TokenState, ToolsPage, Who,
    },
    render,
    users::Standing,
};
use super::{HOSTILE, Page, entries, frame, moment, now, until};

fn who(here: Tab, standing: Standing, is_administrator: bool, refused: Option<&str>) -> Who {
    Who {
        id: "01990b1c-7e1a-7000-8000-000000000001".to_owned(),
        name: HOSTILE.to_owned(),
        email: "maximiliana-theodora.vonhohenbruck-altendorf@international-operations.larkspur.example".to_owned(),
        standing,
        is_administrator,
        tabs: Tab::ALL.to_vec(),
        here,
        said: refused.is_none().then_some(Said { result: "is saved.", rest: "It holds on the very next request." }),
        refused: refused.map(str::to_owned),
    }
}

fn details(state: &str, who: &Who, form: Result<&Form, Option<String>>, account: &Account) -> (String, Page) {
    let fact = |name, by: Option<&str>| Fact { name, when: Some(moment()), words: None, by: by.map(str::to_owned) };
    let facts = [
        fact("Invited", None),
        Fact { name: "Joined", when: None, words: Some("not yet".to_owned()), by: None },
        fact("Deactivated", Some(HOSTILE)),
    ];
    let page = PersonPage { frame: &frame(&Place::ALL), who, form, slack_id: Some(HOSTILE), account, facts: &facts };
    (format!("person-{state}"), render(&page))
}

fn edited(conflict: bool, wrong: bool) -> Form {
    let field = || Field {
        value: HOSTILE.to_owned(),
        now: conflict.then(|| HOSTILE.to_owned()),
        error: wrong.then(|| "It must not be empty.".to_owned()),
    };
    Form {
        version: 14,
        seen: Some(Seen {
            first_name: HOSTILE.to_owned(),
            last_name: HOSTILE.to_owned(),
            role: "user".to_owned(),
            slack_id: HOSTILE.to_owned(),
        }),
        first_name: field(),
        last_name: field(),
        role: RoleField {
            administrator: true,
            now: conflict.then_some("User"),
            error: wrong.then(|| "Promote somebody else first.".to_owned()),
            locked: (!conflict && !wrong).then(|| "Promote somebody else first: this is the last active Administrator.".to_owned()),
            many: Some("Larkspur Freight already has 3 Administrators.".to_owned()),
        },
        slack: Some(field()),
        slack_hint: "Found in Slack by email.",
        conflict,
    }
}

fn pending(expired: bool, may: &May) -> Account {
    Account::Pending(Box::new(Invite {
        sent: Some(moment()),
        until: Some(until()),
        expired,
        delivery: Delivery {
            state: if expired { "Failed" } else { "Sent" },
            class: if expired { "bad" } else { "" },
            words: "Their mail server does not take mail for this address.".to_owned(),
        },
        resend: may.clone(),
        withdraw: may.clone(),
    }))
}

fn confirming(state: &str, possible: bool, tried: bool) -> (String, Page) {
    let items = ["2 browser sessions".to_owned(), "2 MCP tokens; their next call gets 401 Unauthorized".to_owned()];
    let error = (possible && tried).then(|| "Reason is too long.".to_owned());
    let page = ConfirmPage {
        frame: &frame(&Place::ALL),
        name: HOSTILE,
        action: "/users/1/deactivate",
        back: "/users/1",
        question: "Deactivate",
        ends: if possible { &items } else { &[] },
        keeps: if possible { &items } else { &[] },
        later: "You can reactivate them later.",
        warning: possible.then_some("Larkspur Freight already has 3 Administrators."),
        keep: "Keep active",
        act: "Deactivate",
        is_danger: true,
        reason: &Field { value: HOSTILE.to_owned(), now: None, error },
        possible,
        why: (!possible).then_some("Nobody deactivates themselves."),
        tried,
    };
    (format!("person_confirm-{state}"), render(&page))
}

/// What stands about them, and their access groups.
fn themselves() -> Vec<(String, Page)> {
    let (fine, not): (May, May) = (Ok(()), Err("Only Administrators do this to an Administrator.".to_owned()));
    let active = who(Tab::Details, Standing::Active, true, None);
    let off = who(Tab::Details, Standing::Deactivated, false, Some("It takes the permission users:deactivate."));
    let expired = who(Tab::Details, Standing::Expired, false, None);
    let group = |size: bool| Membership {
        id: "1".to_owned(),
        name: HOSTILE.to_owned(),
        size: size.then(|| "5 permissions · 61 members".to_owned()),
        since: size.then(moment),
    };
    let source = || Source { permission: "users:read".to_owned(), groups: vec![HOSTILE.to_owned(), "Support".to_owned()] };
    let resources = [Resource { name: "Users".to_owned(), sources: vec![source(), source()] }];
    let (several, one) = ([group(true), group(true)], [group(false)]);
    let groups = |who: &Who, groups: &[Membership], may: bool| {
        render(&GroupsPage {
            frame: &frame(&Place::ALL),
            who,
            groups,
            may_add: may,
            why_not: (!may).then_some("Only Administrators do this to an Administrator."),
            may_remove: may,
            permissions: may.then_some(resources.as_slice()),
        })
    };
    let offer = |ticked, is_in, why_not: Option<&str>| Offer {
        id: "1".to_owned(),
        name: HOSTILE.to_owned(),
        description: HOSTILE.to_owned(),
        permissions: 1,
        ticked,
        is_in,
        why_not: why_not.map(str::to_owned),
    };
    let offers =
        [offer(true, false, None), offer(false, true, None), offer(false, false, Some("You do not hold users:deactivate yourself."))];
    let adding = |offers: &[Offer], searches, error| {
        render(&AddGroupsPage {
            frame: &frame(&Place::ALL),
            id: "1",
            name: HOSTILE,
            query: HOSTILE,
            searches,
            chosen: if searches { offers.get(..1).unwrap_or_default() } else { &[] },
            offers,
            range: searches.then_some("The first 100 of 312; search for the others."),
            error,
        })
    };
    vec![
        details("active", &active, Ok(&edited(false, false)), &Account::Active(fine.clone())),
        details("conflict", &active, Ok(&edited(true, false)), &Account::Active(not.clone())),
        details("errors", &active, Ok(&edited(false, true)), &Account::Deactivated(fine.clone())),
        details("read", &off, Err(Some("Only Administrators change Administrators.".to_owned())), &Account::Deactivated(not.clone())),
        details("pending", &active, Err(None), &pending(false, &not)),
        details("expired", &expired, Ok(&edited(false, false)), &pending(true, &fine)),
        confirming("asked", true, false),
        confirming("wrong", true, true),
        confirming("impossible", false, true),
        ("person_groups-several".to_owned(), groups(&who(Tab::Groups, Standing::Active, false, None), &several, true)),
        ("person_groups-read".to_owned(), groups(&who(Tab::Groups, Standing::Pending, true, Some("Gone.")), &one, false)),
        ("person_groups-none".to_owned(), groups(&who(Tab::Groups, Standing::Active, false, None), &[], true)),
        ("person_add_groups-some".to_owned(), adding(&offers, true, Some("Choose at least one group."))),
        ("person_add_groups-none".to_owned(), adding(&[], false, None)),
    ]
}

/// What they did, and by what programs act as them.
fn acting() -> Vec<(String, Page)> {
    let token = |state| Token {
        id: "1".to_owned(),
        label: HOSTILE.to_owned(),
        client: (state == TokenState::Works).then(|| HOSTILE.to_owned()),
        writes: state == TokenState::Works,
        state,
        made: moment(),
        used: (state == TokenState::Works).then(moment),
        ends: until(),
    };
    let tokens = [token(TokenState::Works), token(TokenState::Expired), token(TokenState::Revoked)];
    let tools = |who: &Who, tokens: &[Token], may_end| {
        render(&ToolsPage {
            frame: &frame(&Place::ALL),
            who,
            count: "1 works now.",
            works: !tokens.is_empty(),
            tokens,
            may_end,
            why_not: (!may_end).then_some("Only Administrators do this to an Administrator."),
        })
    };
    let activity = |days: &[Day]| {
        render(&ActivityPage {
            frame: &frame(&Place::ALL),
            who: &who(Tab::Activity, Standing::Active, false, None),
            days,
            log: "/audit?user=1",
            first: (!days.is_empty()).then_some("/users/1/activity"),
            older: (!days.is_empty()).then_some("/users/1/activity?cursor=c3Vu"),
        })
    };
    vec![
        ("person_tools-several".to_owned(), tools(&who(Tab::Tools, Standing::Active, false, None), &tokens, true)),
        ("person_tools-read".to_owned(), tools(&who(Tab::Tools, Standing::Active, true, Some("Gone.")), &tokens, false)),
        ("person_tools-none".to_owned(), tools(&who(Tab::Tools, Standing::Pending, false, None), &[], true)),
        ("person_activity-some".to_owned(), activity(&audit::days(&entries(), now()))),
        ("person_activity-none".to_owned(), activity(&[])),
    ]
}

/// All of them, named.
pub(super) fn every() -> Vec<(String, Page)> {
    [themselves(), acting()].concat()
}

#[path = "samples.rs"]
mod samples;

use super::*;
use crate::{domain::Timestamp, hosts as snippets};
use samples::{DEAD, HOSTILE, accept, all, dead, every, passwords, second_factor, sso};

#[test]
fn every_page_keeps_the_content_security_policy() {
    for (name, page) in every() {
        for banned in ["<script", " style=", "<style", " onclick", "javascript:", "http-equiv", "<iframe"] {
            assert!(!page.html.contains(banned), "{name} holds {banned}");
        }
        // The only absolute addresses are shown as text, never loaded.
        for attribute in ["src=\"", "href=\"http", "href=\"//", "action=\"http"] {
            assert!(!page.html.contains(attribute), "{name} holds {attribute}");
        }
        assert_eq!(page.html.matches("<h1").count(), 1, "{name}");
        assert_eq!(page.html.matches("<main").count(), 1, "{name}");
        assert!(page.html.contains("href=\"/assets/style.css\""), "{name}");
    }
}

#[test]
fn a_form_says_where_it_comes_from_and_no_other_page_does() {
    for (name, page) in every() {
        let policy = if page.html.contains("<form") { "same-origin" } else { "no-referrer" };
        assert!(page.html.contains(&format!("<meta name=\"referrer\" content=\"{policy}\">")), "{name}");
    }
}

#[test]
fn a_page_of_an_error_has_a_number_only_where_the_log_does() {
    for fault in Fault::ALL {
        let html = render(&ErrorPage { base: "", fault, why: None, request_id: None }).html;
        assert!(!html.contains("this number") && !html.contains("<code>"), "{fault:?}");
    }
}

#[test]
fn no_page_has_a_dead_link() {
    for (name, page) in all() {
        for place in page.html.split("<a ").skip(1).filter_map(|rest| rest.split("href=\"").nth(1)?.split('"').next()) {
            assert!(["/", "/me", "/me/tools", "/sign-in"].contains(&place), "{name} links to {place}");
        }
    }
}

#[test]
fn each_page_has_its_status() {
    let status = |wanted: &str| all().into_iter().find(|(name, _)| name == wanted).map(|(_, page)| page.status.as_u16());
    for (name, wanted) in [
        ("accept", 200),
        ("accept-show", 200),
        ("accept-errors", 422),
        ("joined", 200),
        ("unknown", 404),
        ("again", 404),
        ("wait", 429),
        ("wait-at-the-door", 429),
        ("index", 200),
        ("dead-Expired", 410),
        ("dead-Superseded", 410),
        ("dead-Withdrawn", 410),
        ("dead-Used", 410),
        ("dead-Suspended", 410),
        ("error-NotFound", 404),
        ("error-MethodNotAllowed", 405),
        ("error-TooLarge", 413),
        ("error-Internal", 500),
    ] {
        assert_eq!(status(name), Some(wanted), "{name}");
    }
}

#[test]
fn the_form_posts_the_fields_of_the_interface() {
    let html = render(&accept()).html;
    for field in [
        "name=\"first_name\"",
        "name=\"last_name\"",
        "name=\"password\" type=\"password\"",
        "name=\"do\" value=\"join\"",
        "name=\"do\" value=\"show\"",
        "method=\"post\" action=\"/invite/3vX9kQ2mT7pLr0WzB4cJ\"",
        "name=\"username\" autocomplete=\"username\" value=\"oksana.petrenko@larkspur.example\"",
        "oksana.petrenko<wbr>@larkspur.example",
        "datetime=\"2026-12-02T14:00:00.000Z\"",
    ] {
        assert!(html.contains(field), "missing: {field}");
    }
    // Enter presses the first button.
    assert!(html.find("value=\"join\"") < html.find("value=\"show\""));
}

#[test]
fn an_error_keeps_what_was_typed_except_the_password() {
    let errors = [
        FieldError { field: "password", message: "Too short: take 15 characters or more." },
        FieldError { field: "last_name", message: "Last name is missing." },
    ];
    let html = render(&AcceptPage { first_name: "Oksana <Ksenia>", last_name: "", errors: &errors, ..accept() }).html;
    assert!(html.contains("value=\"Oksana &#60;Ksenia&#62;\""));
    assert!(html.contains("aria-invalid=\"true\" aria-describedby=\"np-e\""));
    assert!(html.contains("Too short: take 15 characters or more."));
    assert!(!html.contains("id=\"np-h\""), "the error replaces the hint");
    assert_eq!(html.matches(" autofocus").count(), 1);
    assert!(html.contains("aria-describedby=\"ln-e\" autofocus"));
    assert!(!html.contains("name=\"password\" type=\"password\" autocomplete=\"new-password\" minlength=\"15\" required value"));
}

#[test]
fn do_show_renders_the_password_as_text() {
    let html =
        render(&AcceptPage { show_password: Some(NewPassword { text: "a \"quoted\" <sentence>", strength: "Good" }), ..accept() }).html;
    assert!(html.contains("name=\"password\" type=\"text\""));
    assert!(html.contains("value=\"a &#34;quoted&#34; &#60;sentence&#62;\""));
    assert!(!html.contains("value=\"show\""));
}

#[test]
fn r_b88_names_are_text_everywhere() {
    let errors = [FieldError { field: "x", message: HOSTILE }];
    let moment = Moment { iso: HOSTILE, words: HOSTILE };
    let pages = [
        render(&AcceptPage {
            base: HOSTILE,
            action: HOSTILE,
            organization: HOSTILE,
            inviter: HOSTILE,
            person: HOSTILE,
            email: HOSTILE,
            role: HOSTILE,
            until: moment,
            providers: &[],
            first_name: HOSTILE,
            last_name: HOSTILE,
            show_password: Some(NewPassword { text: HOSTILE, strength: HOSTILE }),
            errors: &errors,
        }),
        render(&JoinedPage { base: HOSTILE, organization: HOSTILE, person: HOSTILE, email: HOSTILE, role: HOSTILE, mcp_url: HOSTILE }),
        render(&DeadLinkPage { base: HOSTILE, organization: HOSTILE, why: DeadLink::Used, date: moment }),
        render(&ErrorPage { base: HOSTILE, fault: Fault::NotFound, why: None, request_id: Some(HOSTILE) }),
        render(&IndexPage { base: HOSTILE, mcp_url: HOSTILE }),
    ];
    for page in pages {
        assert!(!page.html.contains("<img"), "{}", page.html);
        assert!(!page.html.contains("<svg/onload"), "{}", page.html);
        assert!(!page.html.contains("onerror=alert(1)>"), "{}", page.html);
    }
}

#[test]
fn names_on_the_pages_of_the_second_factor_are_text_and_a_wrong_code_is_an_error() {
    for (name, page) in second_factor() {
        assert!(!page.html.contains("<img") && !page.html.contains("<svg/onload"), "{name}");
        let wanted = if page.html.contains("does not count") { 422 } else { 200 };
        assert_eq!(page.status, wanted, "{name}");
    }
}

#[test]
fn names_on_the_pages_of_single_sign_on_and_of_passwords_are_text() {
    for (name, page) in sso().into_iter().chain(passwords()) {
        assert!(!page.html.contains("<img") && !page.html.contains("<svg/onload"), "{name}");
    }
}

#[test]
fn a_page_of_a_link_that_any_browser_opens_does_not_say_to_which_address_it_went() {
    for (name, page) in passwords() {
        let status = if name.ends_with("-wrong") || name.ends_with("-refused") || name.ends_with("-found") { 422 } else { 200 };
        assert_eq!(page.status, status, "{name}");
        assert!(!name.starts_with("link-started") || !page.html.contains("oksana.petrenko"), "{name}");
    }
}

#[test]
fn r_b70_a_dead_link_names_the_organization_alone() {
    for why in DEAD {
        let html = render(&dead(why)).html;
        assert!(html.contains("Larkspur Freight"));
        assert!(html.contains("2 Dec 2026, 14:00 UTC"));
        for secret in ["Oksana", "Mirela", "@", "Administrator</dd>", ">User<"] {
            assert!(!html.contains(secret), "{why:?} shows {secret}");
        }
    }
}

#[test]
fn r_b28_a_superseded_link_says_so() {
    assert!(render(&dead(DeadLink::Superseded)).html.contains("A newer invite was sent"));
}

#[test]
fn b11_an_expired_link_says_what_to_do() {
    let html = render(&dead(DeadLink::Expired)).html;
    assert!(html.contains("This invite has expired"));
    assert!(html.contains("resend the invite"));
}

#[test]
fn assets_hang_below_the_base() {
    let html = render(&UnknownLinkPage { base: "/usher" }).html;
    assert!(html.contains("href=\"/usher/assets/style.css\""));
    assert!(html.contains("href=\"/usher/assets/icon.svg\""));
}

#[test]
fn assets_have_their_own_tags() {
    assert_ne!(STYLE.etag(), ICON.etag());
    for asset in ASSETS {
        assert_eq!(asset.etag().len(), 18);
        assert!(asset.etag().starts_with('"') && asset.etag().ends_with('"'));
        // No style sheet or icon may pull in anything from elsewhere.
        let text = String::from_utf8_lossy(asset.body);
        assert!(!text.contains("url(") && !text.contains("@import"));
    }
}

#[test]
fn initials_skip_what_is_no_letter() {
    assert_eq!(initials("Mirela Vasquez-Thorne"), "MV");
    assert_eq!(initials("Dana (Vendor)"), "DV");
    assert_eq!(initials("Ana María de la Cruz"), "AC");
    assert_eq!(initials("Plato"), "P");
    assert_eq!(initials("…"), "");
}

#[test]
fn a_wait_is_rounded_up() {
    let wait = |retry_after_seconds| TooManyTriesPage { base: "", retry_after_seconds, has_link: true }.wait();
    assert_eq!(wait(0), "1 minute");
    assert_eq!(wait(60), "1 minute");
    assert_eq!(wait(61), "2 minutes");
}

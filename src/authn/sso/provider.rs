//! Who the provider is: its issuer, and this server's registration with it.

use crate::domain::Invalid;
use std::fmt;
use url::Url;
use uuid::Uuid;
use zeroize::Zeroizing;

/// Longest issuer and client id, in bytes.
const MAX: usize = 255;

/// Google's issuer, the same for everybody.
pub const GOOGLE: &str = "https://accounts.google.com";

/// Where Microsoft's issuers stand; the tenant follows.
const MICROSOFT: &str = "https://login.microsoftonline.com/";

/// Its tenant of personal accounts, which anybody can have.
const PERSONAL: Uuid = Uuid::from_u128(0x9188_040d_6c67_4c5b_b112_36a3_04b6_6dad);

/// Words that stand in place of a tenant for "any of them", in Microsoft's issuers.
const ANY_TENANT: [&str; 2] = ["common", "organizations"];

/// What stands in their documents in place of the tenant.
const TENANT: &str = "{tenantid}";

/// Who signs: one issuer, or a list of tenants of a provider that serves many under one address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    text: String,
    tenants: Vec<Uuid>,
}

impl Issuer {
    /// Reads an issuer, compared byte by byte ever after. With tenants it must be a multi-tenant one of Microsoft's form.
    ///
    /// Everybody on earth can be a tenant of a multi-tenant issuer, so one is taken only with the list of those that count.
    ///
    /// # Errors
    /// Names `issuer` or `tenants`, and the form.
    pub fn parse(text: &str, tenants: &[String]) -> Result<Self, Invalid> {
        let wrong = |field, message: &'static str, hint: &'static str| Err(Invalid::new(field, message).with_hint(hint));
        let text = text.trim();
        let url = Url::parse(text).ok().filter(|url| text.len() <= MAX && matches!(url.scheme(), "https" | "http") && url.host().is_some());
        let Some(url) =
            url.filter(|url| url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none())
        else {
            return wrong(
                "issuer",
                "`issuer` is not the address of an identity provider.",
                "Give it as the provider writes it, such as https://accounts.google.com.",
            );
        };
        let tenants: Result<Vec<Uuid>, _> = tenants.iter().map(|tenant| Uuid::parse_str(tenant.trim())).collect();
        let Ok(tenants) = tenants else {
            return wrong(
                "tenants",
                "`tenants` holds something that is no tenant id.",
                "Give the Directory (tenant) IDs, separated by commas.",
            );
        };
        let segment = url.path_segments().and_then(|mut segments| segments.next()).unwrap_or_default();
        let any = ANY_TENANT.contains(&segment);
        if !tenants.is_empty() && !any {
            return wrong(
                "tenants",
                "This issuer belongs to one tenant already.",
                "Leave out the tenants, or connect the issuer `organizations`.",
            );
        }
        if text.starts_with(MICROSOFT) && tenants.is_empty() && (any || Uuid::parse_str(segment).is_err()) {
            return wrong(
                "issuer",
                "This issuer does not say which Microsoft tenant may sign in.",
                "Give your own Directory (tenant) ID, from the overview of your app registration; personal accounts have 9188040d-6c67-4c5b-b112-36a304b66dad. For several tenants, connect `organizations` and list them.",
            );
        }
        Ok(Self { text: text.to_owned(), tenants })
    }

    /// One tenant of Microsoft's, or `common` or `organizations` with a list.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn microsoft(tenant: &str, tenants: &[String]) -> Result<Self, Invalid> {
        Self::parse(&format!("{MICROSOFT}{}/v2.0", tenant.trim()), tenants)
    }

    /// The issuer as it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The tenants that count; none where the issuer is one tenant's own.
    #[must_use]
    pub fn tenants(&self) -> &[Uuid] {
        &self.tenants
    }

    /// Where the provider describes itself (OpenID Connect Discovery, section 4).
    #[must_use]
    pub(super) fn document(&self) -> Option<Url> {
        Url::parse(&format!("{}/.well-known/openid-configuration", self.text.trim_end_matches('/'))).ok()
    }

    /// What the document must call the issuer.
    pub(super) fn described(&self) -> String {
        if self.tenants.is_empty() {
            return self.text.clone();
        }
        ANY_TENANT.iter().fold(self.text.clone(), |text, any| text.replacen(&format!("/{any}/"), &format!("/{TENANT}/"), 1))
    }

    /// Whether people of more than one organization have accounts there, so that anybody could bring any address.
    fn is_shared(&self) -> bool {
        let tenant = self.text.strip_prefix(MICROSOFT).and_then(|rest| rest.split('/').next());
        let personal = tenant.and_then(|tenant| Uuid::parse_str(tenant).ok()) == Some(PERSONAL);
        !self.tenants.is_empty() || self.text == GOOGLE || personal
    }

    /// Whether it is known to offer a choice of accounts.
    pub(super) fn lets_people_choose(&self) -> bool {
        self.text == GOOGLE || self.text.starts_with(MICROSOFT)
    }

    /// Whether a token of this issuer and tenant counts.
    pub(super) fn admits(&self, issuer: &str, tenant: Option<&str>) -> bool {
        if self.tenants.is_empty() {
            return issuer == self.text;
        }
        let Some(tenant) = tenant.and_then(|tenant| Uuid::parse_str(tenant).ok()) else { return false };
        self.tenants.contains(&tenant) && issuer == self.described().replace(TENANT, &tenant.to_string())
    }

    /// Whether a key that names an issuer of its own signs for this one (Microsoft: a key of one cloud, or of one tenant).
    pub(super) fn key_signs(named: &str, issuer: &str, tenant: Option<&str>) -> bool {
        named.replace(TENANT, tenant.unwrap_or_default()) == issuer
    }
}

/// A secret of the provider's. `Debug` does not show it.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Keeps a secret.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The secret itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// A provider as one organization connected it.
#[derive(Clone, Debug)]
pub struct Provider {
    pub(super) issuer: Issuer,
    pub(super) client_id: String,
    pub(super) client_secret: Secret,
    pub(super) trusts_unverified_email: bool,
}

impl Provider {
    /// Puts a connection together. An address that the provider does not call verified can count only where the issuer is
    /// one organization's own, whose administrators gave out that address.
    ///
    /// # Errors
    /// Names `client_id`, `client_secret` or `trusts_unverified_email`.
    pub fn new(issuer: Issuer, client_id: &str, client_secret: Secret, trusts_unverified_email: bool) -> Result<Self, Invalid> {
        for (field, text) in [("client_id", client_id), ("client_secret", client_secret.expose())] {
            if text.is_empty() || text.len() > MAX || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
                return Err(Invalid::new(field, format!("`{field}` is not as a provider gives it out."))
                    .with_hint(format!("Copy it from the provider: 1 to {MAX} characters without spaces.")));
            }
        }
        if trusts_unverified_email && issuer.is_shared() {
            return Err(Invalid::new(
                "trusts_unverified_email",
                "This issuer serves more than one organization: anybody could bring any address.",
            )
            .with_hint("Leave the switch off, or connect the issuer of your own tenant."));
        }
        Ok(Self { issuer, client_id: client_id.to_owned(), client_secret, trusts_unverified_email })
    }

    /// Its issuer.
    #[must_use]
    pub fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// Whether both name themselves alike to the provider, and by the same secret.
    #[must_use]
    pub fn is_registered_as(&self, other: &Self) -> bool {
        self.client_id == other.client_id && self.client_secret.expose() == other.client_secret.expose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "72f988bf-86f1-41af-91ab-2d7cd011db47";
    const OTHER: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";

    fn list(tenants: &[&str]) -> Vec<String> {
        tenants.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_issuer_is_a_plain_address() {
        for text in [GOOGLE, "https://idp.example/realms/a", "https://idp.example:8443/", "http://127.0.0.1:9000"] {
            assert_eq!(Issuer::parse(text, &[]).unwrap().as_str(), text);
        }
        for text in ["", "idp.example", "ftp://idp.example", "https://a:b@idp.example", "https://idp.example/?x", "https://idp.example/#x"]
        {
            assert_eq!(Issuer::parse(text, &[]).unwrap_err().field, "issuer", "{text}");
        }
        let document = |text| Issuer::parse(text, &[]).unwrap().document().unwrap().to_string();
        assert_eq!(document(GOOGLE), "https://accounts.google.com/.well-known/openid-configuration");
        assert_eq!(document("https://idp.example/realms/a/"), "https://idp.example/realms/a/.well-known/openid-configuration");
    }

    #[test]
    fn a_microsoft_tenant_is_named() {
        assert_eq!(Issuer::microsoft(ONE, &[]).unwrap().as_str(), format!("https://login.microsoftonline.com/{ONE}/v2.0"));
        for tenant in ["common", "organizations", "consumers", "contoso.onmicrosoft.com", ""] {
            let invalid = Issuer::microsoft(tenant, &[]).unwrap_err();
            assert!(invalid.field == "issuer" && invalid.hint.unwrap().contains("Directory (tenant) ID"), "{tenant}");
        }
        assert_eq!(Issuer::microsoft(ONE, &list(&[OTHER])).unwrap_err().field, "tenants");
        assert_eq!(Issuer::microsoft("organizations", &list(&["contoso"])).unwrap_err().field, "tenants");
    }

    #[test]
    fn only_listed_tenants_count_and_only_under_their_own_issuer() {
        let issuer = Issuer::microsoft("organizations", &list(&[ONE])).unwrap();
        assert_eq!(issuer.described(), "https://login.microsoftonline.com/{tenantid}/v2.0");
        let of = |tenant: &str| format!("https://login.microsoftonline.com/{tenant}/v2.0");
        assert!(issuer.admits(&of(ONE), Some(ONE)));
        for (from, tenant) in
            [(of(OTHER), Some(OTHER)), (of(OTHER), Some(ONE)), (of(ONE), Some(OTHER)), (of(ONE), None), (issuer.described(), Some(ONE))]
        {
            assert!(!issuer.admits(&from, tenant), "{from} {tenant:?}");
        }
        assert!(Issuer::key_signs(&issuer.described(), &of(ONE), Some(ONE)));
        assert!(!Issuer::key_signs(&of(OTHER), &of(ONE), Some(ONE)));
    }

    #[test]
    fn unverified_addresses_count_only_where_the_issuer_is_ones_own() {
        let connect = |issuer: Issuer| Provider::new(issuer, "client", Secret::new("secret".into()), true);
        assert!(connect(Issuer::microsoft(ONE, &[]).unwrap()).is_ok());
        let shared = [
            Issuer::parse(GOOGLE, &[]),
            Issuer::microsoft("common", &list(&[ONE])),
            // Personal accounts: anybody has one, whatever the address.
            Issuer::microsoft(OTHER, &[]),
            Issuer::microsoft(&OTHER.to_uppercase(), &[]),
        ];
        for issuer in shared.map(Result::unwrap) {
            assert_eq!(connect(issuer).unwrap_err().field, "trusts_unverified_email");
        }
        let shown = format!("{:?}", connect(Issuer::microsoft(ONE, &[]).unwrap()).unwrap());
        assert!(!shown.contains("\"secret\""), "{shown}");
    }
}

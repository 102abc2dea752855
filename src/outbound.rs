//! The one client for every address that somebody else chose: identity providers, client documents, Slack.
//!
//! Whoever may write an address into a setting must not reach with it what only this server can reach. So each call goes to
//! `https`, through no proxy, follows no redirect, has a time and a size that it may not exceed, and ends only at an address
//! of the public internet: names are looked up here, and what is dialled is what was checked, so that a name which means
//! another address a moment later gains nothing. `--outbound-allow` opens single blocks, `--outbound-ca` adds certificate
//! authorities; plain `http` is for allowed loopback addresses alone.

use crate::config::is_loopback_name;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use reqwest::{
    Client, Method, RequestBuilder,
    dns::{Addrs, Name, Resolve, Resolving},
    header::HeaderMap,
    redirect::Policy,
};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject},
};
use serde::de::DeserializeOwned;
use std::{
    error::Error as StdError,
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::Path,
    sync::Arc,
    time::Duration,
};
use url::{Host, Url};

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a call may take in all, the name's look-up and the last byte of the answer included.
const WHOLE: Duration = Duration::from_secs(10);

/// Why a call came to nothing. The words are the operator's; nothing that the other side sent is in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// No URL, or one that is never called: no `https`, a user or a fragment in it.
    #[error("the address is not an https:// URL without user and fragment")]
    Address,
    /// Every address behind the host is private, reserved or this machine's own.
    #[error("the address is not on the public internet: --outbound-allow opens private ones")]
    Refused,
    /// No such name, no connection, or one that broke off.
    #[error("the address cannot be reached")]
    Unreachable,
    /// Not done within the time limit.
    #[error("the address did not answer in time")]
    Slow,
    /// The answer is longer than anything of its kind.
    #[error("the answer is too large")]
    Large,
    /// The certificate is not one to trust, or no TLS could be agreed on.
    #[error("no trusted TLS connection could be made: --outbound-ca adds a certificate authority")]
    Tls,
    /// Another status, another form, another content.
    #[error("the answer is not what was expected")]
    Unexpected,
}

impl Fault {
    /// A stable word for logs and results.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Address => "not_an_address",
            Self::Refused => "refused_address",
            Self::Unreachable => "unreachable",
            Self::Slow => "too_slow",
            Self::Large => "too_large",
            Self::Tls => "tls",
            Self::Unexpected => "unexpected_answer",
        }
    }
}

/// What came back. A redirect comes back as itself.
#[derive(Debug)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The headers, as they came.
    pub headers: HeaderMap,
    /// The body, within the limit.
    pub body: Vec<u8>,
}

impl Reply {
    /// The body of a 200 as JSON.
    ///
    /// # Errors
    /// [`Fault::Unexpected`] for another status or form.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Fault> {
        if self.status != 200 {
            return Err(Fault::Unexpected);
        }
        serde_json::from_slice(&self.body).map_err(|_| Fault::Unexpected)
    }
}

/// The client; clones share its connections.
#[derive(Clone, Debug)]
pub struct Outbound {
    http: Client,
    rules: Arc<Rules>,
    whole: Duration,
}

impl Outbound {
    /// From the operator's settings: blocks that may be called although they are private, and a file with more certificate
    /// authorities.
    ///
    /// # Errors
    /// A sentence for the operator, where the file does not hold certificates.
    pub fn new(allow: &[IpNet], authorities: Option<&Path>) -> Result<Self, String> {
        let rules = Arc::new(Rules { allow: allow.to_vec() });
        let http = Client::builder()
            .tls_backend_preconfigured(tls(authorities)?)
            .dns_resolver(Arc::new(Checked(Arc::clone(&rules))))
            .redirect(Policy::none())
            .referer(false)
            .no_proxy()
            .connect_timeout(CONNECT)
            .user_agent(concat!("usher/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| format!("calls to other servers cannot be made: {error}"))?;
        Ok(Self { http, rules, whole: WHOLE })
    }

    /// The same with another time limit for a whole call.
    #[must_use]
    pub fn within(mut self, whole: Duration) -> Self {
        self.whole = whole;
        self
    }

    /// A `GET` to be sent with [`send`](Self::send).
    pub fn get(&self, url: &Url) -> RequestBuilder {
        self.http.request(Method::GET, url.clone())
    }

    /// A `POST` to be sent with [`send`](Self::send).
    pub fn post(&self, url: &Url) -> RequestBuilder {
        self.http.request(Method::POST, url.clone())
    }

    /// Whether the address may be called, as far as it can be said before the name is looked up.
    ///
    /// # Errors
    /// [`Fault::Address`] or [`Fault::Refused`].
    pub fn check(&self, url: &Url) -> Result<(), Fault> {
        self.rules.check(url)
    }

    /// Calls, and reads at most so many bytes of the answer.
    ///
    /// # Errors
    /// See [`Fault`]; a status is no fault.
    pub async fn send(&self, request: RequestBuilder, most: usize) -> Result<Reply, Fault> {
        let request = request.timeout(self.whole).build().map_err(|_| Fault::Address)?;
        self.check(request.url())?;
        let mut response = self.http.execute(request).await.map_err(|error| fault(&error))?;
        let length = response.content_length().unwrap_or_default();
        if usize::try_from(length).map_or(true, |length| length > most) {
            return Err(Fault::Large);
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| fault(&error))? {
            if body.len() + chunk.len() > most {
                return Err(Fault::Large);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Reply { status: response.status().as_u16(), headers: response.headers().clone(), body })
    }
}

/// The system's certificate authorities and the operator's. A system without any can still start: its calls then fail as
/// untrusted.
fn tls(authorities: Option<&Path>) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = authorities {
        let wrong = |error: String| format!("--outbound-ca: {} holds no certificates in PEM ({error})", path.display());
        let file = CertificateDer::pem_file_iter(path).map_err(|error| wrong(error.to_string()))?;
        let certificates = file.collect::<Result<Vec<_>, _>>().map_err(|error| wrong(error.to_string()))?;
        if certificates.is_empty() {
            return Err(wrong("it is empty".to_owned()));
        }
        for certificate in certificates {
            roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
        }
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS cannot be set up: {error}"))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// What the client's error means; the innermost cause says it.
fn fault(error: &reqwest::Error) -> Fault {
    if error.is_timeout() {
        return Fault::Slow;
    }
    let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = cause {
        if error.is::<NotPublic>() {
            return Fault::Refused;
        }
        if error.is::<rustls::Error>() {
            return Fault::Tls;
        }
        // An I/O error hides what it wraps from `source`.
        cause = match error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    Fault::Unreachable
}

/// Names, looked up here and checked before anything is dialled.
struct Checked(Arc<Rules>);

impl Resolve for Checked {
    fn resolve(&self, name: Name) -> Resolving {
        let rules = Arc::clone(&self.0);
        Box::pin(async move {
            let name = name.as_str();
            // These mean this machine whatever a name server says (RFC 6761).
            let found: Vec<SocketAddr> = if is_loopback_name(name) {
                [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)].map(|address| SocketAddr::new(address, 0)).to_vec()
            } else {
                tokio::net::lookup_host((name, 0)).await?.collect()
            };
            let allowed: Vec<SocketAddr> = found.into_iter().filter(|address| rules.allows(address.ip())).collect();
            if allowed.is_empty() {
                return Err(NotPublic.into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// The name leads to no address that may be called.
#[derive(Debug)]
struct NotPublic;

impl fmt::Display for NotPublic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not on the public internet")
    }
}

impl StdError for NotPublic {}

/// Which addresses may be called.
#[derive(Debug)]
struct Rules {
    allow: Vec<IpNet>,
}

impl Rules {
    fn check(&self, url: &Url) -> Result<(), Fault> {
        if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
            return Err(Fault::Address);
        }
        // A host that is an address is dialled without a look-up.
        let (literal, loopback) = match url.host().ok_or(Fault::Address)? {
            Host::Domain(name) => (None, is_loopback_name(name)),
            Host::Ipv4(address) => (Some(IpAddr::from(address)), address.is_loopback()),
            Host::Ipv6(address) => (Some(IpAddr::from(address)), address.is_loopback()),
        };
        match url.scheme() {
            "https" => {}
            "http" if loopback => {}
            _ => return Err(Fault::Address),
        }
        match literal {
            Some(address) if !self.allows(address) => Err(Fault::Refused),
            _ => Ok(()),
        }
    }

    fn allows(&self, address: IpAddr) -> bool {
        is_public(address) || self.allow.iter().any(|block| block.contains(&address))
    }
}

/// Blocks of IPv4 that are not the public internet (IANA's special-purpose registry, and multicast).
const SPECIAL_V4: [Ipv4Net; 14] = [
    v4(0, 0, 0, 0, 8),       // this network, unspecified
    v4(10, 0, 0, 0, 8),      // private
    v4(100, 64, 0, 0, 10),   // carrier-grade NAT
    v4(127, 0, 0, 0, 8),     // loopback
    v4(169, 254, 0, 0, 16),  // link-local, cloud metadata
    v4(172, 16, 0, 0, 12),   // private
    v4(192, 0, 0, 0, 24),    // protocol assignments
    v4(192, 0, 2, 0, 24),    // documentation
    v4(192, 88, 99, 0, 24),  // 6to4 relays
    v4(192, 168, 0, 0, 16),  // private
    v4(198, 18, 0, 0, 15),   // benchmarking
    v4(198, 51, 100, 0, 24), // documentation
    v4(203, 0, 113, 0, 24),  // documentation
    v4(224, 0, 0, 0, 3),     // multicast, reserved, broadcast
];

/// Global unicast of IPv6. Everything outside is refused: loopback, link-local, unique local, multicast, and with them
/// IPv4-mapped and NAT64 addresses, behind which any address of IPv4 may stand.
const GLOBAL_V6: Ipv6Net = v6(0x2000, 0, 3);

/// Blocks of that which are not the public internet.
const SPECIAL_V6: [Ipv6Net; 4] = [
    v6(0x2001, 0, 23),     // protocol assignments: Teredo, benchmarking, ORCHID
    v6(0x2001, 0xdb8, 32), // documentation
    v6(0x2002, 0, 16),     // 6to4, with an IPv4 address inside
    v6(0x3fff, 0, 20),     // documentation
];

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(a: u16, b: u16, prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, 0, 0, 0, 0, 0, 0), prefix)
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !SPECIAL_V4.iter().any(|block| block.contains(&address)),
        IpAddr::V6(address) => GLOBAL_V6.contains(&address) && !SPECIAL_V6.iter().any(|block| block.contains(&address)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outbound(allow: &[&str]) -> Outbound {
        Outbound::new(&allow.iter().map(|block| block.parse().unwrap()).collect::<Vec<_>>(), None).unwrap()
    }

    fn checked(outbound: &Outbound, url: &str) -> Result<(), Fault> {
        outbound.check(&Url::parse(url).map_err(|_| Fault::Address)?)
    }

    #[test]
    fn only_the_public_internet_is_called() {
        for address in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.255",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "64:ff9b::a00:1",
            "64:ff9b:1::1",
            "100::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "2001::1",
            "2001:2::1",
            "2001:10::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "5f00::1",
        ] {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
        for address in ["1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.1", "172.15.0.1", "172.32.0.1", "198.17.0.1", "223.255.255.255"]
            .into_iter()
            .chain(["2606:4700::1111", "2a00:1450:4001::1", "2001:4860:4860::8888", "2003::1"])
        {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn nasty_addresses_are_not_called() {
        let closed = outbound(&[]);
        for (url, fault) in [
            ("https://127.0.0.1/", Fault::Refused),
            ("https://127.1/", Fault::Refused),
            ("https://2130706433/", Fault::Refused),
            ("https://0x7f000001/", Fault::Refused),
            ("https://0177.0.0.1/", Fault::Refused),
            ("https://１２７.0.0.1/", Fault::Refused),
            ("https://169.254.169.254/latest/meta-data/", Fault::Refused),
            ("https://[::1]/", Fault::Refused),
            ("https://[::]/", Fault::Refused),
            ("https://[::ffff:10.0.0.1]/", Fault::Refused),
            ("https://[64:ff9b::127.0.0.1]/", Fault::Refused),
            ("https://[fe80::1]/", Fault::Refused),
            ("http://127.0.0.1/", Fault::Refused),
            ("http://8.8.8.8/", Fault::Address),
            ("http://accounts.example.com/", Fault::Address),
            ("ftp://accounts.example.com/", Fault::Address),
            ("file:///etc/passwd", Fault::Address),
            ("data:application/json,{}", Fault::Address),
            ("javascript:alert(1)", Fault::Address),
            ("https://accounts.example.com@127.0.0.1/", Fault::Address),
            ("https://:secret@accounts.example.com/", Fault::Address),
            ("https://accounts.example.com/#x", Fault::Address),
            ("https:///", Fault::Address),
            ("accounts.example.com", Fault::Address),
        ] {
            assert_eq!(checked(&closed, url), Err(fault), "{url}");
        }
        for url in ["https://accounts.google.com", "https://8.8.8.8/", "https://[2606:4700::1111]:8443/x?y=z"] {
            assert_eq!(checked(&closed, url), Ok(()), "{url}");
        }
    }

    #[test]
    fn an_operator_opens_single_blocks_and_http_only_on_loopback() {
        let open = outbound(&["127.0.0.0/8", "10.1.0.0/16"]);
        for url in ["http://127.0.0.1:8080/", "https://127.0.0.1/", "http://localhost:9/", "https://10.1.2.3/"] {
            assert_eq!(checked(&open, url), Ok(()), "{url}");
        }
        assert_eq!(checked(&open, "https://10.2.0.1/"), Err(Fault::Refused));
        assert_eq!(checked(&open, "https://[::1]/"), Err(Fault::Refused));
        assert_eq!(checked(&open, "http://10.1.2.3/"), Err(Fault::Address), "a private network is no loopback");
    }

    #[tokio::test]
    async fn names_of_this_machine_lead_nowhere_unless_allowed() {
        let dialled = async |outbound: &Outbound, name: &str| {
            let checked = Checked(Arc::clone(&outbound.rules));
            checked.resolve(name.parse().unwrap()).await.map(|found| found.map(|address| address.ip().to_string()).collect::<Vec<_>>())
        };
        for name in ["localhost", "LOCALHOST.", "anything.localhost"] {
            assert!(dialled(&outbound(&[]), name).await.unwrap_err().is::<NotPublic>(), "{name}");
        }
        assert_eq!(dialled(&outbound(&["127.0.0.1/32"]), "localhost").await.unwrap(), ["127.0.0.1"], "what is not allowed is not dialled");
    }

    #[test]
    fn a_file_without_certificates_is_said_at_the_start() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        for text in ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            std::fs::write(&file, text).unwrap();
            assert!(Outbound::new(&[], Some(&file)).unwrap_err().starts_with("--outbound-ca: "), "{text}");
        }
        assert!(Outbound::new(&[], Some(&folder.path().join("absent"))).is_err());
    }
}

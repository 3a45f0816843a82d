//! Which addresses may be called, judged on the resolved address: what was judged is what is connected to.

use std::{
    error::Error as StdError,
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::Host;

/// Which addresses a URL that a user gave may lead to. Networks of the operator's own are refused, so that nobody
/// makes this process ask them on his behalf.
#[derive(Debug, Clone, Copy)]
pub struct AddressRules {
    /// Lifts every refusal.
    pub allow_private: bool,
}

impl AddressRules {
    /// Why an address may not be called; `None` where it may.
    pub fn refuses(self, address: IpAddr) -> Option<&'static str> {
        if self.allow_private {
            return None;
        }
        match address {
            IpAddr::V4(v4) => refuses_v4(v4),
            IpAddr::V6(v6) => refuses_v6(v6),
        }
    }

    /// The same for a host that is written as an address. A name is judged once it is resolved.
    pub(super) fn refuses_literal(self, host: &Host<&str>) -> Option<&'static str> {
        match host {
            Host::Domain(_) => None,
            Host::Ipv4(v4) => self.refuses((*v4).into()),
            Host::Ipv6(v6) => self.refuses((*v6).into()),
        }
    }
}

/// Whether a host is this machine, so that plain HTTP leaves nothing on a wire. `localhost` is answered by
/// [`Resolver`] and never by DNS.
pub(super) fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => is_localhost(name),
        Host::Ipv4(v4) => v4.is_loopback(),
        Host::Ipv6(v6) => v6.is_loopback(),
    }
}

fn is_localhost(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let name = name.strip_suffix('.').unwrap_or(&name);
    name == "localhost" || name.ends_with(".localhost")
}

fn refuses_v4(address: Ipv4Addr) -> Option<&'static str> {
    let [a, b, c, _] = address.octets();
    match (a, b, c) {
        (0, ..) => Some("an unspecified address"),
        (127, ..) => Some("a loopback address"),
        (10, ..) | (172, 16..=31, _) | (192, 168, _) => Some("a private address"),
        (169, 254, _) => Some("a link-local address"),
        (100, 64..=127, _) => Some("a carrier's private address"),
        (192, 0, 0) | (198, 18..=19, _) | (192, 0, 2) | (198, 51, 100) | (203, 0, 113) => {
            Some("an address for special uses")
        }
        // Where a large cloud answers its own machines, as others do at 169.254.169.254.
        (168, 63, 129) => Some("an address for special uses"),
        (224..=239, ..) => Some("a multicast address"),
        (240..=255, ..) => Some("a reserved address"),
        _ => None,
    }
}

fn refuses_v6(address: Ipv6Addr) -> Option<&'static str> {
    let s = address.segments();
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        refuses_v4(Ipv4Addr::new(a, b, c, d))
    };
    match s {
        [0, 0, 0, 0, 0, 0, 0, 0] => Some("an unspecified address"),
        [0, 0, 0, 0, 0, 0, 0, 1] => Some("a loopback address"),
        // An IPv4 address in one of its IPv6 disguises: compatible, mapped, translated, NAT64, 6to4.
        [0, 0, 0, 0, 0, 0, high, low]
        | [0, 0, 0, 0, 0, 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => v4(high, low),
        // ISATAP, with an IPv4 address at its end.
        [_, _, _, _, 0 | 0x200, 0x5efe, high, low] => v4(high, low).or(Some("an address of a translator")),
        [0x64, 0xff9b, 1, ..] | [0x2001, 0, ..] => Some("an address of a translator"),
        [0x100, 0, 0, 0, ..] | [0x2001, 0xdb8, ..] | [0x3fff, ..] | [0x5f00, ..] => Some("an address for special uses"),
        [first, ..] if first & 0xffc0 == 0xfe80 => Some("a link-local address"),
        [first, ..] if first & 0xffc0 == 0xfec0 || first & 0xfe00 == 0xfc00 => Some("a private address"),
        [first, ..] if first & 0xff00 == 0xff00 => Some("a multicast address"),
        _ => None,
    }
}

/// A name that leads to an address that may not be called.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) why: &'static str,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the name leads to {}", self.why)
    }
}

impl StdError for Refused {}

/// Resolves names and drops the addresses that may not be called. Where nothing is left the call fails with [`Refused`].
pub(super) struct Resolver {
    /// `None` for the fixed URLs of descriptors: those are not judged.
    pub(super) rules: Option<AddressRules>,
    /// Names that are answered from here.
    pub(super) fixed: Arc<Vec<(String, SocketAddr)>>,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (rules, fixed) = (self.rules, self.fixed.clone());
        Box::pin(async move {
            let name = name.as_str();
            let mut found: Vec<SocketAddr> =
                fixed.iter().filter(|(host, _)| host.eq_ignore_ascii_case(name)).map(|(_, at)| *at).collect();
            if found.is_empty() {
                found = match is_localhost(name) {
                    true => vec![(Ipv4Addr::LOCALHOST, 0).into(), (Ipv6Addr::LOCALHOST, 0).into()],
                    false => tokio::net::lookup_host((name, 0)).await?.collect(),
                };
            }
            let Some(rules) = rules else { return Ok(Box::new(found.into_iter()) as Addrs) };
            let mut why = None;
            found.retain(|at| {
                let refused = rules.refuses(at.ip());
                why = why.or(refused);
                refused.is_none()
            });
            match (found.is_empty(), why) {
                (true, Some(why)) => Err(Refused { why }.into()),
                _ => Ok(Box::new(found.into_iter()) as Addrs),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STRICT: AddressRules = AddressRules { allow_private: false };

    #[test]
    fn refuses_what_is_not_public_in_every_spelling() {
        for url in [
            "http://127.0.0.1",
            "http://127.1",
            "http://2130706433",
            "http://0x7f.0.0.1",
            "http://0177.0.0.1",
            "http://127.0.0.1.",
            "http://0.0.0.0",
            "http://10.1.2.3",
            "http://172.16.0.1",
            "http://172.31.255.255",
            "http://192.168.1.1",
            "http://169.254.169.254",
            "http://100.64.0.1",
            "http://224.0.0.1",
            "http://255.255.255.255",
            "http://198.18.0.1",
            "http://[::]",
            "http://[::1]",
            "http://[::ffff:127.0.0.1]",
            "http://[::ffff:a00:1]",
            "http://[::127.0.0.1]",
            "http://[::ffff:0:127.0.0.1]",
            "http://[64:ff9b::10.0.0.1]",
            "http://[64:ff9b:1::1]",
            "http://[2002:7f00:1::]",
            "http://[2002:c0a8:101::1]",
            "http://[2001:0:1::1]",
            "http://[fe80::1]",
            "http://[fec0::1]",
            "http://[fd00::1]",
            "http://[fc00::1]",
            "http://[ff02::1]",
            "http://[::ffff:7f00:1]",
            "http://[0:0:0:0:0:ffff:127.0.0.1]",
            "http://[fd00:ec2::254]",
            "http://[2001:db8::1]",
            "http://[100::1]",
            "http://[2600::5efe:10.0.0.1]",
            "http://[2600::200:5efe:127.0.0.1]",
            "http://017700000001",
            "http://0x7f000001",
            "http://127.0x1",
            "http://10.0.0.0x1",
            "http://0",
            "http://100.100.100.200",
            "http://168.63.129.16",
            "http://203.0.113.9",
            "http://１２７.０.０.１",
            "http://127。0。0。1",
            "http://%31%32%37.0.0.1",
        ] {
            let parsed = url::Url::parse(url).unwrap();
            let host = parsed.host().unwrap();
            assert!(STRICT.refuses_literal(&host).is_some(), "{url}");
            assert_eq!(AddressRules { allow_private: true }.refuses_literal(&host), None, "{url}");
        }
    }

    #[test]
    fn lets_public_addresses_through() {
        for ip in [
            "1.1.1.1",
            "172.32.0.1",
            "172.15.0.1",
            "100.128.0.1",
            "192.0.1.1",
            "198.20.0.1",
            "223.255.255.255",
            "2606:4700::1111",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
            "2002:808:808::1",
        ] {
            assert_eq!(STRICT.refuses(ip.parse().unwrap()), None, "{ip}");
        }
    }

    #[test]
    fn only_this_machine_is_loopback() {
        for (url, expected) in [
            ("http://localhost", true),
            ("http://stripe.localhost", true),
            ("http://127.8.8.8", true),
            ("http://[::1]", true),
            ("http://localhost.example", false),
            ("http://notlocalhost", false),
            ("http://10.0.0.1", false),
        ] {
            assert_eq!(is_loopback(&url::Url::parse(url).unwrap().host().unwrap()), expected, "{url}");
        }
    }

    proptest! {
        #[test]
        fn an_address_in_disguise_is_what_it_is(v4 in any::<u32>(), form in 0..6_usize) {
            let address = Ipv4Addr::from(v4);
            let ([a, b, c, d], [e, f]) = (address.octets(), [v4 >> 16, v4 & 0xffff]);
            let text = match form {
                0 => format!("{v4}"),
                1 => format!("0x{v4:x}"),
                2 => format!("0{a:o}.{b}.0x{c:x}.{d}"),
                3 => format!("[::ffff:{e:x}:{f:x}]"),
                4 => format!("[64:ff9b::{a}.{b}.{c}.{d}]"),
                _ => format!("[2002:{e:x}:{f:x}::1]"),
            };
            let url = url::Url::parse(&format!("https://{text}/")).unwrap();
            let refused = STRICT.refuses_literal(&url.host().unwrap());
            prop_assert_eq!(refused.is_some(), STRICT.refuses(address.into()).is_some(), "{}", text);
        }

        #[test]
        fn an_address_of_ipv6_is_let_through_only_where_the_world_is(bits in any::<u128>()) {
            let address = Ipv6Addr::from(bits);
            // Global unicast is one eighth of all of them; of NAT64 the IPv4 address counts.
            if STRICT.refuses(address.into()).is_none() {
                prop_assert!(!address.is_loopback() && !address.is_multicast() && !address.is_unspecified());
                prop_assert!(!address.is_unique_local() && !address.is_unicast_link_local());
            }
        }
    }

    #[tokio::test]
    async fn a_name_is_judged_by_all_it_resolves_to() {
        let fixed = vec![
            ("mixed.example".to_owned(), "10.0.0.1:443".parse().unwrap()),
            ("mixed.example".to_owned(), "1.1.1.1:443".parse().unwrap()),
            ("inside.example".to_owned(), "192.168.0.7:443".parse().unwrap()),
        ];
        let resolver = Resolver { rules: Some(STRICT), fixed: Arc::new(fixed) };
        let mixed: Vec<_> = resolver.resolve("mixed.example".parse().unwrap()).await.unwrap().collect();
        assert_eq!(mixed, ["1.1.1.1:443".parse().unwrap()]);
        for name in ["inside.example", "INSIDE.example", "localhost", "localhost.", "x.localhost"] {
            let Err(refused) = resolver.resolve(name.parse().unwrap()).await else { panic!("{name} was let through") };
            assert!(refused.is::<Refused>(), "{name}");
        }
    }
}

//! `[demo]`: what `kilonova demo` makes.

use ipnet::IpNet;
use settings::{Opt, Reader, Section};

/// What `kilonova demo` makes.
#[derive(Debug, Clone)]
pub struct DemoSection {
    pub external_cidr: Option<IpNet>,
}

impl Section for DemoSection {
    const NAME: &'static str = "demo";
    const ABOUT: &'static str = "What `kilonova demo` (and `make up`) makes.";

    fn options() -> &'static [Opt] {
        const OPTIONS: &[Opt] = &[Opt::text(
            "external_cidr",
            "",
            "Range of the external network, the home of floating addresses, as in `172.24.4.0/24`. When empty, the \
             first of some private ranges that touches no address, route, name server, proxy or package mirror of \
             this machine. Only the first run chooses.",
        )];
        OPTIONS
    }

    fn read(from: &mut Reader<'_>) -> Self {
        let external_cidr: Option<IpNet> = match from.optional("external_cidr") {
            Some(_) => from.parsed("external_cidr"),
            None => None,
        };
        if let Some(range) = external_cidr
            && !fits(range)
        {
            from.refuse(
                "external_cidr",
                "must be an IPv4 range with room for addresses: /8 to /28",
            );
        }
        DemoSection { external_cidr }
    }
}

/// Room for the gateway, a router and some floating addresses; and no range that holds half of the world.
pub fn fits(range: IpNet) -> bool {
    range.addr().is_ipv4() && (8..=28).contains(&range.prefix_len())
}

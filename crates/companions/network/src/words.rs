//! Words of the API that stand in columns: sets that are closed, as types.

use sql::sea_orm;
use sql::sea_orm::prelude::StringLen;
use sql::sea_orm::{DeriveActiveEnum, EnumIter};

/// A type whose values are words.
pub trait Word: Copy + Sized + 'static {
    /// All words, in order.
    const WORDS: &'static [&'static str];
    /// As the API and the tables spell it.
    fn word(self) -> &'static str;
    /// The value that the word names, if any.
    fn read(word: &str) -> Option<Self>;
}

/// Makes a type of words. Columns, bodies and lists of words are the same few lines for each; a function cannot write them.
macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($variant:ident = $word:literal,)* }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
        #[sea_orm(rs_type = "String", db_type = "String(StringLen::N(255))")]
        pub enum $name {
            $(#[sea_orm(string_value = $word)] $variant,)*
        }

        impl Word for $name {
            const WORDS: &'static [&'static str] = &[$($word),*];

            fn word(self) -> &'static str {
                match self { $($name::$variant => $word,)* }
            }

            fn read(word: &str) -> Option<Self> {
                match word { $($word => Some($name::$variant),)* _ => None }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.word())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.word())
            }
        }
    };
}

words! {
    /// Whether a port, network, router or floating address works.
    Status {
        Active = "ACTIVE",
        Down = "DOWN",
    }
}

impl Status {
    /// `Active` if something is up.
    pub fn of(up: bool) -> Self {
        if up { Status::Active } else { Status::Down }
    }
}

words! {
    /// How a host wires a port.
    VifType {
        Unbound = "unbound",
        Bridge = "bridge",
        Tap = "tap",
        BindingFailed = "binding_failed",
    }
}

words! {
    /// What a guest sees of its port.
    VnicType {
        Normal = "normal",
        Direct = "direct",
        Macvtap = "macvtap",
        Baremetal = "baremetal",
        DirectPhysical = "direct-physical",
        VirtioForwarder = "virtio-forwarder",
        SmartNic = "smart-nic",
    }
}

words! {
    /// What kind of wire a network is.
    NetworkType {
        Local = "local",
        Flat = "flat",
        Vlan = "vlan",
        Vxlan = "vxlan",
        Gre = "gre",
        Geneve = "geneve",
    }
}

words! {
    /// Which way packets go that a rule lets through, as the guest sees it.
    Direction {
        Ingress = "ingress",
        Egress = "egress",
    }
}

words! {
    /// Which packets a rule is about.
    Ethertype {
        IPv4 = "IPv4",
        IPv6 = "IPv6",
    }
}

words! {
    /// A protocol whose ports a router forwards.
    Transport {
        Tcp = "tcp",
        Udp = "udp",
    }
}

words! {
    /// What an RBAC policy allows.
    Access {
        Shared = "access_as_shared",
        External = "access_as_external",
    }
}

words! {
    /// What RBAC policies are about.
    Shareable {
        Network = "network",
        SecurityGroup = "security_group",
        SubnetPool = "subnetpool",
        AddressScope = "address_scope",
    }
}

//! Every microversion: what it changed, and how far we are with it.
//!
//! A row marked [`Mark::Table`] is carried by annotations on fields, words and rules or by the range of a route; one
//! marked [`Mark::Behaviour`] by a constant below, asked for in a handler. A test checks that each mark is true, so
//! nothing is forgotten silently.

use microversion::Version;

/// Changes of behaviour, for `call.version.at_least(…)`.
pub mod behaviour {
    use microversion::Version;

    /// Unknown words in a filter by status are refused; before, nothing was found.
    pub const STATUS_FILTER_CHECKED: Version = Version::new(2, 38);

    /// Extra specs must mean something.
    pub const EXTRA_SPECS_CHECKED: Version = Version::new(2, 86);
    /// A service can be declared down.
    pub const FORCE_DOWN: Version = Version::new(2, 11);
    /// Hypervisors are listed in pages.
    pub const HYPERVISOR_PAGES: Version = Version::new(2, 33);
    /// Services and hypervisors are known by UUID; before, by number.
    pub const IDS_OF_HOSTS: Version = Version::new(2, 53);
    /// Key pairs are listed in pages.
    pub const KEYPAIR_PAGES: Version = Version::new(2, 35);
    /// A public flavor cannot be opened to projects one by one.
    pub const PUBLIC_FLAVORS_NOT_SHARED: Version = Version::new(2, 7);
    /// The servers of a hypervisor are listed also where there are none.
    pub const SERVERS_ALWAYS: Version = Version::new(2, 75);

    /// Actions of servers that are gone can be read.
    pub const ACTIONS_OF_DELETED: Version = Version::new(2, 21);
    /// Tokens of consoles of every kind can be resolved.
    pub const EVERY_CONSOLE_TOKEN: Version = Version::new(2, 31);
    /// The id of an image that is made of a server comes in the body; before, in `Location`.
    pub const IMAGE_ID_IN_BODY: Version = Version::new(2, 45);
    /// Others than operators may filter servers by addresses of version 6.
    pub const IP6_FILTER: Version = Version::new(2, 5);
    /// Others than operators may use most filters of servers.
    pub const MOST_FILTERS: Version = Version::new(2, 83);

    /// Servers that boot from a volume can be rescued.
    pub const RESCUE_FROM_VOLUME: Version = Version::new(2, 87);

    /// Volumes come and go on shelved servers.
    pub const VOLUMES_OF_SHELVED: Version = Version::new(2, 20);

    /// A rebuild gives a volume that a server boots from the image.
    pub const REBUILD_OF_VOLUME: Version = Version::new(2, 93);

    /// Servers share volumes of a type that lets them.
    pub const SHARED_VOLUMES: Version = Version::new(2, 60);

    /// An attachment of a volume is accepted and not waited for.
    pub const ATTACHMENT_ACCEPTED: Version = Version::new(2, 101);

    /// Every constant above, for the history's test.
    pub const ALL: &[Version] = &[
        VOLUMES_OF_SHELVED,
        SHARED_VOLUMES,
        ATTACHMENT_ACCEPTED,
        RESCUE_FROM_VOLUME,
        REBUILD_OF_VOLUME,
        IMAGE_ID_IN_BODY,
        ACTIONS_OF_DELETED,
        EVERY_CONSOLE_TOKEN,
        IP6_FILTER,
        MOST_FILTERS,
        EXTRA_SPECS_CHECKED,
        FORCE_DOWN,
        HYPERVISOR_PAGES,
        IDS_OF_HOSTS,
        KEYPAIR_PAGES,
        PUBLIC_FLAVORS_NOT_SHARED,
        SERVERS_ALWAYS,
        STATUS_FILTER_CHECKED,
    ];
}

/// One microversion.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Change {
    pub version: Version,
    /// What it touched: Q requests, R answers, B behaviour, C codes, X removals.
    pub kinds: &'static str,
    pub title: &'static str,
    pub mark: Mark,
}

/// How far we are with a microversion.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mark {
    /// Built, and carried by the tables of views, requests and routes.
    Table,
    /// Built, and carried by a constant of [`behaviour`].
    Behaviour,
    /// Nothing a client could see.
    Invisible,
    /// Not built, or only in part.
    NotYet,
}

use Mark::{Behaviour, Invisible, NotYet, Table};

const fn row(minor: u16, kinds: &'static str, title: &'static str, mark: Mark) -> Change {
    Change {
        version: Version::new(2, minor),
        kinds,
        title,
        mark,
    }
}

/// All of them, in order.
#[rustfmt::skip]
pub const HISTORY: &[Change] = &[
    row(1, "", "Base: the surface of v2.0 with strict validation of bodies", Invisible),
    row(2, "QRC", "Key pairs have a type; codes 201 and 204", Table),
    row(3, "R", "Servers show the extended attributes and delete_on_termination of volumes", Table),
    row(4, "R", "A fixed address shows whether it is reserved", NotYet),
    row(5, "B", "Others than admins may filter servers by ip6", Behaviour),
    row(6, "QRX", "remote-consoles takes over from four console actions", Table),
    row(7, "C", "Sharing a public flavor is a conflict", Behaviour),
    row(8, "Q", "Remote consoles of protocol mks", NotYet),
    row(9, "R", "Servers show whether they are locked", Table),
    row(10, "QR", "Key pairs of other users, for admins", Table),
    row(11, "QR", "Services can be forced down", Table),
    row(12, "R", "Virtual interfaces show their network", NotYet),
    row(13, "R", "Server groups show their owner", Table),
    row(14, "QR", "Evacuation works out itself whether storage is shared", NotYet),
    row(15, "Q", "Soft policies of server groups", Table),
    row(16, "R", "Servers show the state of their host", Table),
    row(17, "Q", "Action trigger_crash_dump", Table),
    row(18, "", "Project ids may be left out of URLs", Invisible),
    row(19, "QR", "Servers have a description", Table),
    row(20, "B", "Volumes come and go on shelved servers", Behaviour),
    row(21, "B", "Actions of deleted servers can be read", Behaviour),
    row(22, "Q", "A live migration can be forced to complete", NotYet),
    row(23, "R", "Live migrations in progress can be seen", NotYet),
    row(24, "Q", "A live migration can be aborted", NotYet),
    row(25, "Q", "Live migration chooses itself whether to copy disks", NotYet),
    row(26, "QR", "Servers have tags", Table),
    row(27, "", "The header OpenStack-API-Version", Invisible),
    row(28, "R", "Hypervisors show cpu_info as an object", Table),
    row(29, "QB", "Evacuation to a chosen host is checked by the scheduler, unless forced", NotYet),
    row(30, "QB", "Live migration to a chosen host is checked by the scheduler, unless forced", NotYet),
    row(31, "B", "Console tokens of every type can be resolved", Behaviour),
    row(32, "Q", "Devices have tags at boot", Table),
    row(33, "QB", "Hypervisors are listed in pages; disks lose their tags again", Behaviour),
    row(34, "B", "Live migration checks run in the background", NotYet),
    row(35, "QR", "Key pairs are listed in pages", Table),
    row(36, "X", "The proxies to network, volume, image and bare metal services end, with their quotas", Table),
    row(37, "QB", "Networks must be chosen at boot, or auto or none; networks lose their tags again", Table),
    row(38, "C", "An unknown status is refused in a filter", Behaviour),
    row(39, "X", "The proxy to image metadata ends, with its limit", Table),
    row(40, "QR", "Usage is listed in pages", Table),
    row(41, "R", "Aggregates have a uuid", Table),
    row(42, "Q", "Devices have tags at boot again", Table),
    row(43, "X", "os-hosts ends", Table),
    row(44, "X", "Actions on addresses end, and os-virtual-interfaces", Table),
    row(45, "R", "A snapshot's id comes in the body, not in Location", Behaviour),
    row(46, "", "X-OpenStack-Request-ID beside X-Compute-Request-ID", Invisible),
    row(47, "R", "A server shows its flavor as it was at boot", Table),
    row(48, "R", "Diagnostics have one form for all hypervisors", NotYet),
    row(49, "Q", "Devices attached later have tags", Table),
    row(50, "R", "Quota classes know server groups and forget networks", Table),
    row(51, "QR", "External event volume-extended; owners see the events of an action", Table),
    row(52, "Q", "Servers can be made with tags", Table),
    row(53, "QRX", "Services and hypervisors are known by UUID; one PUT changes a service", Table),
    row(54, "QR", "Rebuild changes the key pair", Table),
    row(55, "QR", "Flavors have a description", Table),
    row(56, "Q", "Cold migration to a chosen host", NotYet),
    row(57, "QRX", "File injection ends; rebuild takes user_data", Table),
    row(58, "QR", "Actions are listed in pages, and show when they changed", Table),
    row(59, "QR", "Migrations are listed in pages, and have a uuid", Table),
    row(60, "B", "Volumes can be attached to several servers", Behaviour),
    row(61, "R", "Flavors show their extra specs", Table),
    row(62, "R", "Events of an action show their host", Table),
    row(63, "QR", "Trusted certificates for images", NotYet),
    row(64, "QR", "Server groups have one policy, with rules", Table),
    row(65, "B", "Queued and preparing live migrations can be aborted", NotYet),
    row(66, "Q", "Filter changes-before", Table),
    row(67, "Q", "Volumes made at boot have a type", Table),
    row(68, "QX", "Nothing can be forced past the scheduler any more", NotYet),
    row(69, "RB", "Partial answers while a cell is down", NotYet),
    row(70, "R", "Attached devices show their tag", Table),
    row(71, "R", "Servers show their group", Table),
    row(72, "B", "Ports with a guaranteed bandwidth at boot", NotYet),
    row(73, "QR", "Locking takes a reason", Table),
    row(74, "Q", "Servers can be made on a chosen host or node", Table),
    row(75, "QR", "Unknown query and body keys are refused; answers of PUT and rebuild are complete", Table),
    row(76, "Q", "External event power-update", Table),
    row(77, "Q", "Unshelving into a chosen zone", Table),
    row(78, "R", "The NUMA topology of a server can be seen", Table),
    row(79, "QR", "Attached volumes can go with their server", Table),
    row(80, "QR", "Migrations show who started them", Table),
    row(81, "Q", "Images can be cached before they are needed", Table),
    row(82, "Q", "External event accelerator-request-bound", Table),
    row(83, "Q", "Others than admins may use most filters of servers", Behaviour),
    row(84, "R", "Events of an action have details", Table),
    row(85, "Q", "Whether a volume goes with its server can be changed", Table),
    row(86, "B", "Extra specs are checked when they are set", Behaviour),
    row(87, "B", "Servers with their root on a volume can be rescued", Behaviour),
    row(88, "RX", "Hypervisors lose what Placement knows, and gain uptime", Table),
    row(89, "R", "Attached volumes show attachment and device ids", Table),
    row(90, "QR", "The hostname can be chosen", Table),
    row(91, "Q", "Unshelving onto a chosen host, or unpinned from its zone", Table),
    row(92, "QC", "Key pairs must be imported; their names may have @ and .", Table),
    row(93, "B", "Servers with their root on a volume can be rebuilt", Behaviour),
    row(94, "Q", "The hostname may be fully qualified", Table),
    row(95, "B", "Evacuated servers stay stopped", NotYet),
    row(96, "R", "Servers show the zone they are pinned to", Table),
    row(97, "QR", "Shares of files can be attached", NotYet),
    row(98, "R", "Servers show the properties of their image", Table),
    row(99, "QR", "Direct SPICE consoles", NotYet),
    row(100, "R", "Servers show their scheduler hints", Table),
    row(101, "C", "Attaching a volume is asynchronous", Behaviour),
    row(102, "QRX", "Flavors can be filtered by name and lose rxtx_factor and disabled", Table),
    row(103, "X", "os-volumes_boot ends", Table),
    row(104, "QC", "The zone a server is pinned to can be changed", Table),
];

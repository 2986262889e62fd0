//! The section about streams of events.

use std::time::Duration;

use settings::{Opt, Reader, Section};

/// `[events]`.
#[derive(Debug, Clone)]
pub struct EventsSection {
    pub max_watches: usize,
    pub max_watches_per_user: usize,
    pub check_interval: Duration,
}

impl Section for EventsSection {
    const NAME: &'static str = "events";
    const ABOUT: &'static str = "Streams of events of servers (`GET /servers/events`).";

    fn options() -> &'static [Opt] {
        const OPTIONS: &[Opt] = &[
            Opt::integer(
                "max_watches",
                "10000",
                "Most streams that are open at once; one more is refused with 503.",
            )
            .range(1, 1_000_000),
            Opt::integer(
                "max_watches_per_user",
                "20",
                "Most streams that one user has open; one more is refused with 429.",
            )
            .range(1, 1_000_000),
            Opt::seconds(
                "check_interval",
                "15",
                "Pause between two looks whether the user of an open stream still has the right to it. It also ends \
                 when nobody can say so at three looks in a row.",
            )
            .seconds_range(1.0, 600.0),
        ];
        OPTIONS
    }

    fn read(from: &mut Reader<'_>) -> Self {
        EventsSection {
            max_watches: from.integer("max_watches"),
            max_watches_per_user: from.integer("max_watches_per_user"),
            check_interval: from.seconds("check_interval"),
        }
    }
}

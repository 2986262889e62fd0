//! Whether a silent agent is dead, or this conductor hears nobody.
//!
//! Reports carry no time: the database stamps them, so clocks of machines do not matter. And silence
//! alone proves nothing. While the broker is away, while a conductor is cut off, or after a whole
//! cloud stood still, every agent is silent; those that are heard again first say nothing about the
//! rest. So a conductor remembers whom it heard at each of its looks: an agent is dead when it has
//! been silent for `service_down_time` **and** at every look of that time another agent had been
//! heard lately. Other services do not count: they are on the conductor's own side of a cut.
//!
//! An agent that is alone in its cloud is therefore never dead by silence, only when an operator
//! declares it down.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::TimeDelta;
use tokio::time::Instant;

/// The longest time between two looks.
const LOOK: Duration = Duration::from_secs(10);

/// The time between two looks.
pub fn look_interval(down_time: Duration) -> Duration {
    (down_time / 6).min(LOOK)
}

/// Which agents had been heard lately at one look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    Nobody,
    Only(String),
    Several,
}

impl Heard {
    pub fn of(silences: &[(String, TimeDelta)], lately: Duration) -> Self {
        let lately = TimeDelta::from_std(lately).unwrap_or(TimeDelta::MAX);
        let mut fresh = silences.iter().filter(|(_, silence)| *silence <= lately);
        match (fresh.next(), fresh.next()) {
            (None, _) => Heard::Nobody,
            (Some((host, _)), None) => Heard::Only(host.clone()),
            (Some(_), Some(_)) => Heard::Several,
        }
    }

    fn besides(&self, host: &str) -> bool {
        match self {
            Heard::Nobody => false,
            Heard::Only(only) => only != host,
            Heard::Several => true,
        }
    }
}

/// What one conductor heard, look by look, over the last `service_down_time`.
#[derive(Debug, Default)]
pub struct Hearing {
    looks: Mutex<VecDeque<(Instant, Heard)>>,
}

impl Hearing {
    /// Notes a look at `now`. Looks older than `down_time` are forgotten, but for the last of them.
    pub fn note(&self, now: Instant, heard: Heard, down_time: Duration) {
        let mut looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        looks.push_back((now, heard));
        while looks
            .get(1)
            .is_some_and(|(at, _)| now.duration_since(*at) >= down_time)
        {
            looks.pop_front();
        }
    }

    /// Whether, for the whole of `down_time` before `now`, others than `host` were heard.
    pub fn of_others(&self, now: Instant, host: &str, down_time: Duration) -> bool {
        let looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((first, _)) = looks.front() else {
            return false;
        };
        let ends = looks.iter().skip(1).map(|(at, _)| *at).chain([now]);
        // In a gap (the database did not answer) nobody was heard.
        let gaps = looks
            .iter()
            .zip(ends)
            .any(|((at, _), next)| next.duration_since(*at) > down_time / 2);
        now.duration_since(*first) >= down_time
            && !gaps
            && looks.iter().all(|(_, heard)| heard.besides(host))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOWN: Duration = Duration::from_secs(60);

    fn heard(silences: &[(&str, i64)]) -> Heard {
        let silences: Vec<_> = silences
            .iter()
            .map(|(host, seconds)| ((*host).to_owned(), TimeDelta::seconds(*seconds)))
            .collect();
        Heard::of(&silences, DOWN / 2)
    }

    /// Looks every ten seconds; the moment after the last, and what was heard.
    fn looks(heard: &[Heard]) -> (Instant, Hearing) {
        let hearing = Hearing::default();
        let mut now = Instant::now();
        for one in heard {
            hearing.note(now, one.clone(), DOWN);
            now += Duration::from_secs(10);
        }
        (now, hearing)
    }

    #[test]
    fn one_of_two_that_falls_silent_is_dead_after_the_whole_time() {
        let other = heard(&[("a", 3), ("b", 90)]);
        assert_eq!(other, Heard::Only("a".to_owned()));
        for (count, dead) in [(1, false), (5, false), (6, true), (20, true)] {
            let (now, hearing) = looks(&vec![other.clone(); count]);
            assert_eq!(hearing.of_others(now, "b", DOWN), dead, "{count} looks");
            assert!(!hearing.of_others(now, "a", DOWN), "it is the one heard");
        }
    }

    #[test]
    fn a_judge_that_heard_nobody_for_a_while_begins_anew() {
        let (both, nobody) = (heard(&[("a", 3), ("b", 4)]), heard(&[("a", 31), ("b", 90)]));
        assert_eq!((&both, &nobody), (&Heard::Several, &Heard::Nobody));
        let mut all = vec![both.clone(); 10];
        all.push(nobody);
        let (now, hearing) = looks(&all);
        assert!(!hearing.of_others(now, "b", DOWN), "cut off");
        // The others are heard again, one after the other.
        all.extend(vec![heard(&[("a", 1), ("b", 200)]); 5]);
        let (now, hearing) = looks(&all);
        assert!(!hearing.of_others(now, "b", DOWN), "not yet");
        all.extend(vec![heard(&[("a", 1), ("b", 200)]); 2]);
        let (now, hearing) = looks(&all);
        assert!(
            hearing.of_others(now, "b", DOWN),
            "silent while others were heard"
        );
    }

    #[test]
    fn a_judge_that_just_started_or_could_not_look_knows_nothing() {
        assert!(!Hearing::default().of_others(Instant::now(), "b", DOWN));
        let (mut now, hearing) = looks(&vec![Heard::Several; 10]);
        assert!(hearing.of_others(now, "b", DOWN));
        now += Duration::from_secs(31);
        assert!(!hearing.of_others(now, "b", DOWN), "the last look is old");
        hearing.note(now, Heard::Several, DOWN);
        assert!(!hearing.of_others(now, "b", DOWN), "there is a gap");
    }

    #[test]
    fn a_host_that_is_alone_is_never_dead_by_silence() {
        let (now, hearing) = looks(&vec![heard(&[("a", 5)]); 10]);
        assert!(!hearing.of_others(now, "a", DOWN));
        let (now, hearing) = looks(&vec![heard(&[("a", 500)]); 10]);
        assert!(!hearing.of_others(now, "a", DOWN));
    }
}

//! Where tests disturb a runner. Without the feature `testing` nothing here does anything.

/// On which side of a save a test lets the runner die.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(feature = "testing"), allow(dead_code))]
pub enum Crash {
    Before,
    After,
}

#[cfg(not(feature = "testing"))]
#[derive(Debug, Default)]
pub(crate) struct Meddler {}

#[cfg(not(feature = "testing"))]
impl Meddler {
    pub fn twice(&self) -> bool {
        false
    }
    pub fn fails(&self, _step: &str) -> bool {
        false
    }
    pub fn crash(&self) -> Option<Crash> {
        None
    }
}

#[cfg(feature = "testing")]
pub(crate) use real::Meddler;

#[cfg(feature = "testing")]
mod real {
    use super::Crash;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// What to disturb; clones share their counts.
    #[derive(Debug, Default, Clone)]
    pub(crate) struct Meddler {
        pub twice: bool,
        /// The step that fails after it did its work.
        pub fail_at: Option<&'static str>,
        /// The save, counted from 0, at which the runner dies.
        pub crash_at: Option<(usize, Crash)>,
        pub saves: Arc<AtomicUsize>,
    }

    impl Meddler {
        pub fn twice(&self) -> bool {
            self.twice
        }

        pub fn fails(&self, step: &str) -> bool {
            self.fail_at == Some(step)
        }

        /// Whether the runner died already.
        pub fn crashed(&self) -> bool {
            self.crash_at
                .is_some_and(|(at, _)| self.saves.load(Ordering::SeqCst) > at)
        }

        pub fn crash(&self) -> Option<Crash> {
            let save = self.saves.fetch_add(1, Ordering::SeqCst);
            self.crash_at
                .filter(|(at, _)| *at == save)
                .map(|(_, crash)| crash)
        }
    }
}

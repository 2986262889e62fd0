//! Where tests disturb a runner. Without the feature `testing` nothing here does anything.

/// A moment at which a test may stop a runner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Point {
    /// No transaction is open.
    Outside,
    /// A transaction is about to commit.
    Inside,
}

#[cfg(not(feature = "testing"))]
pub(crate) use nothing::{InTransaction, Meddler};
#[cfg(feature = "testing")]
pub use real::{At, Stop};
#[cfg(feature = "testing")]
pub(crate) use real::{InTransaction, Meddler, Orders};

#[cfg(not(feature = "testing"))]
mod nothing {
    use super::Point;

    #[derive(Debug, Default, Clone)]
    pub(crate) struct Meddler {}

    pub(crate) struct InTransaction {}

    impl Meddler {
        pub fn twice(&self) -> bool {
            false
        }
        pub fn fails(&self, _step: &str, _once: bool) -> bool {
            false
        }
        pub fn fails_undo(&self, _step: &str) -> bool {
            false
        }
        pub fn is_dead(&self) -> bool {
            false
        }
        /// The present moment by this process's clock: for the history, never for leases.
        pub fn now(&self) -> chrono::DateTime<chrono::Utc> {
            chrono::Utc::now()
        }
        /// Whether a step may save its end in its own transaction.
        pub fn joins(&self, _step: &str) -> bool {
            true
        }
        pub fn enter(&self) -> InTransaction {
            InTransaction {}
        }
        pub async fn point(&self, _point: Point) {}
        pub async fn hold<F: Future>(&self, future: F) -> Option<F::Output> {
            Some(future.await)
        }
    }
}

#[cfg(feature = "testing")]
mod real {
    use std::pin::pin;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::sync::{Arc, Mutex, PoisonError};
    use std::task::{Poll, Waker};

    use super::Point;

    /// When a runner is stopped.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum At {
        /// At the point of this number, counted from 0: before and after each transaction, and before its commit.
        Point(usize),
        /// In the middle of whatever it does, when it was woken so many times.
        Wake(usize),
    }

    /// How a runner is stopped.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Stop {
        /// It ends on the spot, as a killed process does.
        Dies,
        /// It stands still until another one ended its work, as a process whose machine was suspended: what
        /// others did comes as a surprise. Never within a transaction, whose locks would stop everybody else.
        Freezes,
        /// It stands still until somebody asked its workflow to turn round.
        IsCancelled,
    }

    /// What to disturb.
    #[derive(Debug, Default, Clone)]
    pub(crate) struct Orders {
        /// Each attempt that went well is made again.
        pub twice: bool,
        /// The step that fails after it did its work.
        pub fail_at: Option<&'static str>,
        /// The step whose undo fails once after it did its work.
        pub fail_undo_at: Option<&'static str>,
        pub stops: Vec<(At, Stop)>,
        /// How far the process's clock is off.
        pub clock: chrono::TimeDelta,
    }

    /// Disturbs a runner; clones are one.
    #[derive(Debug, Default, Clone)]
    pub(crate) struct Meddler(Arc<Inner>);

    #[derive(Debug, Default)]
    struct Inner {
        orders: Orders,
        points: AtomicUsize,
        wakes: AtomicUsize,
        failed: AtomicBool,
        undo_failed: AtomicBool,
        inside: AtomicUsize,
        /// Nothing is ordered any more.
        calm: AtomicBool,
        dead: AtomicBool,
        frozen: Mutex<Option<Stop>>,
        /// Those that stand still.
        wakers: Mutex<Vec<Waker>>,
    }

    /// Held while a transaction is open.
    pub(crate) struct InTransaction(Meddler);

    impl Drop for InTransaction {
        fn drop(&mut self) {
            self.0.0.inside.fetch_sub(1, Ordering::SeqCst);
        }
    }

    impl Meddler {
        pub fn new(orders: Orders) -> Self {
            Meddler(Arc::new(Inner {
                orders,
                ..Inner::default()
            }))
        }

        pub fn twice(&self) -> bool {
            self.0.orders.twice
        }

        pub fn now(&self) -> chrono::DateTime<chrono::Utc> {
            chrono::Utc::now() + self.0.orders.clock
        }

        /// Whether a step is to fail; one that is tried until it succeeds only `once`.
        pub fn fails(&self, step: &str, once: bool) -> bool {
            let failed = || self.0.failed.swap(true, Ordering::SeqCst);
            self.0.orders.fail_at == Some(step) && !(failed() && once)
        }

        pub fn fails_undo(&self, step: &str) -> bool {
            let failed = || self.0.undo_failed.swap(true, Ordering::SeqCst);
            self.0.orders.fail_undo_at == Some(step) && !failed()
        }

        /// Whether a step may save its end in its own transaction: not if it is to be made again or to fail.
        pub fn joins(&self, step: &str) -> bool {
            let orders = &self.0.orders;
            !orders.twice && orders.fail_at != Some(step) && orders.fail_undo_at != Some(step)
        }

        /// How many points were passed, and how often it was woken.
        pub fn counts(&self) -> (usize, usize) {
            let count = |counter: &AtomicUsize| counter.load(Ordering::SeqCst);
            (count(&self.0.points), count(&self.0.wakes))
        }

        pub fn is_dead(&self) -> bool {
            self.0.dead.load(Ordering::SeqCst)
        }

        /// Why it stands still, once it does.
        pub fn frozen(&self) -> Option<Stop> {
            let outside = self.0.inside.load(Ordering::SeqCst) == 0;
            let frozen = *self.0.frozen.lock().unwrap_or_else(PoisonError::into_inner);
            frozen.filter(|_| outside)
        }

        pub fn kill(&self) {
            self.0.dead.store(true, Ordering::SeqCst);
            self.wake();
        }

        pub fn thaw(&self) {
            *self.0.frozen.lock().unwrap_or_else(PoisonError::into_inner) = None;
            self.wake();
        }

        /// Stops it no more.
        pub fn calm(&self) {
            self.0.calm.store(true, Ordering::SeqCst);
            self.thaw();
        }

        /// Does what is ordered for this moment; whether anything is.
        fn reached(&self, moment: At) -> bool {
            if self.0.calm.load(Ordering::SeqCst) {
                return false;
            }
            let mut stops = self.0.orders.stops.iter();
            let Some((_, stop)) = stops.find(|(at, _)| *at == moment) else {
                return false;
            };
            match stop {
                Stop::Dies => self.0.dead.store(true, Ordering::SeqCst),
                stop => {
                    let mut frozen = self.0.frozen.lock().unwrap_or_else(PoisonError::into_inner);
                    *frozen = Some(*stop);
                }
            }
            true
        }

        fn wake(&self) {
            let mut wakers = self.0.wakers.lock().unwrap_or_else(PoisonError::into_inner);
            wakers.drain(..).for_each(Waker::wake);
        }

        pub fn enter(&self) -> InTransaction {
            self.0.inside.fetch_add(1, Ordering::SeqCst);
            InTransaction(self.clone())
        }

        pub async fn point(&self, _: Point) {
            let number = self.0.points.fetch_add(1, Ordering::SeqCst);
            // A stop that was ordered within a transaction holds from the first point after it.
            if self.reached(At::Point(number)) || self.frozen().is_some() {
                // Gives `hold` the word.
                tokio::task::yield_now().await;
            }
        }

        fn remember(&self, waker: &Waker) {
            let mut wakers = self.0.wakers.lock().unwrap_or_else(PoisonError::into_inner);
            if !wakers.iter().any(|known| known.will_wake(waker)) {
                wakers.push(waker.clone());
            }
        }

        /// Carries `future` on unless the runner is stopped; nothing when it died.
        pub async fn hold<F: Future>(&self, future: F) -> Option<F::Output> {
            let mut future = pin!(future);
            std::future::poll_fn(|cx| {
                self.remember(cx.waker());
                let number = self.0.wakes.fetch_add(1, Ordering::SeqCst);
                self.reached(At::Wake(number));
                if self.is_dead() {
                    return Poll::Ready(None);
                }
                if self.frozen().is_some() {
                    return Poll::Pending;
                }
                future.as_mut().poll(cx).map(Some)
            })
            .await
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_runner_stopped_before_a_commit_stands_still_right_after_it() {
        let meddler = Meddler::new(Orders {
            stops: vec![(At::Point(0), Stop::Freezes)],
            ..Orders::default()
        });
        let (committed, went_on) = (AtomicBool::new(false), AtomicBool::new(false));
        let work = async {
            let inside = meddler.enter();
            meddler.point(Point::Inside).await;
            committed.store(true, Ordering::SeqCst);
            drop(inside);
            meddler.point(Point::Outside).await;
            went_on.store(true, Ordering::SeqCst);
        };
        let mut work = std::pin::pin!(meddler.hold(work));
        for _ in 0..5 {
            assert!(work.as_mut().now_or_never().is_none());
        }
        assert!(committed.load(Ordering::SeqCst));
        assert!(!went_on.load(Ordering::SeqCst), "it took what others need");
        meddler.thaw();
        work.await;
        assert!(went_on.load(Ordering::SeqCst));
    }
}

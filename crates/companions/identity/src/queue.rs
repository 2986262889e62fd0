//! Whose password is checked next.
//!
//! Hashing is slow on purpose, and a stranger may ask for it. So no more checks run at once than the
//! machine has processors, and those that wait are served in turn: one of each address, and of an
//! address one of each user. However many one address or user sends, another's first check waits for
//! at most one round. Lines are bounded; who finds theirs full is refused at once.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::settings::QueueLimits;

/// Whom a check is counted for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asker {
    /// None for this process itself, which no limit binds.
    pub address: Option<IpAddr>,
    /// The user by whatever the request names it: its id, or domain and name.
    pub user: String,
}

impl Asker {
    /// This process itself.
    pub fn ourselves() -> Self {
        Asker {
            address: None,
            user: String::new(),
        }
    }

    /// Somebody at an address. A whole /64 of IPv6 is one address: it is what one customer gets.
    pub fn at(address: Option<IpAddr>, user: impl Into<String>) -> Self {
        let network = |address| match address {
            IpAddr::V6(six) => match six.to_ipv4_mapped() {
                Some(four) => IpAddr::V4(four),
                None => {
                    let [a, b, c, d, ..] = six.segments();
                    IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
                }
            },
            four => four,
        };
        Asker {
            address: address.map(network),
            user: user.into(),
        }
    }
}

/// Why there is no place in the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Busy {
    /// The asker's own line is full; seconds after which to try again.
    Yours(u64),
    /// Everybody's line is full; seconds after which to try again.
    Everybodys(u64),
}

/// The line.
pub struct Queue {
    slots: usize,
    limits: QueueLimits,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    running: usize,
    waiting: usize,
    next_ticket: u64,
    /// Next in turn first; none is empty.
    addresses: VecDeque<AddressLine>,
}

struct AddressLine {
    address: Option<IpAddr>,
    /// Next in turn first; none is empty.
    users: VecDeque<UserLine>,
}

struct UserLine {
    user: String,
    tickets: VecDeque<Ticket>,
}

struct Ticket {
    number: u64,
    go: oneshot::Sender<Turn>,
}

/// The right to hash, one after the other; it ends when its last clone is dropped.
#[derive(Clone)]
pub struct Turn {
    _slot: Arc<Slot>,
}

struct Slot(Arc<Queue>);

impl Drop for Slot {
    fn drop(&mut self) {
        Queue::next(&self.0);
    }
}

impl Queue {
    /// A line for `slots` checks at once.
    pub fn new(slots: usize, limits: QueueLimits) -> Arc<Self> {
        Arc::new(Queue {
            slots: slots.max(1),
            limits,
            inner: Mutex::default(),
        })
    }

    /// Waits until it is the asker's turn.
    ///
    /// # Errors
    /// [`Busy`] at once when the line is full.
    pub async fn turn(self: &Arc<Self>, asker: Asker) -> Result<Turn, Busy> {
        let (waiting, mut place) = {
            let mut inner = self.lock();
            if inner.running < self.slots {
                inner.running += 1;
                return Ok(self.slot());
            }
            inner.admit(&asker, &self.limits, self.slots)?;
            let (go, waiting) = oneshot::channel();
            let number = inner.join(&asker, go);
            let place = Place {
                queue: self,
                asker,
                number: Some(number),
            };
            (waiting, place)
        };
        let turn = waiting.await;
        place.number = None;
        // The sender lives in the line until it sends; only this place removes it otherwise.
        turn.map_err(|_| Busy::Everybodys(1))
    }

    fn slot(self: &Arc<Self>) -> Turn {
        Turn {
            _slot: Arc::new(Slot(self.clone())),
        }
    }

    /// Hands a slot that became free to the next in turn.
    fn next(queue: &Arc<Self>) {
        let next = {
            let mut inner = queue.lock();
            let next = inner.pop();
            if next.is_none() {
                inner.running -= 1;
            }
            next
        };
        if let Some(ticket) = next {
            // Who gave up meanwhile drops the turn, which hands it on.
            drop(ticket.go.send(queue.slot()));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing panics while it is held; were it otherwise, the line would still be consistent.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many wait, for tests.
    #[cfg(test)]
    fn waiting(&self) -> usize {
        self.lock().waiting
    }
}

impl Inner {
    fn admit(&self, asker: &Asker, limits: &QueueLimits, slots: usize) -> Result<(), Busy> {
        let Some(address) = asker.address else {
            return Ok(());
        };
        let line = self
            .addresses
            .iter()
            .find(|line| line.address == Some(address));
        let of_address = line.map_or(0, |line| {
            line.users.iter().map(|user| user.tickets.len()).sum()
        });
        let of_user = line
            .and_then(|line| line.users.iter().find(|line| line.user == asker.user))
            .map_or(0, |user| user.tickets.len());
        // A check of the default cost takes about a quarter of a second.
        let seconds = |waiting: usize| 1 + (waiting / slots / 4) as u64;
        if of_user >= limits.per_user || of_address >= limits.per_address {
            return Err(Busy::Yours(seconds(of_address)));
        }
        if self.waiting >= limits.total {
            return Err(Busy::Everybodys(seconds(self.waiting)));
        }
        Ok(())
    }

    fn join(&mut self, asker: &Asker, go: oneshot::Sender<Turn>) -> u64 {
        self.next_ticket += 1;
        self.waiting += 1;
        let number = self.next_ticket;
        let ticket = Ticket { number, go };
        let line = self
            .addresses
            .iter_mut()
            .find(|line| line.address == asker.address);
        let user = |ticket| UserLine {
            user: asker.user.clone(),
            tickets: VecDeque::from([ticket]),
        };
        match line {
            None => self.addresses.push_back(AddressLine {
                address: asker.address,
                users: VecDeque::from([user(ticket)]),
            }),
            Some(line) => match line.users.iter_mut().find(|line| line.user == asker.user) {
                None => line.users.push_back(user(ticket)),
                Some(line) => line.tickets.push_back(ticket),
            },
        }
        number
    }

    /// The next in turn; its address and its user go to the end of their circles.
    fn pop(&mut self) -> Option<Ticket> {
        let mut address = self.addresses.pop_front()?;
        let mut user = address.users.pop_front()?;
        let ticket = user.tickets.pop_front()?;
        if !user.tickets.is_empty() {
            address.users.push_back(user);
        }
        if !address.users.is_empty() {
            self.addresses.push_back(address);
        }
        self.waiting -= 1;
        Some(ticket)
    }

    fn leave(&mut self, asker: &Asker, number: u64) {
        for address in &mut self.addresses {
            if address.address != asker.address {
                continue;
            }
            for user in &mut address.users {
                let before = user.tickets.len();
                user.tickets.retain(|ticket| ticket.number != number);
                self.waiting -= before - user.tickets.len();
            }
            address.users.retain(|user| !user.tickets.is_empty());
        }
        self.addresses.retain(|address| !address.users.is_empty());
    }
}

/// A place in the line; who stops waiting leaves it.
struct Place<'a> {
    queue: &'a Queue,
    asker: Asker,
    number: Option<u64>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.queue.lock().leave(&self.asker, number);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    const LIMITS: QueueLimits = QueueLimits {
        per_user: 2,
        per_address: 3,
        total: 5,
    };

    fn at(last: u8, user: &str) -> Asker {
        Asker::at(Some(IpAddr::from([192, 0, 2, last])), user)
    }

    /// Joins the line; the task gives its turn back at once and says its name.
    fn join(
        queue: &Arc<Queue>,
        asker: Asker,
        served: &Arc<Mutex<Vec<String>>>,
    ) -> tokio::task::JoinHandle<Result<(), Busy>> {
        let (queue, served) = (queue.clone(), served.clone());
        tokio::spawn(async move {
            let name = format!("{}@{:?}", asker.user, asker.address.map(|a| a.to_string()));
            let turn = queue.turn(asker).await?;
            served.lock().expect("served").push(name);
            drop(turn);
            Ok(())
        })
    }

    async fn until_waiting(queue: &Queue, count: usize) {
        while queue.waiting() != count {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_flood_of_one_address_keeps_nobody_else_waiting_for_more_than_a_round() {
        let queue = Queue::new(1, LIMITS);
        let first = queue.turn(at(1, "a")).await.expect("free");
        let served = Arc::default();
        let mut tasks = Vec::new();
        for user in ["a", "a", "b"] {
            tasks.push(join(&queue, at(1, user), &served));
            until_waiting(&queue, tasks.len()).await;
        }
        tasks.push(join(&queue, at(2, "x"), &served));
        until_waiting(&queue, 4).await;
        drop(first);
        for task in tasks {
            task.await.expect("no panic").expect("served");
        }
        let order = served.lock().expect("served").clone();
        let order: Vec<&str> = order.iter().map(|name| &name[..1]).collect();
        assert_eq!(order, ["a", "x", "b", "a"]);
    }

    #[tokio::test]
    async fn full_lines_refuse_their_own_and_the_whole_refuses_all() {
        let queue = Queue::new(1, LIMITS);
        let first = queue.turn(at(1, "a")).await.expect("free");
        let served = Arc::default();
        let mut tasks = Vec::new();
        for (address, user) in [(1, "a"), (1, "a"), (1, "b"), (2, "a"), (3, "a")] {
            tasks.push(join(&queue, at(address, user), &served));
            until_waiting(&queue, tasks.len()).await;
        }
        // One who is not refused waits, and is no answer.
        let refused = |asker| queue.turn(asker).now_or_never().and_then(Result::err);
        assert!(matches!(refused(at(1, "a")), Some(Busy::Yours(_))));
        assert!(matches!(refused(at(1, "c")), Some(Busy::Yours(_))));
        let all = refused(at(4, "a"));
        assert!(matches!(all, Some(Busy::Everybodys(_))), "{all:?}");
        tasks.push(join(&queue, Asker::ourselves(), &served));
        until_waiting(&queue, 6).await;
        drop(first);
        for task in tasks {
            task.await.expect("no panic").expect("served");
        }
        assert_eq!(queue.lock().running, 0);
    }

    #[tokio::test]
    async fn a_users_own_line_is_full_before_that_of_the_address() {
        let queue = Queue::new(1, LIMITS);
        let first = queue.turn(at(1, "a")).await.expect("free");
        let served = Arc::default();
        let mut tasks = Vec::new();
        for user in ["a", "a", "b"] {
            // The third of the user would be the third of the address, which has room for it.
            if user == "b" {
                let third = queue.turn(at(1, "a")).now_or_never();
                let refused = matches!(third, Some(Err(Busy::Yours(_))));
                assert!(refused, "it waits");
            }
            tasks.push(join(&queue, at(1, user), &served));
            until_waiting(&queue, tasks.len()).await;
        }
        drop(first);
        for task in tasks {
            task.await.expect("no panic").expect("served");
        }
    }

    #[tokio::test]
    async fn who_hangs_up_leaves_the_line_and_the_turn_goes_on() {
        let queue = Queue::new(1, LIMITS);
        let first = queue.turn(at(1, "a")).await.expect("free");
        let served = Arc::default();
        let gone = join(&queue, at(1, "a"), &served);
        until_waiting(&queue, 1).await;
        gone.abort();
        until_waiting(&queue, 0).await;
        let stays = join(&queue, at(1, "b"), &served);
        until_waiting(&queue, 1).await;
        let second = first.clone();
        drop(first);
        assert_eq!(queue.waiting(), 1, "work of the turn still runs");
        drop(second);
        stays.await.expect("no panic").expect("served");
    }

    #[test]
    fn an_ipv6_customer_is_one_address() {
        let of = |text: &str| Asker::at(Some(text.parse().expect("address")), "a");
        assert_eq!(of("2001:db8:1:2:3::1"), of("2001:db8:1:2:9::7"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
    }
}

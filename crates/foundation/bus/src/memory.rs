//! The wire inside one process: a queue per address, worked on without a dispatching task.
//!
//! Whoever sends a message hands it straight to a free worker of the address, as a new task; only
//! when none is free does it wait in the queue, from where the next worker that finishes takes it.
//! So an uncongested call costs one task and one wake-up.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::failure::WireError;
use crate::limits::BACKLOG;
use crate::service::{Kind, Table};
use crate::{Address, TransportError};

/// All queues of one bus.
#[derive(Default)]
pub struct Hub {
    queues: RwLock<HashMap<Address, Arc<Queue>>>,
}

/// One message on its way; without `reply` it is a cast.
struct Frame {
    request: Arc<[u8]>,
    expires: Instant,
    reply: Option<oneshot::Sender<Vec<u8>>>,
}

#[derive(Default)]
struct Queue {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Frame>,
    workers: Vec<Worker>,
    next_id: u64,
    /// Where the search for a free worker begins, so that they take turns.
    turn: usize,
}

/// One `serve`: how many more handlers it may run, and the fanouts that wait for it alone.
#[derive(Clone)]
struct Hands {
    id: u64,
    table: Arc<Table>,
    running: TaskTracker,
}

struct Worker {
    hands: Hands,
    free: usize,
    fanouts: VecDeque<Frame>,
}

impl Hub {
    /// Hands the request to a worker and waits for the answer.
    pub async fn call(
        &self,
        address: &Address,
        request: Vec<u8>,
        expires: Instant,
    ) -> Result<Vec<u8>, WireError> {
        let queue = self.find(address).ok_or(WireError::NoSuchService)?;
        let (reply, answer) = oneshot::channel();
        let frame = Frame {
            request: request.into(),
            expires,
            reply: Some(reply),
        };
        deliver(&queue, frame)?;
        match timeout_at(expires, answer).await {
            Ok(Ok(answer)) => Ok(answer),
            // Dropped unanswered: too late, or the last worker left.
            Ok(Err(_)) if Instant::now() < expires => Err(WireError::NoSuchService),
            _ => Err(WireError::Deadline),
        }
    }

    /// Hands the request to a worker, or keeps it until there is one.
    pub fn cast(
        &self,
        address: &Address,
        request: Vec<u8>,
        expires: Instant,
    ) -> Result<(), WireError> {
        deliver(
            &self.find_or_make(address),
            Frame {
                request: request.into(),
                expires,
                reply: None,
            },
        )
    }

    /// Hands the request to everyone who serves the topic now.
    pub fn fanout(&self, topic: &str, request: Vec<u8>, expires: Instant) {
        let request: Arc<[u8]> = request.into();
        let queues: Vec<_> = {
            let all = self.queues.read().unwrap_or_else(PoisonError::into_inner);
            all.iter()
                .filter(|(address, _)| address.topic_name() == topic)
                .map(|(_, queue)| queue.clone())
                .collect()
        };
        for queue in queues {
            let mut state = lock(&queue);
            for worker in &mut state.workers {
                let frame = Frame {
                    request: Arc::clone(&request),
                    expires,
                    reply: None,
                };
                if worker.free > 0 {
                    worker.free -= 1;
                    start(&queue, &worker.hands, frame);
                } else if worker.fanouts.len() < BACKLOG {
                    worker.fanouts.push_back(frame);
                } else {
                    tracing::warn!(topic, "a fanout was dropped: too many wait");
                }
            }
        }
    }

    /// Adds a worker to the address until `stop`; `running` tracks it and its handlers.
    pub fn serve(
        &self,
        address: &Address,
        table: Table,
        concurrency: usize,
        stop: CancellationToken,
        running: &TaskTracker,
    ) {
        let queue = self.find_or_make(address);
        let id = {
            let mut state = lock(&queue);
            let id = state.next_id;
            state.next_id += 1;
            let hands = Hands {
                id,
                table: Arc::new(table),
                running: running.clone(),
            };
            state.workers.push(Worker {
                hands,
                free: concurrency,
                fanouts: VecDeque::new(),
            });
            while let Some((hands, frame)) = state.match_up() {
                start(&queue, &hands, frame);
            }
            id
        };
        let employed = Employed { queue, id };
        running.spawn(async move {
            stop.cancelled().await;
            drop(employed);
        });
    }

    fn find(&self, address: &Address) -> Option<Arc<Queue>> {
        self.queues
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(address)
            .cloned()
    }

    fn find_or_make(&self, address: &Address) -> Arc<Queue> {
        if let Some(queue) = self.find(address) {
            return queue;
        }
        let mut queues = self.queues.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(queues.entry(address.clone()).or_default())
    }
}

impl State {
    /// Takes a free slot of some worker, in turn.
    fn take_slot(&mut self) -> Option<Hands> {
        let count = self.workers.len();
        for step in 0..count {
            let at = (self.turn + step) % count;
            let worker = &mut self.workers[at];
            if worker.free > 0 {
                worker.free -= 1;
                self.turn = at + 1;
                return Some(worker.hands.clone());
            }
        }
        None
    }

    /// The oldest waiting message with a worker for it, while there are both.
    fn match_up(&mut self) -> Option<(Hands, Frame)> {
        self.drop_expired_front();
        if self.waiting.is_empty() {
            return None;
        }
        let hands = self.take_slot()?;
        self.waiting.pop_front().map(|frame| (hands, frame))
    }

    /// What a worker that finished does next; `None` gives its slot back.
    fn next_for(&mut self, id: u64) -> Option<Frame> {
        self.drop_expired_front();
        let State {
            waiting, workers, ..
        } = self;
        let worker = workers.iter_mut().find(|worker| worker.hands.id == id)?;
        let now = Instant::now();
        while worker
            .fanouts
            .front()
            .is_some_and(|frame| frame.expires <= now)
        {
            worker.fanouts.pop_front();
        }
        let next = worker.fanouts.pop_front().or_else(|| waiting.pop_front());
        if next.is_none() {
            worker.free += 1;
        }
        next
    }

    fn drop_expired_front(&mut self) {
        let now = Instant::now();
        while self
            .waiting
            .front()
            .is_some_and(|frame| frame.expires <= now)
        {
            self.waiting.pop_front();
        }
    }

    /// Removes a worker; when it was the last one, waiting calls learn that nobody serves.
    fn dismiss(&mut self, id: u64) -> Option<Worker> {
        let place = self.workers.iter().position(|one| one.hands.id == id)?;
        let gone = self.workers.remove(place);
        if self.workers.is_empty() {
            self.waiting.retain(|frame| frame.reply.is_none());
        }
        Some(gone)
    }
}

/// A worker of a queue. Dropped, it is dismissed: also where its runtime ended before anybody stopped it, as its handlers
/// mostly hold the bus that holds them.
struct Employed {
    queue: Arc<Queue>,
    id: u64,
}

impl Drop for Employed {
    fn drop(&mut self) {
        let gone = lock(&self.queue).dismiss(self.id);
        // What its handlers held may end with them: not under the lock.
        drop(gone);
    }
}

fn lock(queue: &Queue) -> MutexGuard<'_, State> {
    queue.state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts the message on a free worker or lets it wait.
fn deliver(queue: &Arc<Queue>, frame: Frame) -> Result<(), WireError> {
    let mut state = lock(queue);
    if frame.reply.is_some() && state.workers.is_empty() {
        return Err(WireError::NoSuchService);
    }
    if let Some(hands) = state.take_slot() {
        drop(state);
        start(queue, &hands, frame);
        return Ok(());
    }
    if state.waiting.len() >= BACKLOG {
        let now = Instant::now();
        state.waiting.retain(|waiting| waiting.expires > now);
        if state.waiting.len() >= BACKLOG {
            return Err(WireError::Transport(TransportError::Overfull));
        }
    }
    state.waiting.push_back(frame);
    Ok(())
}

/// A task that works on this message and then on whatever waits.
fn start(queue: &Arc<Queue>, hands: &Hands, first: Frame) {
    let queue = Arc::clone(queue);
    let table = Arc::clone(&hands.table);
    let id = hands.id;
    hands.running.spawn(async move {
        let mut next = Some(first);
        while let Some(frame) = next {
            let kind = if frame.reply.is_some() {
                Kind::Call
            } else {
                Kind::Cast
            };
            let answer = table.handle(kind, &frame.request).await;
            if let Some(reply) = frame.reply {
                // A caller that no longer waits is not an error.
                let _ = reply.send(answer);
            }
            next = lock(&queue).next_for(id);
        }
    });
}

//! The handle that roles hold: send, serve, shut down.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::envelope::{self, Answer};
use crate::failure::WireError;
use crate::limits::LONGEST_ADDRESS;
use crate::memory::Hub;
use crate::message::{Address, Context, Message, Options};
use crate::rabbit::{Parcel, Place, Rabbit};
use crate::service::Service;
use crate::{CallError, ConnectError, TransportError};

/// How many messages that were posted may wait for the broker at once. While it is away more than
/// that are dropped: whoever posts can do without.
pub const POSTED: usize = 1_000;

/// Sends and serves messages over one wire. Clones share it.
#[derive(Clone)]
pub struct Bus {
    inner: Arc<Inner>,
}

struct Inner {
    wire: Wire,
    stop: CancellationToken,
    servings: Mutex<Vec<TaskTracker>>,
    /// Messages on their way to the broker without anybody who waits.
    posts: TaskTracker,
}

enum Wire {
    Memory(Hub),
    Rabbit(Arc<Rabbit>),
}

impl Bus {
    /// A bus by its `transport_url`: `memory://`, or `rabbit://user:password@host:port/vhost`
    /// (also `amqp://`, and with TLS `rabbits://`, `amqps://`).
    ///
    /// Tries for half a minute to reach the broker; afterwards a lost connection is made anew for ever.
    pub async fn connect(url: &str) -> Result<Bus, ConnectError> {
        let stop = CancellationToken::new();
        if url == "memory:" || url.starts_with("memory://") {
            return Ok(Bus::over(Wire::Memory(Hub::default()), stop));
        }
        let rabbit = Rabbit::connect(Place::parse(url)?).await?;
        Ok(Bus::over(Wire::Rabbit(rabbit), stop))
    }

    /// A bus inside this process, shared only by its clones.
    pub fn memory() -> Bus {
        Bus::over(Wire::Memory(Hub::default()), CancellationToken::new())
    }

    fn over(wire: Wire, stop: CancellationToken) -> Bus {
        Bus {
            inner: Arc::new(Inner {
                wire,
                stop,
                servings: Mutex::default(),
                posts: TaskTracker::new(),
            }),
        }
    }

    /// Lets `service` answer at `address`, with at most `concurrency` handlers at once (at least one).
    ///
    /// It also receives the fanouts of the address's topic. Serves until the returned handle or the
    /// bus is stopped; dropping the handle changes nothing. Returns when messages are taken.
    pub async fn serve<S: Send + Sync + 'static>(
        &self,
        address: &Address,
        service: Service<S>,
        concurrency: usize,
    ) -> Result<Serving, TransportError> {
        check(address)?;
        let stop = self.inner.stop.child_token();
        let running = TaskTracker::new();
        let concurrency = concurrency.max(1);
        let table = service.into_table();
        match &self.inner.wire {
            Wire::Memory(hub) => hub.serve(address, table, concurrency, stop.clone(), &running),
            Wire::Rabbit(rabbit) => {
                rabbit
                    .serve(address, table, concurrency, stop.clone(), &running)
                    .await?
            }
        }
        let mut servings = self
            .inner
            .servings
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        servings.retain(|serving| !serving.is_empty());
        servings.push(running.clone());
        Ok(Serving { stop, running })
    }

    /// Sends a message and waits for its answer.
    pub async fn call<M: Message>(
        &self,
        address: &Address,
        message: M,
        options: impl Into<Options>,
    ) -> Result<M::Reply, CallError> {
        let options = options.into();
        let expires = options.call_expiry();
        let lost = |error| name_error::<M>(address, error);
        check(address).map_err(|error| lost(WireError::Transport(error)))?;
        let request = encode(&message, options.context, expires).map_err(lost)?;
        let answer = match &self.inner.wire {
            Wire::Memory(hub) => hub.call(address, request, expires).await,
            Wire::Rabbit(rabbit) => {
                rabbit
                    .call(address, &parcel::<M>(&request, expires), M::IDEMPOTENT)
                    .await
            }
        };
        let answer = answer.map_err(lost)?;
        match serde_json::from_slice(&answer) {
            Ok(Answer::Ok(reply)) => Ok(reply),
            Ok(Answer::Failure(failure)) => Err(CallError::Refused(failure)),
            Err(error) => Err(lost(WireError::Transport(TransportError::Decode(error)))),
        }
    }

    /// Sends a message to be handled some time before its deadline. Returns when the wire has it.
    pub async fn cast<M: Message>(
        &self,
        address: &Address,
        message: M,
        options: impl Into<Options>,
    ) -> Result<(), CallError> {
        let options = options.into();
        let expires = options.cast_expiry();
        let lost = |error| name_error::<M>(address, error);
        check(address).map_err(|error| lost(WireError::Transport(error)))?;
        let request = encode(&message, options.context, expires).map_err(lost)?;
        match &self.inner.wire {
            Wire::Memory(hub) => hub.cast(address, request, expires),
            Wire::Rabbit(rabbit) => rabbit.cast(address, &parcel::<M>(&request, expires)).await,
        }
        .map_err(lost)
    }

    /// Sends a message as [`Bus::cast`] does, but never waits for the broker: what cannot be sent at
    /// once goes on by itself, and is lost if the broker stays away. For nudges, whose loss costs a
    /// moment and which must not hold up the answer to a client.
    pub fn post<M: Message>(&self, address: &Address, message: M, options: impl Into<Options>) {
        let options = options.into();
        let expires = options.cast_expiry();
        let sent = check(address).map_err(WireError::Transport);
        let sent = sent.and_then(|()| encode(&message, options.context, expires));
        let sent = sent.and_then(|request| match &self.inner.wire {
            Wire::Memory(hub) => hub.cast(address, request, expires),
            Wire::Rabbit(_) if self.inner.posts.len() >= POSTED => {
                Err(WireError::Transport(TransportError::Overfull))
            }
            Wire::Rabbit(rabbit) => {
                let (rabbit, address) = (rabbit.clone(), address.clone());
                self.inner.posts.spawn(async move {
                    let sent = rabbit.cast(&address, &parcel::<M>(&request, expires)).await;
                    if let Err(error) = sent {
                        lost::<M>(&address, error);
                    }
                });
                Ok(())
            }
        });
        if let Err(error) = sent {
            lost::<M>(address, error);
        }
    }

    /// Sends a message to everyone who serves the topic at this moment; that may be nobody.
    pub async fn fanout<M: Message>(
        &self,
        topic: &str,
        message: M,
        options: impl Into<Options>,
    ) -> Result<(), CallError> {
        let options = options.into();
        let expires = options.cast_expiry();
        let address = Address::topic(topic.to_owned());
        let lost = |error| name_error::<M>(&address, error);
        check(&address).map_err(|error| lost(WireError::Transport(error)))?;
        let request = encode(&message, options.context, expires).map_err(lost)?;
        match &self.inner.wire {
            Wire::Memory(hub) => {
                hub.fanout(topic, request, expires);
                Ok(())
            }
            Wire::Rabbit(rabbit) => rabbit
                .fanout(topic, &parcel::<M>(&request, expires))
                .await
                .map_err(lost),
        }
    }

    /// Cancel it to stop taking messages everywhere; [`Bus::shutdown`] does so and waits.
    pub fn stop_token(&self) -> CancellationToken {
        self.inner.stop.clone()
    }

    /// Takes no more messages, waits for the running handlers, at most `limit`, and leaves the broker.
    /// Handlers may still send while they end.
    pub async fn shutdown(&self, limit: Duration) -> Result<(), Undrained> {
        self.inner.stop.cancel();
        let servings = std::mem::take(
            &mut *self
                .inner
                .servings
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        );
        let all = async {
            for serving in &servings {
                serving.close();
                serving.wait().await;
            }
            self.inner.posts.close();
            self.inner.posts.wait().await;
        };
        let drained = tokio::time::timeout(limit, all).await;
        if let Wire::Rabbit(rabbit) = &self.inner.wire {
            rabbit.close().await;
        }
        drained.map_err(|_| Undrained {
            running: servings.iter().map(TaskTracker::len).sum(),
        })
    }
}

/// Handlers that did not end in time at shutdown. Their messages are lost, or handled again by
/// another server if they were casts on the broker.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[error("{running} message handlers did not end in time")]
pub struct Undrained {
    pub running: usize,
}

/// A service at work.
#[derive(Debug)]
pub struct Serving {
    stop: CancellationToken,
    running: TaskTracker,
}

impl Serving {
    /// Takes no more messages and waits until the running handlers have ended.
    pub async fn stop(&self) {
        self.stop.cancel();
        self.running.close();
        self.running.wait().await;
    }

    /// Cancel it to take no more messages, without waiting.
    pub fn stop_token(&self) -> CancellationToken {
        self.stop.clone()
    }
}

fn encode<M: Message>(
    message: &M,
    mut context: Context,
    expires: Instant,
) -> Result<Vec<u8>, WireError> {
    context.deadline = Some(expires);
    envelope::request(M::NAME, &context, message)
        .map_err(|error| WireError::Transport(TransportError::Encode(error)))
}

fn parcel<M: Message>(request: &[u8], expires: Instant) -> Parcel<'_> {
    Parcel {
        name: M::NAME,
        request,
        expires,
    }
}

fn check(address: &Address) -> Result<(), TransportError> {
    let (topic, host) = (address.topic_name(), address.host_name());
    let empty = topic.is_empty() || host.is_some_and(str::is_empty);
    if empty || topic.len() + host.map_or(0, str::len) > LONGEST_ADDRESS {
        return Err(TransportError::BadAddress);
    }
    Ok(())
}

/// Says that a message that was posted will not arrive.
fn lost<M: Message>(address: &Address, error: WireError) {
    let error = name_error::<M>(address, error);
    tracing::warn!(message = M::NAME, %address, %error, "a message was lost");
}

fn name_error<M: Message>(address: &Address, error: WireError) -> CallError {
    let (message, address) = (M::NAME, address.clone());
    match error {
        WireError::Deadline => CallError::Deadline { message, address },
        WireError::NoSuchService => CallError::NoSuchService { message, address },
        WireError::Transport(source) => CallError::Transport {
            message,
            address,
            source,
        },
    }
}

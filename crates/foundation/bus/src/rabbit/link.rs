//! One connection to the broker: publishing with confirms, and answers by direct reply-to.

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures::StreamExt;
use lapin::options::{
    BasicConsumeOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions,
};
use lapin::types::{FieldTable, ShortString};
use lapin::{BasicProperties, Channel, Confirmation, Connection, Consumer, PublisherConfirm};
use tokio::sync::oneshot;
use tokio::time::{Instant, interval_at, timeout};
use tokio_util::sync::CancellationToken;

use super::{Parcel, topology};
use crate::failure::WireError;
use crate::{Address, TransportError};

/// The pseudo-queue of direct reply-to.
const REPLY_TO: &str = "amq.rabbitmq.reply-to";
/// How often a waiting call looks whether anybody consumes from the queue.
const PROBE: Duration = Duration::from_secs(1);
/// After a reconnection others get this long to be back as well, before they count as absent.
const RETURN_TIME: Duration = Duration::from_secs(10);
/// How often the connection's own state is looked at; a loss is mostly noticed earlier.
pub const CHECK: Duration = Duration::from_millis(500);

/// A connection with one channel for publishing and the consumer of answers.
pub struct Link {
    connection: Connection,
    channel: Channel,
    waiting: Arc<Waiting>,
    lost: CancellationToken,
    exchanges: Mutex<HashSet<String>>,
    /// From when on an absent consumer is believed to be absent.
    believe_absence: Instant,
}

/// Why a request was not carried.
pub enum Trouble {
    /// The connection was gone before: surely nothing was sent.
    NotSent,
    /// The connection went away: it may have been sent.
    Lost,
    /// Trying again on another connection does not help.
    Final(WireError),
}

/// The calls that wait for an answer, by correlation id.
#[derive(Default)]
struct Waiting {
    next: AtomicU64,
    calls: Mutex<HashMap<u64, oneshot::Sender<Vec<u8>>>>,
}

impl Link {
    /// Prepares a connection for publishing; `again` if there was one before.
    pub async fn open(connection: Connection, again: bool) -> lapin::Result<Arc<Link>> {
        let channel = connection.create_channel().await?;
        channel
            .confirm_select(ConfirmSelectOptions::default())
            .await?;
        let options = BasicConsumeOptions {
            no_ack: true,
            ..BasicConsumeOptions::default()
        };
        let answers = channel
            .basic_consume(
                REPLY_TO.into(),
                "answers".into(),
                options,
                FieldTable::default(),
            )
            .await?;
        let link = Arc::new(Link {
            connection,
            channel,
            waiting: Arc::default(),
            lost: CancellationToken::new(),
            exchanges: Mutex::default(),
            believe_absence: Instant::now() + if again { RETURN_TIME } else { Duration::ZERO },
        });
        tokio::spawn(receive(
            answers,
            Arc::clone(&link.waiting),
            Arc::downgrade(&link),
            link.lost.clone(),
        ));
        Ok(link)
    }

    /// Whether this connection is known to be useless.
    pub fn is_lost(&self) -> bool {
        self.lost.is_cancelled()
    }

    /// Ends when the connection is useless.
    pub async fn lost(&self) {
        self.lost.cancelled().await;
    }

    /// Declares this connection useless; the supervisor makes a new one.
    pub fn lose(&self) {
        self.lost.cancel();
    }

    /// Says goodbye to the broker.
    pub async fn close(&self) {
        self.lost.cancel();
        if let Err(error) = self.connection.close(200, "leaving".into()).await {
            tracing::debug!(%error, "the broker did not take our leave");
        }
    }

    /// Sends a request and waits for its answer, the loss of the connection, or the certainty that
    /// nobody serves. The caller watches the deadline.
    pub async fn ask(&self, address: &Address, parcel: &Parcel<'_>) -> Result<Vec<u8>, Trouble> {
        let (ticket, mut answer) = Ticket::new(&self.waiting);
        let queue = topology::queue_name(address);
        let properties = properties(parcel)
            .with_delivery_mode(1)
            .with_reply_to(REPLY_TO.into())
            .with_correlation_id(ticket.id.to_string().into());
        let mut confirm = self
            .publish("".into(), queue.clone(), parcel, properties)
            .await?;
        let mut confirmed = false;
        let mut probes = interval_at(Instant::now() + PROBE, PROBE);
        let mut absent = 0;
        loop {
            tokio::select! {
                biased;
                answer = &mut answer => return answer.map_err(|_| Trouble::Lost),
                outcome = confirm.outcome(), if !confirmed => match outcome? {
                    Stored::Yes => confirmed = true,
                    Stored::NoQueue => return Err(Trouble::Final(WireError::NoSuchService)),
                },
                () = self.lost.cancelled() => return Err(Trouble::Lost),
                _ = probes.tick() => {
                    absent = if self.is_unattended(&queue).await { absent + 1 } else { 0 };
                    if absent >= 2 && Instant::now() >= self.believe_absence {
                        return Err(Trouble::Final(WireError::NoSuchService));
                    }
                }
            }
        }
    }

    /// Has the broker store a request, making the queue if this is the first one for the address.
    pub async fn store(&self, address: &Address, parcel: &Parcel<'_>) -> Result<(), Trouble> {
        let queue = topology::queue_name(address);
        loop {
            let properties = properties(parcel).with_delivery_mode(2);
            let mut confirm = self
                .publish("".into(), queue.clone(), parcel, properties)
                .await?;
            match self.unless_lost(confirm.outcome()).await? {
                Stored::Yes => return Ok(()),
                Stored::NoQueue => {
                    self.make(
                        |channel| async move { topology::declare_queue(&channel, address).await },
                    )
                    .await?
                }
            }
        }
    }

    /// Sends a request to all queues that are bound to the topic's exchange now.
    pub async fn spread(&self, topic: &str, parcel: &Parcel<'_>) -> Result<(), Trouble> {
        if !lock(&self.exchanges).contains(topic) {
            self.make(|channel| async move { topology::declare_exchange(&channel, topic).await })
                .await?;
            lock(&self.exchanges).insert(topic.to_owned());
        }
        let exchange = topology::exchange_name(topic);
        let mut confirm = self
            .publish(exchange, "".into(), parcel, properties(parcel))
            .await?;
        // Bound to no queue means that nobody listens, which is fine.
        self.unless_lost(confirm.outcome()).await.map(drop)
    }

    async fn publish(
        &self,
        exchange: ShortString,
        key: ShortString,
        parcel: &Parcel<'_>,
        properties: BasicProperties,
    ) -> Result<Confirm, Trouble> {
        let options = BasicPublishOptions {
            mandatory: exchange.as_str().is_empty(),
            immediate: false,
        };
        if self.is_lost() || !self.channel.status().connected() {
            return Err(Trouble::NotSent);
        }
        let publish =
            self.channel
                .basic_publish(exchange, key, options, parcel.request, properties);
        match self
            .unless_lost(async { publish.await.map_err(|_| Trouble::Lost) })
            .await
        {
            Ok(confirm) => Ok(Confirm(Some(confirm))),
            Err(trouble) => Err(trouble),
        }
    }

    /// Changes the broker's topology over a channel of its own, which a refusal closes.
    async fn make<F: Future<Output = lapin::Result<()>>>(
        &self,
        change: impl FnOnce(Channel) -> F,
    ) -> Result<(), Trouble> {
        let change = async {
            let channel = self.connection.create_channel().await?;
            change(channel.clone()).await?;
            channel.close(200, "done".into()).await
        };
        let outcome = self.unless_lost(async { Ok(change.await) }).await?;
        outcome.map_err(|error| {
            if self.connection.status().connected() {
                Trouble::Final(WireError::Transport(TransportError::Broker(error)))
            } else {
                Trouble::Lost
            }
        })
    }

    /// Whether the queue is gone or has no consumer; "no" when the broker does not say.
    async fn is_unattended(&self, queue: &ShortString) -> bool {
        let look = async {
            let channel = self.connection.create_channel().await.ok()?;
            let options = QueueDeclareOptions {
                passive: true,
                ..QueueDeclareOptions::default()
            };
            let found = channel
                .queue_declare(queue.clone(), options, FieldTable::default())
                .await;
            match found {
                Ok(found) => {
                    let consumers = found.consumer_count();
                    // Not being able to close it shows elsewhere.
                    let _ = channel.close(200, "looked".into()).await;
                    Some(consumers == 0)
                }
                Err(_) => Some(self.connection.status().connected()),
            }
        };
        timeout(PROBE / 2, look)
            .await
            .ok()
            .flatten()
            .unwrap_or(false)
    }

    async fn unless_lost<T>(
        &self,
        work: impl Future<Output = Result<T, Trouble>>,
    ) -> Result<T, Trouble> {
        let work = pin!(work);
        tokio::select! {
            biased;
            done = work => done,
            () = self.lost.cancelled() => Err(Trouble::Lost),
        }
    }
}

/// Hands out answers, and notices the end of the connection.
async fn receive(
    mut answers: Consumer,
    waiting: Arc<Waiting>,
    link: Weak<Link>,
    lost: CancellationToken,
) {
    loop {
        tokio::select! {
            biased;
            () = lost.cancelled() => break,
            answer = answers.next() => match answer {
                Some(Ok(answer)) => waiting.answer(answer),
                Some(Err(_)) | None => break,
            },
            () = tokio::time::sleep(CHECK) => {
                let healthy = link.upgrade().is_some_and(|link| {
                    link.connection.status().connected() && link.channel.status().connected()
                });
                if !healthy {
                    break;
                }
            }
        }
    }
    lost.cancel();
    lock(&waiting.calls).clear();
}

impl Waiting {
    fn answer(&self, delivery: lapin::message::Delivery) {
        let id = delivery
            .properties
            .correlation_id()
            .as_ref()
            .and_then(|id| id.as_str().parse().ok());
        // An unknown id is an answer that came too late.
        if let Some(call) = id.and_then(|id: u64| lock(&self.calls).remove(&id)) {
            let _ = call.send(delivery.data);
        }
    }
}

/// A place among the waiting calls; dropping it gives it up.
struct Ticket {
    id: u64,
    waiting: Arc<Waiting>,
}

impl Ticket {
    fn new(waiting: &Arc<Waiting>) -> (Ticket, oneshot::Receiver<Vec<u8>>) {
        let id = waiting.next.fetch_add(1, Ordering::Relaxed);
        let (sender, answer) = oneshot::channel();
        lock(&waiting.calls).insert(id, sender);
        (
            Ticket {
                id,
                waiting: Arc::clone(waiting),
            },
            answer,
        )
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        lock(&self.waiting.calls).remove(&self.id);
    }
}

/// What the broker did with a message.
enum Stored {
    Yes,
    NoQueue,
}

/// The broker's word on one message. Dropped early, it is still listened to: the client library
/// would otherwise collect it for ever.
struct Confirm(Option<PublisherConfirm>);

impl Confirm {
    async fn outcome(&mut self) -> Result<Stored, Trouble> {
        let Some(confirm) = self.0.as_mut() else {
            return Ok(Stored::Yes);
        };
        let outcome = confirm.await;
        self.0 = None;
        match outcome {
            Ok(Confirmation::Ack(None) | Confirmation::NotRequested) => Ok(Stored::Yes),
            Ok(Confirmation::Ack(Some(_)) | Confirmation::Nack(Some(_))) => Ok(Stored::NoQueue),
            Ok(Confirmation::Nack(None)) => Err(Trouble::Final(WireError::Transport(
                TransportError::Overfull,
            ))),
            Err(_) => Err(Trouble::Lost),
        }
    }
}

impl Drop for Confirm {
    fn drop(&mut self) {
        if let (Some(confirm), Ok(runtime)) = (self.0.take(), tokio::runtime::Handle::try_current())
        {
            runtime.spawn(confirm);
        }
    }
}

fn properties(parcel: &Parcel<'_>) -> BasicProperties {
    let left = parcel
        .expires
        .saturating_duration_since(Instant::now())
        .as_millis();
    BasicProperties::default()
        .with_content_type("application/json".into())
        .with_type(parcel.name.into())
        .with_expiration(left.to_string().into())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

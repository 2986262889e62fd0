//! Serving an address: a task with a connection of its own, made anew whenever it is lost.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::{Select, select};
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicNackOptions,
    BasicPublishOptions, BasicQosOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, Consumer};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::link::CHECK;
use super::place::Place;
use super::supervisor::{self, FIRST_WAIT, LONGEST_WAIT};
use super::topology;
use crate::Address;
use crate::service::{Kind, Table};

/// How long the broker may take for each step of leaving.
const GOODBYE: Duration = Duration::from_secs(1);

/// A service at an address; outlives connections.
pub struct Registration {
    address: Address,
    table: Table,
    concurrency: u16,
    /// Counts running handlers over all connections.
    slots: Arc<Semaphore>,
    pub stop: CancellationToken,
    running: TaskTracker,
}

impl Registration {
    pub fn new(
        address: Address,
        table: Table,
        concurrency: usize,
        stop: CancellationToken,
        running: TaskTracker,
    ) -> Registration {
        let concurrency = u16::try_from(concurrency).unwrap_or(u16::MAX);
        let slots = Arc::new(Semaphore::new(usize::from(concurrency)));
        Registration {
            address,
            table,
            concurrency,
            slots,
            stop,
            running,
        }
    }
}

/// Why consuming ended although nobody stopped it.
#[derive(Debug, thiserror::Error)]
enum Interrupted {
    #[error(transparent)]
    Broker(#[from] lapin::Error),
    /// The queue was deleted, or the node that holds it went down.
    #[error("the broker cancelled the consumer")]
    Cancelled,
    #[error("the connection was lost")]
    Lost,
}

/// Serves until stopped, over as many connections as it takes. `done` hears of the first success,
/// or of the broker's refusal, which ends the serving.
pub async fn run(
    place: Arc<Place>,
    registration: Arc<Registration>,
    done: oneshot::Sender<lapin::Result<()>>,
) {
    let address = registration.address.to_string();
    let mut done = Some(done);
    let mut wait = FIRST_WAIT;
    while !registration.stop.is_cancelled() {
        let started = Instant::now();
        let interrupted = match session(&place, &registration, &mut done).await {
            Ok(()) => return,
            Err(interrupted) => interrupted,
        };
        match (done.take(), interrupted) {
            (Some(done), Interrupted::Broker(error)) if error.is_amqp_soft_error() => {
                registration.stop.cancel();
                // Whoever asked may have given up.
                let _ = done.send(Err(error));
                return;
            }
            (waiting, interrupted) => {
                tracing::warn!(address, error = %interrupted, "not serving at the moment");
                done = waiting;
            }
        }
        if started.elapsed() > LONGEST_WAIT {
            wait = FIRST_WAIT;
        }
        tokio::select! {
            () = registration.stop.cancelled() => return,
            () = sleep(wait) => {}
        }
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

/// Serves over one connection, which belongs to this registration alone: a queue that makes the
/// broker close the connection (a quorum queue without leader does) then harms nobody else.
async fn session(
    place: &Place,
    registration: &Arc<Registration>,
    done: &mut Option<oneshot::Sender<lapin::Result<()>>>,
) -> Result<(), Interrupted> {
    let name = registration.address.to_string();
    let connection = tokio::select! {
        () = registration.stop.cancelled() => return Ok(()),
        connection = supervisor::dial(place, &name) => connection?,
    };
    let outcome = tokio::select! {
        outcome = consume(&connection, registration, done) => outcome,
        () = unhealthy(&connection) => Err(Interrupted::Lost),
    };
    // A broker that does not answer the goodbye is left anyway.
    let _ = timeout(GOODBYE, connection.close(200, "leaving".into())).await;
    outcome
}

/// Ends when the connection has.
async fn unhealthy(connection: &Connection) {
    while connection.status().connected() {
        sleep(CHECK).await;
    }
}

async fn consume(
    connection: &Connection,
    registration: &Arc<Registration>,
    done: &mut Option<oneshot::Sender<lapin::Result<()>>>,
) -> Result<(), Interrupted> {
    let channel = connection.create_channel().await?;
    let mut deliveries = subscribe(&channel, registration).await?;
    if let Some(done) = done.take() {
        // Whoever asked may have given up.
        let _ = done.send(Ok(()));
    }
    loop {
        let slot = tokio::select! {
            biased;
            () = registration.stop.cancelled() => break,
            slot = Arc::clone(&registration.slots).acquire_owned() => slot.expect("the semaphore is never closed"),
        };
        let delivery = tokio::select! {
            biased;
            () = registration.stop.cancelled() => break,
            delivery = deliveries.next() => delivery.ok_or(Interrupted::Cancelled)??,
        };
        let handling = handle(Arc::clone(registration), channel.clone(), delivery, slot);
        registration.running.spawn(handling);
    }
    leave(registration, &channel, deliveries).await;
    Ok(())
}

/// Declares and consumes the address's queue and the topic's fanouts. Prefetch is the concurrency,
/// so messages that this process cannot begin stay where others can have them.
async fn subscribe(
    channel: &Channel,
    registration: &Registration,
) -> lapin::Result<Select<Consumer, Consumer>> {
    let address = &registration.address;
    topology::declare_queue(channel, address).await?;
    let fanouts = topology::declare_fanout_queue(channel, address.topic_name()).await?;
    channel
        .basic_qos(registration.concurrency, BasicQosOptions::default())
        .await?;
    let consume = |queue, tag: &str| {
        channel.basic_consume(
            queue,
            tag.into(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        )
    };
    let fanouts = consume(fanouts, "fanouts").await?;
    let own = consume(topology::queue_name(address), "own").await?;
    Ok(select(own, fanouts))
}

/// Takes no more, gives back what has not begun, and lets running handlers answer.
async fn leave(
    registration: &Registration,
    channel: &Channel,
    mut deliveries: Select<Consumer, Consumer>,
) {
    for tag in ["own", "fanouts"] {
        if let Err(error) = channel
            .basic_cancel(tag.into(), BasicCancelOptions::default())
            .await
        {
            tracing::debug!(%error, "the broker did not cancel the consumer");
        }
    }
    let give_back = async {
        while let Some(Ok(delivery)) = deliveries.next().await {
            let options = BasicNackOptions {
                requeue: true,
                ..BasicNackOptions::default()
            };
            if delivery.nack(options).await.is_err() {
                break;
            }
        }
    };
    // What could not be given back in time goes back when the channel closes.
    let _ = timeout(GOODBYE, give_back).await;
    let all = registration
        .slots
        .acquire_many(u32::from(registration.concurrency))
        .await;
    drop(all.expect("the semaphore is never closed"));
    if let Err(error) = channel.close(200, "leaving".into()).await {
        tracing::debug!(%error, "the broker did not close the channel");
    }
}

/// Runs one message to its answer. Failing to answer or acknowledge means that the connection is
/// lost: then the broker gives the message to another consumer, or its caller sends it again.
async fn handle(
    registration: Arc<Registration>,
    channel: Channel,
    delivery: Delivery,
    slot: OwnedSemaphorePermit,
) {
    let name = delivery
        .properties
        .kind()
        .as_ref()
        .map_or("", |name| name.as_str());
    let reply_to = delivery.properties.reply_to();
    let kind = if reply_to.is_some() {
        Kind::Call
    } else {
        Kind::Cast
    };
    let acknowledge_first = kind == Kind::Call && !registration.table.is_idempotent(name);
    if acknowledge_first && delivery.ack(BasicAckOptions::default()).await.is_err() {
        return;
    }
    let answer = registration.table.handle(kind, &delivery.data).await;
    if let Some(reply_to) = reply_to {
        let mut properties =
            BasicProperties::default().with_content_type("application/json".into());
        if let Some(id) = delivery.properties.correlation_id() {
            properties = properties.with_correlation_id(id.clone());
        }
        let options = BasicPublishOptions::default();
        if let Err(error) = channel
            .basic_publish("".into(), reply_to.clone(), options, &answer, properties)
            .await
        {
            tracing::debug!(%error, name, "the answer was not sent");
            return;
        }
    }
    if !acknowledge_first && let Err(error) = delivery.ack(BasicAckOptions::default()).await {
        tracing::debug!(%error, name, "a handled message was not acknowledged and will come again");
    }
    drop(slot);
}

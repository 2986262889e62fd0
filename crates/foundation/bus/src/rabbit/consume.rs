//! Serving an address over one connection.

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
use lapin::{BasicProperties, Channel, Consumer};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::link::Link;
use super::topology;
use crate::Address;
use crate::service::{Kind, Table};

/// The wait before a queue that the broker took from us is consumed from again.
const AGAIN: Duration = Duration::from_secs(1);

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

/// Why consuming ended on a connection that still lives.
#[derive(Debug, thiserror::Error)]
enum Interrupted {
    #[error(transparent)]
    Broker(#[from] lapin::Error),
    /// The queue was deleted, or the node that holds it went down.
    #[error("the broker cancelled the consumer")]
    Cancelled,
}

/// Consumes for the registration as a task, until it is stopped or the connection is lost.
/// `done` hears of the first success; of a failure only if the broker refused.
pub fn keep(
    link: &Arc<Link>,
    registration: &Arc<Registration>,
    done: Option<oneshot::Sender<lapin::Result<()>>>,
) {
    let (link, registration) = (Arc::clone(link), Arc::clone(registration));
    registration.running.clone().spawn(async move {
        let mut done = done;
        while let Err(interrupted) = consume(&link, &registration, &mut done).await {
            let alive = !link.is_lost() && link.connection.status().connected();
            match (done.take(), interrupted) {
                (Some(done), Interrupted::Broker(error)) if alive => {
                    registration.stop.cancel();
                    // Whoever asked may have given up.
                    let _ = done.send(Err(error));
                    return;
                }
                (Some(done), _) => drop(done.send(Ok(()))),
                (None, interrupted) if alive => {
                    tracing::warn!(address = %registration.address, error = %interrupted, "serving was interrupted");
                }
                (None, _) => {}
            }
            tokio::select! {
                () = link.lost() => return,
                () = registration.stop.cancelled() => return,
                () = sleep(AGAIN) => {}
            }
        }
    });
}

async fn consume(
    link: &Link,
    registration: &Arc<Registration>,
    done: &mut Option<oneshot::Sender<lapin::Result<()>>>,
) -> Result<(), Interrupted> {
    let channel = link.connection.create_channel().await?;
    let mut deliveries = subscribe(&channel, registration).await?;
    if let Some(done) = done.take() {
        let _ = done.send(Ok(()));
    }
    loop {
        let slot = tokio::select! {
            biased;
            () = registration.stop.cancelled() => break,
            () = link.lost() => return Ok(()),
            slot = Arc::clone(&registration.slots).acquire_owned() => slot.expect("the semaphore is never closed"),
        };
        let delivery = tokio::select! {
            biased;
            () = registration.stop.cancelled() => break,
            () = link.lost() => return Ok(()),
            delivery = deliveries.next() => delivery.ok_or(Interrupted::Cancelled)??,
        };
        let registration_ = Arc::clone(registration);
        registration
            .running
            .spawn(handle(registration_, channel.clone(), delivery, slot));
    }
    leave(link, registration, &channel, deliveries).await;
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
    link: &Link,
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
    let _ = timeout(AGAIN, give_back).await;
    tokio::select! {
        _ = registration.slots.acquire_many(u32::from(registration.concurrency)) => {}
        () = link.lost() => return,
    }
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

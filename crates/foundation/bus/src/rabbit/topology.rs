//! What exists on the broker, and its names. Clouds that share a broker use virtual hosts of their own.
//!
//! | for | kind | name |
//! |---|---|---|
//! | a topic | quorum queue | `kilonova.conductor` |
//! | a host of a topic | durable classic queue, gone after a day without consumer | `kilonova.compute@node1` |
//! | fanouts of a topic | durable fanout exchange | `kilonova.compute.fanout` |
//! | a server's fanouts | exclusive queue, gone with the connection | named by the broker |
//!
//! Hosts get no quorum queues: there may be thousands, each a Raft group, and what a host misses
//! while its queue's node is down is found again by the workflows' sweep.
//!
//! Known of RabbitMQ 3.10: a quorum queue whose only node loses power within seconds of the queue's
//! making may come back without a leader. Then nothing is taken from or stored in that one queue
//! until the broker restarts; senders see their deadline, and other addresses are not harmed.

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{Channel, ExchangeKind};

use crate::Address;
use crate::limits::BACKLOG;

/// A host that is away for longer gets a new queue when it is back.
const HOST_QUEUE_LIFE_MS: i64 = 24 * 3600 * 1000;
/// A message that ended its consumer this often is dropped; the default of RabbitMQ 4, made explicit for 3.
const DELIVERY_LIMIT: i64 = 20;

/// The queue of an address. Short enough: addresses have at most 200 bytes.
pub fn queue_name(address: &Address) -> ShortString {
    format!("kilonova.{address}").into()
}

/// The exchange for the fanouts of a topic.
pub fn exchange_name(topic: &str) -> ShortString {
    format!("kilonova.{topic}.fanout").into()
}

/// Makes the queue of an address, if there is none.
pub async fn declare_queue(channel: &Channel, address: &Address) -> lapin::Result<()> {
    let mut arguments = FieldTable::default();
    arguments.insert(
        "x-max-length".into(),
        AMQPValue::LongLongInt(BACKLOG as i64),
    );
    arguments.insert("x-overflow".into(), text("reject-publish"));
    if address.host_name().is_some() {
        arguments.insert(
            "x-expires".into(),
            AMQPValue::LongLongInt(HOST_QUEUE_LIFE_MS),
        );
    } else {
        arguments.insert("x-queue-type".into(), text("quorum"));
        arguments.insert(
            "x-delivery-limit".into(),
            AMQPValue::LongLongInt(DELIVERY_LIMIT),
        );
    }
    let options = QueueDeclareOptions::durable();
    channel
        .queue_declare(queue_name(address), options, arguments)
        .await
        .map(drop)
}

/// Makes the exchange of a topic, if there is none.
pub async fn declare_exchange(channel: &Channel, topic: &str) -> lapin::Result<()> {
    let options = ExchangeDeclareOptions {
        durable: true,
        ..ExchangeDeclareOptions::default()
    };
    channel
        .exchange_declare(
            exchange_name(topic),
            ExchangeKind::Fanout,
            options,
            FieldTable::default(),
        )
        .await
}

/// Makes a queue of this connection alone that receives the fanouts of a topic; gives its name.
pub async fn declare_fanout_queue(channel: &Channel, topic: &str) -> lapin::Result<ShortString> {
    declare_exchange(channel, topic).await?;
    let mut arguments = FieldTable::default();
    arguments.insert(
        "x-max-length".into(),
        AMQPValue::LongLongInt(BACKLOG as i64),
    );
    let queue = channel
        .queue_declare("".into(), QueueDeclareOptions::exclusive(), arguments)
        .await?;
    let name = queue.name().clone();
    let options = QueueBindOptions::default();
    channel
        .queue_bind(
            name.clone(),
            exchange_name(topic),
            "".into(),
            options,
            FieldTable::default(),
        )
        .await?;
    Ok(name)
}

fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.into())
}

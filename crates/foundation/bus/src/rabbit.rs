//! The wire over RabbitMQ: not built yet, refused at start.
use std::sync::Arc;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::handle::WireError;
use crate::service::Table;
use crate::{Address, ConnectError, TransportError};

pub struct Place(());
pub enum Rabbit {}

impl Place {
    pub fn parse(_url: &str) -> Result<Place, ConnectError> {
        Err(ConnectError::Url("only memory:// is built yet"))
    }
}

impl Rabbit {
    pub async fn connect(_place: Place) -> Result<Arc<Rabbit>, ConnectError> {
        Err(ConnectError::Url("only memory:// is built yet"))
    }
    pub async fn call(
        &self,
        _: &Address,
        _: &[u8],
        _: Instant,
        _: bool,
    ) -> Result<Vec<u8>, WireError> {
        match *self {}
    }
    pub async fn cast(&self, _: &Address, _: &[u8], _: Instant) -> Result<(), WireError> {
        match *self {}
    }
    pub async fn fanout(&self, _: &str, _: &[u8], _: Instant) -> Result<(), WireError> {
        match *self {}
    }
    pub async fn serve(
        &self,
        _: &Address,
        _: Table,
        _: usize,
        _: CancellationToken,
        _: &TaskTracker,
    ) -> Result<(), TransportError> {
        match *self {}
    }
    pub async fn close(&self) {}
}

//! `GET /servers/{id}/ips`.

use std::sync::Arc;

use compute_control::servers::interfaces;
use microversion::Versioned;
use serde::Serialize;

use super::shown;
use super::view::Addresses;
use crate::Api;
use crate::call::{Answer, Call};
use crate::fault::Fault;
use crate::words::NoQuery;

pub async fn index(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    let NoQuery {} = call.admit_query()?;
    let id = call.path("server_id");
    let server = interfaces::addresses(&api.control, &call.cx, id).await?;
    call.render(&AddressesView {
        addresses: shown::addresses(&server, false),
    })
}

/// The addresses of one network, under its name.
pub async fn show(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    let NoQuery {} = call.admit_query()?;
    let id = call.path("server_id");
    let server = interfaces::addresses(&api.control, &call.cx, id).await?;
    let mut addresses = shown::addresses(&server, false);
    addresses.retain(|network, _| *network == call.path("id"));
    if addresses.is_empty() {
        return Err(Fault::not_found(
            "Instance is not a member of specified network",
        ));
    }
    call.render(&addresses)
}

#[derive(Serialize, Versioned)]
pub struct AddressesView<'v> {
    pub addresses: Addresses<'v>,
}

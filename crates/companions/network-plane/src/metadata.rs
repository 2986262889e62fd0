//! Listening sockets for metadata, one for each network, inside its DHCP namespace.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::TcpListener as Socket;

use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::PlaneError;
use crate::dhcp::METADATA;
use crate::kernel::netns;

/// A listening socket on 169.254.169.254:80 inside a network. The peer's address is the guest's fixed IP.
#[derive(Debug)]
pub struct MetadataListener {
    pub network_id: String,
    pub listener: TcpListener,
    /// Cancelled when the network went away, or when its listener was handed out anew: drop the socket then, it keeps
    /// the namespace alive.
    pub closed: CancellationToken,
}

struct Open {
    inode: u64,
    /// Kept so that it can be handed out again.
    socket: Socket,
    closed: CancellationToken,
}

/// The sockets, and who gets them.
#[derive(Default)]
pub struct Listeners {
    open: BTreeMap<String, Open>,
    receiver: Option<mpsc::UnboundedSender<MetadataListener>>,
}

impl Listeners {
    /// Makes the socket of a network if there is none in its present namespace. `true`: made.
    pub fn ensure(
        &mut self,
        network_id: &str,
        namespace: &File,
        inode: u64,
    ) -> Result<bool, PlaneError> {
        if self
            .open
            .get(network_id)
            .is_some_and(|open| open.inode == inode)
        {
            return Ok(false);
        }
        let what = || format!("listen on {METADATA}:80");
        let socket = netns::inside(namespace, || {
            Socket::bind((METADATA, 80)).map_err(|e| PlaneError::kernel(what(), e))
        })?;
        socket
            .set_nonblocking(true)
            .map_err(|e| PlaneError::kernel(what(), e))?;
        let open = Open {
            inode,
            socket,
            closed: CancellationToken::new(),
        };
        if let Some(old) = self.open.insert(network_id.to_owned(), open) {
            old.closed.cancel();
        }
        self.hand_out(network_id)?;
        Ok(true)
    }

    /// Closes the sockets of the other networks.
    pub fn retain(&mut self, wanted: impl Fn(&str) -> bool) {
        self.open.retain(|id, open| {
            let keep = wanted(id);
            if !keep {
                open.closed.cancel();
            }
            keep
        });
    }

    /// Gives all sockets, and those to come, to a new receiver.
    pub fn subscribe(&mut self) -> Result<mpsc::UnboundedReceiver<MetadataListener>, PlaneError> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.receiver = Some(sender);
        let networks: Vec<String> = self.open.keys().cloned().collect();
        for network in networks {
            self.hand_out(&network)?;
        }
        Ok(receiver)
    }

    fn hand_out(&mut self, network_id: &str) -> Result<(), PlaneError> {
        let (Some(receiver), Some(open)) = (&self.receiver, self.open.get_mut(network_id)) else {
            return Ok(());
        };
        open.closed.cancel();
        open.closed = CancellationToken::new();
        let listener = open.socket.try_clone().and_then(TcpListener::from_std);
        let listener =
            listener.map_err(|e| PlaneError::kernel("hand out a metadata listener", e))?;
        let closed = open.closed.clone();
        // A receiver that was dropped does not want listeners any more.
        let _ = receiver.send(MetadataListener {
            network_id: network_id.to_owned(),
            listener,
            closed,
        });
        Ok(())
    }
}

//! What a process and a server say to each other.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::search::Place;

/// A relay that keeps all that goes through it; it ends when dropped.
pub struct Wire {
    address: String,
    heard: Arc<Mutex<Vec<u8>>>,
    relay: JoinHandle<()>,
}

impl Wire {
    /// A relay to a server's address.
    ///
    /// # Panics
    /// There is no free port.
    pub async fn to(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address").to_string();
        let heard: Arc<Mutex<Vec<u8>>> = Arc::default();
        let (server, ears) = (server.to_owned(), heard.clone());
        let relay = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&server).await;
                let Ok(server) = server else { continue };
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                tokio::spawn(relay(from_client, to_server, ears.clone()));
                tokio::spawn(relay(from_server, to_client, ears.clone()));
            }
        });
        Wire {
            address,
            heard,
            relay,
        }
    }

    /// Where to connect instead of the server.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// All that was said so far.
    pub fn heard(&self, name: &str) -> Place {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        Place::new(name, &heard)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.relay.abort();
    }
}

/// Until one side ends.
async fn relay(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    heard: Arc<Mutex<Vec<u8>>>,
) {
    let mut piece = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut piece).await {
        {
            let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
            heard.extend(&piece[..length]);
        }
        if to.write_all(&piece[..length]).await.is_err() {
            return;
        }
    }
}

//! What the proxy asks, and how a browser uses it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bus::{Bus, Context, Failure, Service};
use compute_console::{Rights, Settings};
use compute_rpc::agent::{self, ConsoleEndpoint, Endpoint};
use compute_rpc::conductor::{self, CheckConsole, ConsoleTarget, Owner, RedeemConsole};
use compute_rpc::sealed;
use futures::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};
use web::policy::{IS_ADMIN, Policy, Rule};
use web::{AuthError, Authenticator, Caller};

pub const CONSOLE_TOKEN: &str = "a token";
/// One that the conductor knows too, but whose seal another token made.
pub const OTHER_TOKEN: &str = "another token";
const USER_TOKEN: &str = "the user's token";
const HOST: &str = "host-1";

/// How long a test waits for what should happen at once.
const SOON: Duration = Duration::from_secs(20);

/// As an operator may loosen them: another project's servers are hidden all the same.
const RULES: &[Rule] = &[
    rule(IS_ADMIN, "role:admin"),
    rule(
        "os_compute_api:os-remote-consoles",
        "role:admin or (role:member and user_id:%(user_id)s)",
    ),
];

const fn rule(name: &'static str, check: &'static str) -> Rule {
    Rule {
        name,
        check,
        scope_types: &[],
        description: "",
        operations: &[],
    }
}

/// What those say who are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Says {
    Yes,
    /// And the caller is an operator of another project.
    Operator,
    TokenIsBad,
    NoRole,
    OtherProject,
    ServerIsGone,
    NoSeal,
    IdentityIsAway,
    ConductorIsAway,
    /// Yes, after two times of silence.
    AwayTwice,
    Hangs,
}

struct Oracle {
    says: Mutex<Says>,
    /// Questions since `says` was set.
    asked: AtomicUsize,
    /// Connections to the guest.
    guests: AtomicUsize,
    guest: u16,
}

impl Oracle {
    fn says(&self) -> Says {
        *self.says.lock().unwrap()
    }
}

#[async_trait]
impl Authenticator for Oracle {
    async fn authenticate(
        &self,
        token: &str,
        service_token: Option<&str>,
    ) -> Result<Arc<Caller>, AuthError> {
        assert_eq!((token, service_token), (USER_TOKEN, None));
        let before = self.asked.fetch_add(1, Ordering::SeqCst);
        let (role, project) = match self.says() {
            Says::TokenIsBad => return Err(AuthError::Unauthorized),
            Says::AwayTwice if before < 2 => return Err(AuthError::Unavailable("away".into())),
            Says::IdentityIsAway => return Err(AuthError::Unavailable("away".into())),
            Says::Hangs => std::future::pending().await,
            Says::NoRole => ("reader", "p"),
            Says::OtherProject => ("member", "q"),
            Says::Operator => ("admin", "q"),
            _ => ("member", "p"),
        };
        Ok(Arc::new(Caller {
            user_id: "u".into(),
            user_name: "u".into(),
            user_domain_id: "default".into(),
            user_domain_name: "Default".into(),
            project_id: Some(project.into()),
            project_name: Some(project.into()),
            project_domain_id: Some("default".into()),
            project_domain_name: Some("Default".into()),
            domain_id: None,
            system: false,
            roles: vec![role.into()],
            service_roles: Vec::new(),
            expires_at: chrono::Utc::now(),
            token: USER_TOKEN.to_owned().into(),
        }))
    }

    fn identity_url(&self) -> String {
        String::new()
    }
}

async fn redeem(
    oracle: Arc<Oracle>,
    _: Context,
    _: RedeemConsole,
) -> Result<Option<ConsoleTarget>, Failure> {
    let sealed_token = sealed::seal(CONSOLE_TOKEN, USER_TOKEN);
    Ok(Some(ConsoleTarget {
        server_id: "s".into(),
        host: HOST.into(),
        kind: "serial".into(),
        sealed_token: (oracle.says() != Says::NoSeal).then_some(sealed_token),
    }))
}

async fn check(
    oracle: Arc<Oracle>,
    _: Context,
    message: CheckConsole,
) -> Result<Option<Owner>, Failure> {
    assert_eq!(
        (message.server_id.as_str(), message.host.as_str()),
        ("s", HOST)
    );
    match oracle.says() {
        Says::ConductorIsAway => Err(Failure::new("database", "away")),
        Says::ServerIsGone => Ok(None),
        _ => Ok(Some(Owner {
            project_id: "p".into(),
            user_id: "u".into(),
        })),
    }
}

async fn endpoint(
    oracle: Arc<Oracle>,
    _: Context,
    _: ConsoleEndpoint,
) -> Result<Endpoint, Failure> {
    Ok(Endpoint::Tcp("127.0.0.1".into(), oracle.guest))
}

/// A proxy, and those whom it asks.
pub struct World {
    oracle: Arc<Oracle>,
    proxy: u16,
    _serving: [bus::Serving; 2],
}

impl World {
    /// A console may be open for `limit`; a look is made every ten milliseconds.
    pub async fn start(limit: Duration) -> World {
        let guest = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let oracle = Arc::new(Oracle {
            says: Mutex::new(Says::Yes),
            asked: AtomicUsize::new(0),
            guests: AtomicUsize::new(0),
            guest: guest.local_addr().unwrap().port(),
        });
        tokio::spawn(echo(guest, oracle.clone()));
        let bus = Bus::memory();
        let conductors = Service::new(oracle.clone()).on(redeem).on(check);
        let hosts = Service::new(oracle.clone()).on(endpoint);
        let serving = [
            bus.serve(&conductor::address(), conductors, 8)
                .await
                .unwrap(),
            bus.serve(&agent::address(HOST), hosts, 8).await.unwrap(),
        ];
        let rights = Rights {
            authenticator: oracle.clone(),
            policy: Arc::new(Policy::new(&[RULES]).unwrap()),
            interval: Duration::from_millis(10),
            limit,
        };
        let router = compute_console::router(bus, rights, Settings::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = listener.local_addr().unwrap().port();
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        World {
            oracle,
            proxy,
            _serving: serving,
        }
    }

    /// From now on.
    pub fn now(&self, says: Says) {
        *self.oracle.says.lock().unwrap() = says;
        self.oracle.asked.store(0, Ordering::SeqCst);
    }

    /// Waits until so many looks were made since the last change.
    pub async fn looks(&self, count: usize) {
        let asked = &self.oracle.asked;
        until("looks are made", || asked.load(Ordering::SeqCst) >= count).await;
    }

    /// Waits until nobody is connected to the guest.
    pub async fn guest_is_alone(&self) {
        let guests = &self.oracle.guests;
        until("the console ends", || guests.load(Ordering::SeqCst) == 0).await;
    }

    /// Opens a console, or gives the status of the refusal.
    pub async fn open(&self, token: &str) -> Result<Socket, u16> {
        let token = token.replace(' ', "%20");
        let url = format!("ws://127.0.0.1:{}/?token={token}", self.proxy);
        match tokio_tungstenite::connect_async(url).await {
            Ok((socket, _)) => Ok(Socket(socket)),
            Err(Error::Http(answer)) => Err(answer.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }
}

/// Asks again and again until it is so.
async fn until(what: &str, is_so: impl Fn() -> bool) {
    let asks = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(SOON, asks).await.expect(what);
}

/// A guest whose serial line sends everything back.
async fn echo(guest: TcpListener, oracle: Arc<Oracle>) {
    loop {
        let (mut stream, _) = guest.accept().await.unwrap();
        let oracle = oracle.clone();
        oracle.guests.fetch_add(1, Ordering::SeqCst);
        tokio::spawn(async move {
            let (mut from, mut to) = stream.split();
            if let Err(error) = tokio::io::copy(&mut from, &mut to).await {
                println!("the proxy broke off: {error}");
            }
            oracle.guests.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

/// A browser's end.
#[derive(Debug)]
pub struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    pub async fn send(&mut self, message: Message) {
        self.0.send(message).await.expect("the console is open");
    }

    /// What is typed comes back.
    pub async fn echoes(&mut self, text: &str) {
        self.send(Message::Text(text.into())).await;
        let back = tokio::time::timeout(SOON, self.0.next()).await;
        let back = back
            .expect("it is not held up")
            .expect("open")
            .expect("open");
        assert_eq!(back, Message::Binary(text.as_bytes().to_vec().into()));
    }

    /// Waits for the end; why.
    pub async fn ends(&mut self) -> String {
        let end = tokio::time::timeout(SOON, self.0.next()).await;
        match end.expect("the console is still open") {
            Some(Ok(Message::Close(Some(frame)))) => frame.reason.to_string(),
            other => panic!("{other:?}"),
        }
    }
}

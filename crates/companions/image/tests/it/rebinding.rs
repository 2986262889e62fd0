//! A name that answers differently the second time it is asked for.
//!
//! The test has a network and a resolver of its own: name servers are asked, not a table. The name
//! first leads to an address that may be asked, and from then on to one that may not.
#![allow(
    clippy::disallowed_methods,
    reason = "programs of the test, not of the service"
)]

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::response::Redirect;
use axum::routing::get;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use serde_json::json;
use tokio::net::{TcpListener, UdpSocket};

use super::{ALICE, Glance, until};

const GOOD: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);
const VICTIM: Ipv4Addr = Ipv4Addr::new(198, 18, 7, 7);

/// Runs `test` with a network of its own, in which this machine has two addresses more and asks the
/// name server at 127.0.0.1. Where that is not allowed the test says so and passes.
fn in_a_network_of_its_own<F>(test: F)
where
    F: AsyncFnOnce() + Send + 'static,
{
    let thread = std::thread::spawn(move || {
        if let Err(error) = unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET) {
            skips::skip(format!("namespaces need root: {error}"));
            return;
        }
        let none: Option<&str> = None;
        let apart = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        if let Err(error) = mount(none, "/", none, apart, none) {
            skips::skip(format!(
                "in a chroot, mounts cannot be kept from the machine: {error}"
            ));
            return;
        }
        let folder = tempfile::tempdir().expect("folder");
        for (name, text) in [
            (
                "resolv.conf",
                "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n",
            ),
            ("nsswitch.conf", "hosts: files dns\n"),
        ] {
            let file = folder.path().join(name);
            std::fs::write(&file, text).expect("written");
            let target = format!("/etc/{name}");
            let bound = mount(Some(&file), target.as_str(), none, MsFlags::MS_BIND, none);
            if let Err(error) = bound {
                // Without a file of that name the default holds, which asks name servers too.
                assert!(name != "resolv.conf", "{target}: {error}");
            }
        }
        for words in [
            "link set lo up".to_owned(),
            format!("address add {GOOD}/32 dev lo"),
            format!("address add {VICTIM}/32 dev lo"),
        ] {
            let done = Command::new("ip").args(words.split(' ')).status();
            assert!(done.expect("ip runs").success(), "{words}");
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("runtime");
        runtime.block_on(test());
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

/// A name server: the first question for an IPv4 address gets [`GOOD`], all later ones [`VICTIM`];
/// there are no others.
async fn fickle_names(asked: Arc<AtomicUsize>) {
    let socket = UdpSocket::bind("127.0.0.1:53").await.expect("port 53");
    tokio::spawn(async move {
        let mut packet = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut packet).await {
            let question = &packet[12..length];
            let name = question.iter().position(|byte| *byte == 0).expect("a name");
            let question = &question[..name + 5];
            let is_v4 = question[name + 1..name + 3] == [0, 1];
            let mut answer = packet[..2].to_vec();
            answer.extend([0x81, 0x80, 0, 1, 0, u8::from(is_v4), 0, 0, 0, 0]);
            answer.extend(question);
            if is_v4 {
                let first = asked.fetch_add(1, Ordering::SeqCst) == 0;
                answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4]);
                answer.extend(if first { GOOD } else { VICTIM }.octets());
            }
            socket.send_to(&answer, from).await.expect("sent");
        }
    });
}

/// A web server on port 80 of an address, and how often it was asked.
async fn web(address: Ipv4Addr, router: Router) -> Arc<AtomicUsize> {
    let requests = Arc::new(AtomicUsize::new(0));
    let counted = requests.clone();
    let router = router.layer(axum::middleware::from_fn(
        move |request, next: axum::middleware::Next| {
            counted.fetch_add(1, Ordering::SeqCst);
            next.run(request)
        },
    ));
    let listener = TcpListener::bind(SocketAddr::from((address, 80))).await;
    let listener = listener.expect("port 80");
    tokio::spawn(async move { axum::serve(listener, router).await });
    requests
}

async fn glance() -> Glance {
    Glance::on(sql::testing::sqlite().await, |settings| {
        settings.web_download.ranges = format!("{GOOD}/32").parse().expect("a range");
    })
    .await
}

async fn import(glance: &Glance, path: &str) -> serde_json::Value {
    let id = glance.create(ALICE, json!({})).await;
    let uri = format!("http://fickle.example{path}");
    let body = json!({"method": {"name": "web-download", "uri": uri}});
    let path = format!("/v2/images/{id}/import");
    glance.post(ALICE, &path, body).await.is(202);
    until(glance, &id, |image| {
        image["status"] == "active" || image.get("os_glance_failed_import").is_some()
    })
    .await
}

#[test]
fn a_name_that_changes_its_address_leads_nowhere_else() {
    in_a_network_of_its_own(async || {
        let asked = Arc::new(AtomicUsize::new(0));
        fickle_names(asked.clone()).await;
        let good = web(GOOD, Router::new().route("/x", get(|| async { "good" }))).await;
        let secret = || async { "secret" };
        let victim = web(VICTIM, Router::new().route("/x", get(secret))).await;
        let glance = glance().await;
        // The first answer was looked at, and the connection goes to that address: it is not asked again.
        let image = import(&glance, "/x").await;
        assert_eq!(
            (&image["status"], &image["size"]),
            (&json!("active"), &json!(4))
        );
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        // From now on the name leads to an address of this machine.
        let image = import(&glance, "/x").await;
        assert_eq!(image["status"], "queued");
        assert_eq!(good.load(Ordering::SeqCst), 1);
        assert_eq!(victim.load(Ordering::SeqCst), 0, "nobody connected there");
        glance.is_clean().await;
    });
}

#[test]
fn a_redirect_is_looked_at_as_the_first_address_was() {
    in_a_network_of_its_own(async || {
        fickle_names(Arc::new(AtomicUsize::new(0))).await;
        let inward = Router::new()
            .route(
                "/ip",
                get(|| async { Redirect::temporary("http://127.0.0.1/x") }),
            )
            .route(
                "/name",
                get(|| async { Redirect::temporary("http://fickle.example/x") }),
            );
        web(GOOD, inward).await;
        let secret = || async { "secret" };
        let loopback = web(Ipv4Addr::LOCALHOST, Router::new().route("/x", get(secret))).await;
        let victim = web(VICTIM, Router::new().route("/x", get(secret))).await;
        let glance = glance().await;
        // The name is asked for again by the redirect, and answers differently then.
        let image = import(&glance, "/name").await;
        assert_eq!(image["status"], "queued");
        let id = glance.create(ALICE, json!({})).await;
        let uri = format!("http://{GOOD}/ip");
        let body = json!({"method": {"name": "web-download", "uri": uri}});
        let path = format!("/v2/images/{id}/import");
        glance.post(ALICE, &path, body).await.is(202);
        until(&glance, &id, |image| {
            image.get("os_glance_failed_import").is_some()
        })
        .await;
        assert_eq!(loopback.load(Ordering::SeqCst), 0);
        assert_eq!(victim.load(Ordering::SeqCst), 0);
        glance.is_clean().await;
    });
}

//! Screen and serial line: by WebSocket, and in a browser.

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use serde_json::json;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::browser::{self, Browser, ENTER};
use crate::cloud::{Cloud, Site, TIMEOUT, eventually, on_a_machine};
use crate::guest::Guest;
use crate::user::User;

/// How long a guest may think about what was typed.
const ANSWER: Duration = Duration::from_secs(20);

type Socket = WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>;

#[test]
fn screen_and_serial_line_work_in_a_browser_once_and_from_our_pages_only() {
    on_a_machine(browser::PROGRAMS, || async {
        let cloud = Cloud::start().await;
        let site = Site::make(&cloud).await;
        let demo = cloud.demo().await;
        let group = demo.default_group().await;
        demo.open_port(&group, 22, json!({})).await;
        let server = demo.create(&site, "console", json!({})).await;
        demo.reaches(&server, "ACTIVE").await;
        let guest = Guest::new(demo.floating_ip(&site, &server).await, &site.key);
        guest.answers().await;

        only_from_our_pages(&demo, &server).await;
        serial_line(&demo, &server).await;
        let browser = Browser::open(cloud.path()).await;
        screen_in_the_browser(&demo, &server, &guest, &browser).await;
        serial_line_in_the_browser(&demo, &server, &guest, &browser).await;
        browser.close().await;
        demo.remove(&server).await;
        cloud.finish().await;
    });
}

/// The WebSocket behind a page's address.
fn socket_url(page: &str) -> String {
    let url = reqwest::Url::parse(page).unwrap();
    let token = url
        .as_str()
        .rsplit("token")
        .next()
        .unwrap()
        .trim_start_matches("%3D")
        .trim_start_matches('=');
    format!("ws://127.0.0.1:{}/?token={token}", url.port().unwrap())
}

async fn connect(url: &str, origin: Option<&str>) -> Result<Socket, u16> {
    let mut request = url.into_client_request().unwrap();
    request
        .headers_mut()
        .insert("sec-websocket-protocol", "binary".parse().unwrap());
    if let Some(origin) = origin {
        request
            .headers_mut()
            .insert("origin", origin.parse().unwrap());
    }
    match connect_async(request).await {
        Ok((socket, _)) => Ok(socket),
        Err(Error::Http(reply)) => Err(reply.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

async fn only_from_our_pages(demo: &User, server: &str) {
    let page = demo.console(server, "vnc", "novnc").await;
    let url = socket_url(&page);
    assert_eq!(
        connect(&url, Some("http://evil.example")).await.err(),
        Some(403)
    );
    assert_eq!(
        connect("ws://127.0.0.1:6080/?token=guessed", None)
            .await
            .err(),
        Some(403)
    );
    let mut socket = connect(&url, Some("http://127.0.0.1:6080"))
        .await
        .expect("our own page");
    let hello = socket.next().await.unwrap().unwrap().into_data();
    assert!(hello.starts_with(b"RFB 003."), "{hello:?}");
    assert_eq!(
        connect(&url, None).await.err(),
        Some(403),
        "a token works once"
    );
}

/// Logs in on the serial line as a program does.
async fn serial_line(demo: &User, server: &str) {
    let url = demo.console(server, "serial", "serial").await;
    assert!(url.starts_with("ws://127.0.0.1:6080/?token="), "{url}");
    let mut socket = connect(&url, None).await.unwrap();
    for (key, answer) in [
        ("\r", "login: "),
        ("cloud\r", "Password: "),
        ("cloud\r", "$ "),
        ("id -un; exit\r", "cloud\r\n"),
    ] {
        socket
            .send(Message::binary(key.as_bytes().to_vec()))
            .await
            .unwrap();
        hears(&mut socket, answer).await;
    }
    assert_eq!(
        connect(&url, None).await.err(),
        Some(403),
        "a token works once"
    );
    socket.close(None).await.unwrap();
}

async fn hears(socket: &mut Socket, answer: &str) {
    let mut heard = String::new();
    let listen = async {
        while !heard.contains(answer) {
            let message = socket.next().await.unwrap().unwrap();
            heard.push_str(&String::from_utf8_lossy(&message.into_data()));
        }
    };
    let in_time = tokio::time::timeout(ANSWER, listen).await;
    assert!(in_time.is_ok(), "{answer:?} was not heard: {heard:?}");
}

/// How many different colours the canvas shows; nothing was painted on one of a single colour.
const COLOURS: &str = "const canvas = document.querySelector('#screen canvas'); if (!canvas || !canvas.width) return 0;
    const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
    const seen = new Set(); for (let i = 0; i < data.length; i += 4) seen.add(data[i] << 16 | data[i + 1] << 8 | data[i + 2]);
    return seen.size";

/// Whether the guest has a process whose line in the list matches.
async fn runs(guest: &Guest, pattern: &str) -> Option<()> {
    guest
        .try_run(&format!("ps | grep -q '{pattern}'"))
        .await
        .map(|_| ())
}

async fn screen_in_the_browser(demo: &User, server: &str, guest: &Guest, browser: &Browser) {
    let url = demo.console(server, "vnc", "novnc").await;
    browser.go(&url).await;
    eventually("the page connects", TIMEOUT, async || {
        (browser.text("status").await == "Connected").then_some(())
    })
    .await;
    eventually("the screen is painted", TIMEOUT, async || {
        (browser.evaluate(COLOURS).await.as_u64() > Some(1)).then_some(())
    })
    .await;
    eventually("a prompt on the screen", TIMEOUT, async || {
        runs(guest, "[g]etty.*tty1").await
    })
    .await;
    browser.screenshot("console-screen.png").await;
    browser.keys(&format!("cloud{ENTER}")).await;
    eventually("login asks for the password", TIMEOUT, async || {
        runs(guest, "[l]ogin.*cloud").await
    })
    .await;
    browser.keys(&format!("cloud{ENTER}")).await;
    eventually("a shell on the screen", TIMEOUT, async || {
        runs(guest, " cloud .*[s]h").await
    })
    .await;
    browser
        .keys(&format!("echo typed-On-The-screen >/tmp/screen{ENTER}"))
        .await;
    tokio::time::sleep(Duration::from_secs(1)).await; // for the picture only
    browser.screenshot("console-screen-typed.png").await;
    let typed = eventually("the keys arrive", ANSWER, async || {
        guest.try_run("cat /tmp/screen").await
    })
    .await;
    assert_eq!(typed, "typed-On-The-screen");
    browser.keys(&format!("exit{ENTER}")).await;

    browser.go("about:blank").await;
    browser.go(&url).await;
    let said = eventually("the page gives up", TIMEOUT, async || {
        let said = browser.text("status").await;
        (said != "Connecting…" && !said.is_empty()).then_some(said)
    })
    .await;
    assert!(said.contains("works once"), "{said}");
    browser.screenshot("console-used-up.png").await;
}

async fn serial_line_in_the_browser(demo: &User, server: &str, guest: &Guest, browser: &Browser) {
    let url = demo.console(server, "serial", "serial").await;
    let page = url
        .replace("ws://", "http://")
        .replace("/?token=", "/serial.html?token=");
    browser.go(&page).await;
    eventually("the page connects", TIMEOUT, async || {
        (browser.text("status").await == "Connected").then_some(())
    })
    .await;
    log_in_on_the_line(browser).await;
    browser
        .keys(&format!("echo typed-On-The-line >/tmp/line{ENTER}"))
        .await;
    let typed = eventually("the keys arrive", ANSWER, async || {
        guest.try_run("cat /tmp/line").await
    })
    .await;
    assert_eq!(typed, "typed-On-The-line");
    browser.screenshot("console-serial.png").await;
}

/// Answers what the line asks until it shows a shell. The kernel may write between a prompt and its answer, and a prompt
/// that came before the page did is not shown: a line that says nothing new for a while is asked again.
async fn log_in_on_the_line(browser: &Browser) {
    let mut before = String::new();
    let mut same = 0;
    eventually("a shell on the line", ANSWER * 3, async || {
        let text = browser.text("terminal").await;
        let asked = text.trim_end();
        same = if text == before { same + 1 } else { 0 };
        before.clone_from(&text);
        if asked.ends_with('$') {
            return Some(());
        }
        let prompt = asked.ends_with("login:") || asked.ends_with("Password:");
        match (prompt, same) {
            // Seen twice: the page has shown all of it.
            (true, 1) => browser.keys(&format!("cloud{ENTER}")).await,
            (_, 0) => {}
            (_, same) if same % 12 == 0 => browser.keys(ENTER).await,
            _ => {}
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
        None
    })
    .await;
}

//! Headless Chromium, steered by chromedriver over W3C WebDriver.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64::Engine;
use reqwest::{Client, Method};
use serde_json::{Value, json};

use crate::cloud::{TIMEOUT, eventually};

/// What the tests with a browser need beside QEMU.
pub const PROGRAMS: &[(&str, &str)] = &[
    ("chromium", "chromium"),
    ("chromedriver", "chromium-driver"),
];

const DRIVER: &str = "http://127.0.0.1:9515";
/// WebDriver's names of keys.
const SHIFT: char = '\u{e008}';
pub const ENTER: &str = "\u{e007}";

/// One window.
pub struct Browser {
    http: Client,
    driver: Child,
    session: String,
}

impl Browser {
    /// Opens a window whose files lie in `folder`.
    pub async fn open(folder: &Path) -> Self {
        let driver = Command::new("chromedriver")
            .arg("--port=9515")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let http = Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(60))
            .build()
            .unwrap();
        let mut browser = Browser {
            http,
            driver,
            session: String::new(),
        };
        eventually("chromedriver answers", TIMEOUT, async || {
            browser
                .http
                .get(format!("{DRIVER}/status"))
                .send()
                .await
                .ok()
                .map(|_| ())
        })
        .await;
        let arguments = [
            "--headless=new".to_owned(),
            "--no-sandbox".to_owned(),
            "--disable-gpu".to_owned(),
            "--disable-background-networking".to_owned(),
            "--no-first-run".to_owned(),
            "--no-proxy-server".to_owned(),
            "--window-size=900,640".to_owned(),
            format!("--user-data-dir={}", folder.join("chromium").display()),
        ];
        let wanted =
            json!({"capabilities": {"alwaysMatch": {"goog:chromeOptions": {"args": arguments}}}});
        let made = browser.ask(Method::POST, "/session", Some(wanted)).await;
        browser.session = made["sessionId"].as_str().unwrap().to_owned();
        browser
    }

    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        let path = match self.session.as_str() {
            "" => path.to_owned(),
            session => format!("/session/{session}{path}"),
        };
        let mut request = self.http.request(method, format!("{DRIVER}{path}"));
        if let Some(body) = body {
            request = request.json(&body);
        }
        let reply: Value = request.send().await.unwrap().json().await.unwrap();
        assert!(
            reply["value"]["error"].is_null(),
            "{path}: {}",
            reply["value"]
        );
        reply["value"].clone()
    }

    pub async fn go(&self, url: &str) {
        self.ask(Method::POST, "/url", Some(json!({"url": url})))
            .await;
    }

    /// What a function body returns in the page.
    pub async fn evaluate(&self, script: &str) -> Value {
        self.ask(
            Method::POST,
            "/execute/sync",
            Some(json!({"script": script, "args": []})),
        )
        .await
    }

    /// The text of an element, empty when there is none.
    pub async fn text(&self, id: &str) -> String {
        let script = format!("return document.getElementById({id:?})?.textContent ?? ''");
        self.evaluate(&script)
            .await
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    /// Presses the keys of a text, one after the other, wherever the page has its focus; with Shift where an American
    /// keyboard wants it, as guests hear keys, not letters.
    pub async fn keys(&self, text: &str) {
        let mut actions = Vec::new();
        let mut press = |kind: &str, key: char| {
            actions.push(json!({"type": kind, "value": key.to_string()}));
        };
        for key in text.chars() {
            let shifted = key.is_ascii_uppercase() || "~!@#$%^&*()_+{}|:\"<>?".contains(key);
            if shifted {
                press("keyDown", SHIFT);
            }
            press("keyDown", key);
            press("keyUp", key);
            if shifted {
                press("keyUp", SHIFT);
            }
        }
        let keyboard = json!({"type": "key", "id": "keyboard", "actions": actions});
        self.ask(
            Method::POST,
            "/actions",
            Some(json!({"actions": [keyboard]})),
        )
        .await;
    }

    /// Keeps a picture of the page beside the other results of tests.
    pub async fn screenshot(&self, name: &str) {
        let picture = self.ask(Method::GET, "/screenshot", None).await;
        let picture = base64::engine::general_purpose::STANDARD
            .decode(picture.as_str().unwrap())
            .unwrap();
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::write(&file, picture).unwrap();
        println!("screenshot: {}", file.display());
    }

    /// Closes the window and waits until the browser is gone.
    pub async fn close(mut self) {
        self.ask(Method::DELETE, "", None).await;
        self.driver.kill().unwrap();
        self.driver.wait().unwrap();
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The browser itself names the cloud's folder: what is left of it is ended with the cloud.
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

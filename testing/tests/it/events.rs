//! The sequence of events as clients watch it.

use http::Method;
use serde_json::Value;
use testing::{Server, TestCloud, User};

const PATH: &str = "/compute/v2.1/servers/events";

/// An open stream of events.
struct Stream {
    answer: reqwest::Response,
    text: String,
}

impl Stream {
    async fn open(user: &User, query: &str) -> Self {
        let answer = user.stream(&format!("{PATH}{query}")).await;
        assert_eq!(answer.status().as_u16(), 200);
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        let text = String::new();
        Stream { answer, text }
    }

    /// The data of the next block that has some; none when the stream ended.
    async fn data(&mut self) -> Option<Value> {
        loop {
            while let Some((block, rest)) = self.text.split_once("\n\n") {
                let mut lines = block.lines();
                let data = lines.find_map(|line| line.strip_prefix("data: "));
                let data = data.map(|data| serde_json::from_str(data).expect("JSON"));
                self.text = rest.to_owned();
                if data.is_some() {
                    return data;
                }
            }
            let part = tokio::time::timeout(testing::TIMEOUT, self.answer.chunk());
            let part = part.await.expect("something comes");
            let part = part.expect("no failure")?;
            self.text += std::str::from_utf8(&part).expect("text");
        }
    }

    /// Events up to the first that has this status and nothing under way.
    async fn until(&mut self, status: &str) -> Vec<Value> {
        let mut seen = Vec::new();
        loop {
            let event = self.data().await.expect("the stream goes on");
            seen.push(event);
            let last = seen.last().expect("one");
            if last["status"] == status && last["task_state"].is_null() {
                return seen;
            }
        }
    }
}

/// A page of events.
async fn page(user: &User, query: &str) -> Vec<Value> {
    let path = format!("{PATH}{query}");
    let headers = [("accept", "application/json")];
    let mut page = user.send(Method::GET, &path, &headers, None).await;
    page.body["events"]
        .as_array_mut()
        .map(std::mem::take)
        .unwrap_or_else(|| panic!("{}", page.text))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_watched_from_its_birth_to_its_end_over_a_restart() {
    let mut cloud = TestCloud::start().await;
    let (demo, stranger) = (cloud.demo().await, cloud.stranger("other").await);
    let mut stream = Stream::open(&demo, "?after=0").await;
    let server = cloud.boot(&demo, "watched").await;
    let mut seen = stream.until("ACTIVE").await;
    assert_eq!(seen[0]["event"], "server.create");
    assert_eq!(seen[0]["status"], "BUILD");
    server.reaches("ACTIVE").await;
    assert!(page(&stranger, "?after=0").await.is_empty());
    // An open stream does not hold the end up: it is told, and its client comes back.
    cloud.restart().await;
    let end = loop {
        let data = stream.data().await.expect("a last word");
        match data.get("why") {
            Some(_) => break data,
            None => seen.push(data),
        }
    };
    assert_eq!(end["why"], "the service ends: ask again");
    let last = seen.last().expect("some")["number"]
        .as_i64()
        .expect("a number");
    let demo = cloud.demo().await;
    let mut stream = Stream::open(&demo, &format!("?after={last}")).await;
    let server = Server {
        user: demo.clone(),
        id: server.id,
    };
    server.delete().await.vanishes().await;
    seen.extend(stream.until("DELETED").await);
    assert_eq!(seen.last().expect("some")["event"], "server.delete");
    // Nothing of it is missing: each event begins as the one before ended.
    for two in seen.windows(2) {
        for state in ["status", "vm_state", "task_state", "power_state"] {
            assert_eq!(two[1]["old"][state], two[0][state], "{two:?}");
        }
        assert_eq!(two[1]["server_id"], server.id);
    }
    let admin = cloud.admin().await;
    let all = page(&admin, "?after=0&all_tenants=1").await;
    let numbers: Vec<_> = all.iter().map(|event| event["number"].as_i64()).collect();
    let wanted: Vec<_> = (1..).map(Some).take(all.len()).collect();
    assert_eq!(numbers, wanted);
    assert_eq!(page(&demo, "?after=0").await.len(), seen.len());
    cloud.stop().await;
}

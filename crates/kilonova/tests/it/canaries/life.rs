//! The life of a cloud in which every secret is used once, rightly and wrongly.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::StreamExt;
use http::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use testing::canaries::Canaries;
use testing::{Server, User, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::process::Process;

const IDENTITY: &str = "/identity/v3";
const SERVERS: &str = "/compute/v2.1/servers";

/// A screen that guests show; its address.
pub async fn screen() -> String {
    let screen = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = screen.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = screen.accept().await {
            tokio::spawn(async move {
                stream.write_all(b"RFB 003.008\n").await.unwrap();
                let mut rest = Vec::new();
                // Until the proxy leaves, however it does.
                let _ = stream.read_to_end(&mut rest).await;
            });
        }
    });
    address
}

/// What the cloud made at its first start.
pub fn keys(process: &Process, canaries: &mut Canaries) {
    let state = process.state();
    let text = std::fs::read(state.join("keys/secrets.json")).unwrap();
    let secrets: Value = serde_json::from_slice(&text).unwrap();
    for (name, what) in [
        ("admin_password", "password of admin"),
        ("demo_password", "password of demo"),
        ("service_password", "root of the services' passwords"),
        ("metadata_secret", "secret of the metadata proxy"),
    ] {
        canaries.learn(what, secrets[name].as_str().unwrap());
    }
    assert_eq!(secrets.as_object().unwrap().len(), 4, "another secret");
    let root = secrets["service_password"].as_str().unwrap();
    for user in ["nova", "glance", "neutron", "cinder"] {
        let password = hex::encode(Sha256::digest(format!("{root}:{user}")));
        canaries.learn("password of a service", &password);
    }
    for (folder, what) in [
        ("fernet", "key of tokens"),
        ("credential", "key of credentials"),
    ] {
        let mut count = 0;
        for entry in std::fs::read_dir(state.join("keys").join(folder)).unwrap() {
            let entry = entry.unwrap();
            // Beside the keys lies a lock.
            let name = entry.file_name().into_string().unwrap();
            if name.parse::<u64>().is_ok() {
                let key = std::fs::read_to_string(entry.path()).unwrap();
                canaries.learn(what, key.trim());
                count += 1;
            }
        }
        assert!(count > 0, "no {what}");
    }
}

pub async fn log_in(process: &Process, name: &str, canaries: &mut Canaries) -> User {
    let user = process.log_in(name).await;
    canaries.learn("token", &user.token);
    user
}

pub fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

/// A login with a password; the token is a secret too.
fn login(name: &str, password: &Value) -> Value {
    json!({"auth": {"identity": {"methods": ["password"], "password": {"user": {
        "name": name, "domain": {"id": "default"}, "password": password,
    }}}}})
}

/// Secrets of the identity service.
pub async fn users(process: &Process, canaries: &mut Canaries) {
    let admin = log_in(process, "admin", canaries).await;
    let demo = log_in(process, "demo", canaries).await;
    let tokens = format!("{IDENTITY}/auth/tokens");

    // Passwords: at creation, changed by an administrator, changed by the user.
    let first = canaries.seed("password of a user");
    let second = canaries.seed("password of a user");
    let third = canaries.seed("password of a user");
    let body = json!({"user": {"name": "canary", "password": first}});
    let made = admin.post(&format!("{IDENTITY}/users"), &body).await;
    canaries.heard("a new user", &made);
    let id = text(&made.expect(201)["user"]["id"]);
    let path = format!("{IDENTITY}/users/{id}");
    let body = json!({"user": {"password": second}});
    let changed = admin.send(Method::PATCH, &path, &[], Some(&body)).await;
    canaries.heard("a change of a user", &changed);
    changed.expect(200);
    let body = json!({"user": {"password": third, "original_password": second}});
    let changed = admin.post(&format!("{path}/password"), &body).await;
    canaries.heard("a change of a password", &changed);
    changed.expect(204);
    let come = admin.post(&tokens, &login("canary", &json!(third))).await;
    canaries.learn("token", come.headers["x-subject-token"].to_str().unwrap());
    come.expect(201);

    // What programs log in with.
    let own = format!("{IDENTITY}/users/{}", demo.user_id);
    let given = canaries.seed("secret of an application credential");
    for body in [
        json!({"name": "given", "secret": given}),
        json!({"name": "made"}),
    ] {
        let body = json!({"application_credential": body});
        let path = format!("{own}/application_credentials");
        let mut made = demo.post(&path, &body).await.expect(201);
        let made = made["application_credential"].take();
        let secret = text(&made["secret"]);
        canaries.learn("secret of an application credential", &secret);
        let body = json!({"auth": {"identity": {
            "methods": ["application_credential"],
            "application_credential": {"id": made["id"], "secret": secret},
        }}});
        let come = demo.post(&tokens, &body).await;
        canaries.learn("token", come.headers["x-subject-token"].to_str().unwrap());
        come.expect(201);
    }
    let body = json!({"tenant_id": demo.project_id});
    let path = format!("{own}/credentials/OS-EC2");
    let made = demo.post(&path, &body).await.expect(201);
    canaries.learn(
        "secret of an access key",
        &text(&made["credential"]["secret"]),
    );
    let blob = canaries.seed("credential");
    let body = json!({"credential": {
        "type": "cert", "blob": blob, "user_id": demo.user_id, "project_id": demo.project_id,
    }});
    let path = format!("{IDENTITY}/credentials");
    demo.post(&path, &body).await.expect(201);
    let path = format!("{IDENTITY}/OS-OAUTH1/consumers");
    let made = admin
        .post(&path, &json!({"consumer": {}}))
        .await
        .expect(201);
    canaries.learn("secret of a consumer", &text(&made["consumer"]["secret"]));
    let password = canaries.seed("password of a directory");
    let body = json!({"config": {"ldap": {"url": "ldap://x", "password": password}}});
    let path = format!("{IDENTITY}/domains/default/config");
    let made = admin.put(&path, &body).await;
    canaries.heard("a new configuration of a domain", &made);
    made.expect(201);

    // A token that is revoked stays a secret.
    let gone = log_in(process, "demo", canaries).await;
    let subject = [("x-subject-token", gone.token.as_str())];
    gone.send(Method::DELETE, &tokens, &subject, None)
        .await
        .expect(204);
    canaries.heard("a revoked token", &gone.get(SERVERS).await);
    for path in [
        format!("{IDENTITY}/users"),
        format!("{own}/application_credentials"),
        format!("{IDENTITY}/OS-OAUTH1/consumers"),
        format!("{IDENTITY}/domains/default/config"),
        tokens.clone(),
    ] {
        let subject = [("x-subject-token", demo.token.as_str())];
        let answer = admin.send(Method::GET, &path, &subject, None).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        // A token is shown to who shows it.
        if path != tokens {
            canaries.heard(&path, &answer);
        }
    }
}

/// Servers with secrets: two that live and one that cannot be built. Those that live.
pub async fn servers(process: &Process, canaries: &mut Canaries) -> Vec<Server> {
    let demo = log_in(process, "demo", canaries).await;
    let admin = log_in(process, "admin", canaries).await;
    admin.flavor("tiny", 1).await;
    let image = demo.image("raw", vec![0; 1 << 20]).await;

    let body = json!({"keypair": {"name": "made"}});
    let made = demo
        .compute("2.1", Method::POST, "/os-keypairs", Some(&body))
        .await;
    let pem = text(&made.expect(200)["keypair"]["private_key"]);
    let middle = pem.lines().nth(pem.lines().count() / 2).unwrap();
    canaries.learn("private key", middle);
    canaries.heard(
        "the list of keys",
        &demo.get("/compute/v2.1/os-keypairs").await,
    );

    let mut servers = Vec::new();
    for name in ["given", "generated", "doomed"] {
        let mut server = json!({
            "name": name, "imageRef": image, "flavorRef": "tiny", "config_drive": true,
            "key_name": "made",
            "user_data": STANDARD.encode(canaries.seed("user data")),
            "personality": [{
                "path": "/f", "contents": STANDARD.encode(canaries.seed("injected file")),
            }],
        });
        if name != "generated" {
            server["adminPass"] = json!(canaries.seed("password of a server"));
        }
        let body = json!({"server": server});
        let made = demo
            .compute("2.1", Method::POST, "/servers", Some(&body))
            .await;
        let mut made = made.expect(202);
        if name == "generated" {
            let password = text(&made["server"]["adminPass"]);
            canaries.learn("password of a server", &password);
        }
        let id = text(&made["server"]["id"].take());
        servers.push(Server {
            user: demo.clone(),
            id,
        });
    }
    servers[0].reaches("ACTIVE").await;
    servers[1].reaches("ACTIVE").await;
    servers[2].fails().await;
    let doomed = servers.pop().unwrap();
    for server in [&servers[0], &doomed] {
        for user in [&demo, &admin] {
            let path = format!("/servers/{}", server.id);
            let shown = user.compute("2.1", Method::GET, &path, None).await;
            canaries.heard("show a server", &shown);
            let path = format!("{path}/os-instance-actions");
            let actions = user.compute("2.1", Method::GET, &path, None).await;
            canaries.heard("the actions of a server", &actions);
            let request = text(&actions.expect(200)["instanceActions"][0]["request_id"]);
            let path = format!("{path}/{request}");
            let events = user.compute("latest", Method::GET, &path, None).await;
            canaries.heard("the events of an action", &events);
            events.expect(200);
        }
    }
    canaries.heard("all servers", &demo.get(&format!("{SERVERS}/detail")).await);
    consoles(&servers[0], canaries).await;
    doomed.delete().await.vanishes().await;
    servers
}

/// A console by the query, one by a cookie, one that nobody opens, one that is refused.
async fn consoles(server: &Server, canaries: &mut Canaries) {
    let path = format!("/servers/{}/remote-consoles", server.id);
    let body = json!({"remote_console": {"protocol": "vnc", "type": "novnc"}});
    for way in ["query", "cookie", "nothing", "twice"] {
        let asked = server
            .user
            .compute("2.8", Method::POST, &path, Some(&body))
            .await;
        let url = text(&asked.expect(200)["remote_console"]["url"]);
        let (page, token) = url.split_once("?path=%3Ftoken%3D").unwrap();
        canaries.learn("token of a console", token);
        let base = page.replacen("http", "ws", 1);
        let base = base.trim_end_matches("/vnc_auto.html");
        let mut request = format!("{base}/").into_client_request().unwrap();
        match way {
            "nothing" => continue,
            "cookie" => {
                let cookie = format!("token={token}").parse().unwrap();
                request.headers_mut().insert("cookie", cookie);
            }
            _ => *request.uri_mut() = format!("{base}/?token={token}").parse().unwrap(),
        }
        let (mut socket, _) = tokio_tungstenite::connect_async(request.clone())
            .await
            .unwrap();
        socket.next().await.unwrap().unwrap();
        socket.close(None).await.unwrap();
        if way == "twice" {
            tokio_tungstenite::connect_async(request).await.unwrap_err();
        }
    }
}

/// Requests that carry secrets and are refused.
pub async fn strangers(process: &Process, canaries: &mut Canaries) {
    let demo = log_in(process, "demo", canaries).await;
    let admin = log_in(process, "admin", canaries).await;
    let secret = canaries.seed("secret of a request that is refused");
    let long = format!("{secret}{}", "x".repeat(70_000));
    let (users, tokens) = (
        format!("{IDENTITY}/users"),
        format!("{IDENTITY}/auth/tokens"),
    );
    let own = format!("{users}/{}", demo.user_id);
    let credentials = format!("{own}/application_credentials");
    let config = format!("{IDENTITY}/domains/default/config");
    let by_method = |method: &str, body: Value| json!({"auth": {"identity": {"methods": [method], method: body}}});
    // All else is right, so that it is the secret that is looked at.
    let image_id = "00000000-0000-0000-0000-000000000000";
    let server = |more: Value| {
        let mut server = json!({"name": "s", "imageRef": image_id, "flavorRef": "1"});
        for (key, value) in more.as_object().unwrap() {
            server[key] = value.clone();
        }
        json!({"server": server})
    };
    let action = format!("{SERVERS}/00000000-0000-0000-0000-000000000000/action");
    let keys = "/compute/v2.1/os-keypairs";
    let private = format!("-----BEGIN OPENSSH PRIVATE KEY-----\n{secret}\n");
    let download = |uri: String| json!({"method": {"name": "web-download", "uri": uri}});
    let body = json!({"name": "i", "disk_format": "raw", "container_format": "bare"});
    let image = text(&demo.post("/image/v2/images", &body).await.expect(201)["id"]);
    let import = format!("/image/v2/images/{image}/import");
    let posts = [
        (&users, json!({"user": {"name": "x", "password": [secret]}})),
        (&users, json!({"user": {"name": 5, "password": secret}})),
        (&users, json!({"user": {"password": secret}})),
        (&users, json!({"user": secret})),
        (&users, json!({"user": {"name": "x", "password": long}})),
        (&users, json!({"password": secret})),
        (&tokens, login("demo", &json!([secret]))),
        (&tokens, login("demo", &json!(secret))),
        (&tokens, login("nobody", &json!(secret))),
        (&tokens, login("demo", &json!(long))),
        (&tokens, by_method("password", json!(secret))),
        (&tokens, by_method("token", json!({"id": secret}))),
        (&tokens, by_method("token", json!({"id": [secret]}))),
        (
            &tokens,
            by_method(
                "application_credential",
                json!({"id": "x", "secret": secret}),
            ),
        ),
        (
            &tokens,
            by_method(
                "application_credential",
                json!({"id": "x", "secret": [secret]}),
            ),
        ),
        (
            &tokens,
            by_method("totp", json!({"user": {"id": "x", "passcode": secret}})),
        ),
        (
            &credentials,
            json!({"application_credential": {"name": 5, "secret": secret}}),
        ),
        (
            &credentials,
            json!({"application_credential": {"name": "x", "secret": [secret]}}),
        ),
        (
            &credentials,
            json!({"application_credential": {"name": "x", "secret": long}}),
        ),
        (
            &credentials,
            json!({"application_credential": {"secret": secret}}),
        ),
        (
            &format!("{IDENTITY}/credentials"),
            json!({"credential": {"blob": [secret], "type": "x"}}),
        ),
        (
            &format!("{IDENTITY}/credentials"),
            json!({"credential": {"blob": secret}}),
        ),
        (
            &format!("{IDENTITY}/credentials"),
            json!({"credential": {"blob": secret, "type": "ec2"}}),
        ),
        (
            &format!("{own}/password"),
            json!({"user": {"password": secret, "original_password": 5}}),
        ),
        (
            &format!("{own}/password"),
            json!({"user": {"password": 5, "original_password": secret}}),
        ),
        (
            &format!("{own}/password"),
            json!({"user": {"password": "x", "original_password": secret}}),
        ),
        (&SERVERS.to_owned(), server(json!({"adminPass": [secret]}))),
        (
            &SERVERS.to_owned(),
            server(json!({"adminPass": secret, "odd": 1})),
        ),
        (
            &SERVERS.to_owned(),
            server(json!({"adminPass": secret, "name": ""})),
        ),
        (
            &SERVERS.to_owned(),
            server(json!({"adminPass": secret, "metadata": 5})),
        ),
        (
            &SERVERS.to_owned(),
            json!({"server": {"adminPass": secret}}),
        ),
        (
            &SERVERS.to_owned(),
            json!({"server": {"adminPass": secret}, "odd": 1}),
        ),
        (
            &SERVERS.to_owned(),
            json!({"server": [{"adminPass": secret}]}),
        ),
        (
            &SERVERS.to_owned(),
            server(json!({"user_data": format!("{secret}!")})),
        ),
        (&SERVERS.to_owned(), server(json!({"user_data": [secret]}))),
        (&SERVERS.to_owned(), server(json!({"user_data": long}))),
        (
            &SERVERS.to_owned(),
            server(json!({"personality": [{"path": "/f", "contents": [secret]}]})),
        ),
        (
            &SERVERS.to_owned(),
            server(json!({"personality": [{"path": "/f", "contents": format!("{secret}!")}]})),
        ),
        (
            &SERVERS.to_owned(),
            server(json!({"personality": [{"contents": secret}]})),
        ),
        (
            &SERVERS.to_owned(),
            server(json!({"personality": {"contents": secret}})),
        ),
        (&action, json!({"changePassword": {"adminPass": [secret]}})),
        (&action, json!({"changePassword": {"adminPass": secret}})),
        (
            &action,
            json!({"changePassword": {"adminPass": secret, "odd": 1}}),
        ),
        (
            &action,
            json!({"rebuild": {"imageRef": "x", "adminPass": secret}}),
        ),
        (&action, json!({"rescue": {"adminPass": secret, "odd": 1}})),
        (
            &keys.to_owned(),
            json!({"keypair": {"name": "x", "public_key": private}}),
        ),
        (
            &keys.to_owned(),
            json!({"keypair": {"name": "x", "private_key": private}}),
        ),
        (&import, download(format!("http://u:{secret}@127.0.0.1/x"))),
        (
            &import,
            download(format!("http://127.0.0.1:1/x?signature={secret}")),
        ),
        (
            &import,
            download(format!("odd://u:{secret}@name.invalid/x")),
        ),
    ];
    for (path, body) in posts {
        let answer = admin.post(path, &body).await;
        refused(&format!("POST {path} {body}"), &answer, canaries);
        // Not JSON: the end is missing.
        let broken = body.to_string();
        let answer = admin.post_text(path, &broken[..broken.len() - 1]).await;
        refused(&format!("POST {path}, broken"), &answer, canaries);
    }
    for (path, body) in [
        (&own, json!({"user": {"password": {"a": secret}}})),
        (&own, json!({"user": {"password": long}})),
        (
            &config,
            json!({"config": {"ldap": {"password": secret, "odd": 1}}}),
        ),
        (&config, json!({"config": {"ldap": [secret]}})),
        (&config, json!({"config": {"odd": {"password": secret}}})),
    ] {
        let answer = admin.send(Method::PATCH, path, &[], Some(&body)).await;
        refused(&format!("PATCH {path} {body}"), &answer, canaries);
    }
    // This one is found out only when it is fetched.
    let body = download(format!(
        "http://u:{secret}@name.invalid/x?signature={secret}"
    ));
    demo.post(&import, &body).await.expect(202);
    let tasks = format!("/image/v2/images/{image}/tasks");
    let answer = until("the import fails", || async {
        let answer = demo.get(&tasks).await;
        (answer.body["tasks"][0]["status"] == "failure").then_some(answer)
    })
    .await;
    canaries.heard("the tasks of an image", &answer);
    let answer = demo.get(&format!("/image/v2/images/{image}")).await;
    canaries.heard("an image that was not imported", &answer);
    let subject = [("x-subject-token", secret.as_str())];
    let answer = admin.send(Method::GET, &tokens, &subject, None).await;
    refused("a subject that is no token", &answer, canaries);
    let answer = admin.send(Method::DELETE, &tokens, &subject, None).await;
    refused("a subject that is no token", &answer, canaries);
    let service = [("x-service-token", secret.as_str())];
    for path in [SERVERS, "/image/v2/images", "/network/v2.0/networks", keys] {
        let answer = demo.with_token(&secret).get(path).await;
        refused(&format!("{path} with a wrong token"), &answer, canaries);
        let answer = demo.send(Method::GET, path, &service, None).await;
        refused(
            &format!("{path} with a wrong service token"),
            &answer,
            canaries,
        );
    }
    let path = format!("/compute/v2.1/os-console-auth-tokens/{secret}");
    refused("a wrong console token", &admin.get(&path).await, canaries);

    for user in [&demo, &demo.with_token(&secret)] {
        let json = [
            ("accept", "application/json"),
            ("authorization", secret.as_str()),
        ];
        for path in ["/healthcheck", "/metrics", "/"] {
            let answer = user.send(Method::GET, path, &json, None).await;
            canaries.heard(path, &answer);
        }
    }
}

/// Keeps the answer to a wrong request, which must be one.
pub fn refused(what: &str, answer: &testing::Answer, canaries: &mut Canaries) {
    let status = answer.status.as_u16();
    let mut short = String::new();
    write!(short, "{what:.100}").unwrap();
    assert!(
        (400..500).contains(&status) || status == 501,
        "{short}: {status} {}",
        answer.text
    );
    canaries.heard(&short, answer);
}

/// The servers go, and the journal has nothing to do.
pub async fn end(process: &Process, canaries: &mut Canaries, servers: Vec<Server>) {
    for server in servers {
        server.delete().await.vanishes().await;
    }
    let admin = log_in(process, "admin", canaries).await;
    canaries.heard(
        "all servers",
        &admin
            .get(&format!("{SERVERS}/detail?all_tenants=1&deleted=1"))
            .await,
    );
    until("nothing is left", || async {
        process.audit().status.success().then_some(())
    })
    .await;
}

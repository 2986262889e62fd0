//! The two pages.

use axum::response::Html;

/// The screen: noVNC's drawing code with a frame of ours.
pub async fn vnc() -> Html<&'static str> {
    Html(include_str!("../pages/vnc_auto.html"))
}

/// The serial line.
pub async fn serial() -> Html<&'static str> {
    Html(include_str!("../pages/serial.html"))
}

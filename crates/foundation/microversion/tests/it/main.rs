//! The derive and the functions that read its tables, from outside.

mod admission;
mod rendering;

//! The API's outer shell over its real router, and its requests against foreign judgements.

mod oracle;
mod samples;
mod shell;

//! The API's outer shell, over its real router.

mod shell;

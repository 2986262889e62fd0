//! Servers: what users ask of them.

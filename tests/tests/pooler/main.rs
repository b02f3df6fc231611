//! Everything through a PgBouncer in transaction mode, with `--ddl-url` past it.

mod connect;
mod detection;
mod fixture;
mod runners;
mod way;

//! What the tests share: a database per test with roles of least privilege, and
//! named sessions for race tests. For development only.
//!
//! ```no_run
//! # async fn race() -> crossfade_testkit::Result<()> {
//! use crossfade_testkit::{Role, TestDatabase};
//!
//! let database = TestDatabase::create().await?;
//! let observer = database.session("observer", Role::Superuser).await?;
//! let first = database.session("first", Role::Migrator).await?;
//! let second = database.session("second", Role::Migrator).await?;
//! first.run("create table public.t (id int); begin; lock table public.t").await?;
//! let blocked = second.start("insert into public.t values (1)");
//! assert_eq!(observer.wait_until_blocked(second.pid()).await?, [first.pid()]);
//! first.run("commit").await?;
//! blocked.await??;
//! # Ok(())
//! # }
//! ```

pub mod catalog_diff;
mod database;
pub mod kinds;
mod pgbouncer;
mod proxy;
mod server;
mod session;

pub use crossfade_sandbox::oracle::{Comparison, Differences, OracleError, Pair};
pub use database::{Role, TestDatabase};
pub use pgbouncer::{PROGRAM_VARIABLE, PgBouncer, PoolMode};
pub use proxy::{Fault, Proxy};
pub use server::{TestServer, URL_VARIABLE, cluster_options};
pub use session::Session;

/// Any error: tests only pass it on.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// The result of whatever a test calls.
pub type Result<T> = std::result::Result<T, Error>;

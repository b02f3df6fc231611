//! A private throwaway PostgreSQL cluster, a live workload, and an oracle: what the demo and the
//! tests run against.

pub mod cluster;
pub mod oracle;
pub mod sales;
pub mod workload;

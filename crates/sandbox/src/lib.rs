//! A private throwaway PostgreSQL cluster: what the demo and the tests run against.

pub mod cluster;
pub mod workload;

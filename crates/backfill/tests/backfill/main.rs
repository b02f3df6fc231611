//! The backfill between the writes of others: races by barriers, kills, whole tables of all kinds.

mod fence;
mod fixture;
mod gate;
mod held;
mod horizon;
mod kinds;
mod races;
mod refused;
mod resume;
mod rewrite;
mod yields;

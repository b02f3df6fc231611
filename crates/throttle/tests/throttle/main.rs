//! The throttle against servers: replicas that lag, vanish or may not be seen, and live control.

mod control;
mod deadline;
mod fixture;
mod replica;

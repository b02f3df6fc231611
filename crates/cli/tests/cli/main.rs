//! The built program as users and schedulers see it: what it prints where, and how it exits.

mod bad_input;
mod completions;
mod connection;
mod control;
mod ends;
mod grants;
mod help;
mod lost;
mod obstacles;
mod plan;
mod program;
mod reading;
mod registered;
mod running;
mod scene;
mod stages;
mod status;
mod terminal;
mod values;
mod way_out;

//! The catalog snapshot against a real server.

mod changes;
mod facts;
mod fixture;
mod objects;
mod parts;
mod surroundings;
mod triggers;

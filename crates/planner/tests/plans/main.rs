//! Plans against a real catalog: what they say, and that they do it, forth and back.

mod checker;
mod examples;
mod fixture;
mod keys;
mod refused;
mod render;
mod shapes;
mod totality;

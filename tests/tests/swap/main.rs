//! The swap and the way back, with other sessions at every place where it matters.

mod altered;
mod between;
mod blocked;
mod fenced;
mod functions;
mod gate;
mod kept;
mod old_reader;
mod order;
mod prepared;
mod reverse;
mod sequences;
mod stamp;
mod way;

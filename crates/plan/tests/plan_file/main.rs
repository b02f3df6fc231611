//! Plan files from the outside: what is read, what is refused and where, and what a plan means.

mod accepted;
mod canonical;
mod fuzz;
mod refused;
mod schema;

/// A plan file that uses everything that is supported, none of it at its default.
const FULL: &str = include_str!("full.yaml");

/// A plan file with one operation, which the test writes, and more lines at the top.
fn with_operation(operation: &str) -> String {
    format!("name: m\ntable: t\noperations:\n  - {operation}\n")
}

/// A plan file with more lines at its end.
fn with_lines(lines: &str) -> String {
    format!("name: m\ntable: t\noperations:\n  - drop_column: {{ column: a }}\n{lines}\n")
}

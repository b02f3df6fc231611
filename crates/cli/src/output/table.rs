//! Tables that fit the terminal: without borders, so that they can be cut and pasted.

use comfy_table::{ContentArrangement, Table, presets};

/// Columns where there is no terminal to ask.
const PIPE_WIDTH: u16 = 80;

/// Narrower ones are taken for a mistake: nothing fits in there.
const NARROWEST: u16 = 40;

/// A table with a header, as wide as the terminal at most.
pub(crate) fn new_table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(terminal_width())
        .set_header(header);
    for column in 0..N {
        if let Some(column) = table.column_mut(column) {
            column.set_padding((0, 2));
        }
    }
    table
}

/// The table as text, without blanks at the ends of lines.
pub(crate) fn fitted(table: &Table) -> String {
    table.trim_fmt()
}

/// Columns of the terminal, or 80 where there is none.
pub(crate) fn terminal_width() -> u16 {
    let width = Table::new().width();
    // A terminal that does not know its size says 0.
    width
        .filter(|width| *width >= NARROWEST)
        .unwrap_or(PIPE_WIDTH)
}

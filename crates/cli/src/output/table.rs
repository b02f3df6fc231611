//! Tables that fit the terminal: without borders, so that they can be cut and pasted.

use comfy_table::{ColumnConstraint, ContentArrangement, Table, presets};

use super::labelled;

/// Columns where there is no terminal to ask.
const PIPE_WIDTH: u16 = 80;

/// Narrower ones are taken for a mistake: nothing fits in there.
const NARROWEST: u16 = 40;

/// Blanks between two columns.
const GAP: u16 = 2;

/// A column of sentences is at least so wide.
const NARROWEST_PROSE: usize = 16;

/// What the last column of a table holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Last {
    /// Names or numbers, as the others: they are not broken.
    Value,
    /// Sentences, which may go over several lines.
    Prose,
}

/// Rows under a header. Where they do not fit side by side, each becomes a block of labelled
/// lines: a name or a time that is broken in the middle cannot be read, and not be copied.
pub(crate) fn table<const N: usize>(header: [&str; N], last: Last, rows: &[[String; N]]) -> String {
    let width = usize::from(terminal_width());
    let widest = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells
            .chain([header[column].chars().count()])
            .max()
            .unwrap_or(0)
    };
    let wanted = |column: usize| match last {
        Last::Prose if column + 1 == N => widest(column).min(NARROWEST_PROSE),
        Last::Prose | Last::Value => widest(column),
    };
    let gaps = usize::from(GAP) * N.saturating_sub(1);
    if (0..N).map(wanted).sum::<usize>() + gaps <= width {
        side_by_side(header, last, rows)
    } else {
        blocks(header, rows)
    }
}

fn side_by_side<const N: usize>(header: [&str; N], last: Last, rows: &[[String; N]]) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(terminal_width())
        .set_header(header);
    for row in rows {
        table.add_row(row);
    }
    for number in 0..N {
        if let Some(column) = table.column_mut(number) {
            let is_last = number + 1 == N;
            column.set_padding((0, if is_last { 0 } else { GAP }));
            if !is_last || last == Last::Value {
                column.set_constraint(ColumnConstraint::ContentWidth);
            }
        }
    }
    table.trim_fmt()
}

fn blocks<const N: usize>(header: [&str; N], rows: &[[String; N]]) -> String {
    let block = |row: &[String; N]| {
        let lines = header.iter().zip(row);
        let lines: Vec<String> = lines.map(|(label, cell)| labelled(label, cell)).collect();
        lines.join("\n")
    };
    let blocks: Vec<String> = rows.iter().map(block).collect();
    blocks.join("\n\n")
}

/// Columns of standard output, or 80 where that is no terminal.
pub(crate) fn terminal_width() -> u16 {
    width_for(&Table::new())
}

/// Columns of standard error, or 80 where that is no terminal.
pub(crate) fn stderr_width() -> u16 {
    width_for(Table::new().use_stderr())
}

fn width_for(table: &Table) -> u16 {
    // A terminal that does not know its size says 0.
    table
        .width()
        .filter(|width| *width >= NARROWEST)
        .unwrap_or(PIPE_WIDTH)
}

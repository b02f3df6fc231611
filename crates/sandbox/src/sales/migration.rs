//! The migration of the demo: its plan file, and the versions of the application around it.

use tokio_postgres::Client;

use crate::oracle::{Comparison, OracleError, Pair};
use crate::workload::{AppTable, Shape, ShapeError};

/// The name of the migration.
pub const MIGRATION: &str = "leads_v2";

/// The name of its plan file.
pub const PLAN_FILE: &str = "leads_v2.yaml";

const PLAN: &str = include_str!("plan.yaml");

/// About how long the copy is made to take at least, in seconds, so that there is something to
/// watch and to interrupt.
const COPY_SECONDS: u32 = 6;

/// Into how many chunks the copy is cut at least.
const CHUNKS: u32 = 60;

/// The plan file for a table of so many rows.
pub fn plan_file(rows: u32) -> String {
    let rate = (rows / COPY_SECONDS).max(1);
    let batch = (rows / CHUNKS).clamp(1, 5000);
    format!("{PLAN}backfill: {{ workers: 2, batch_size: {batch}, rows_per_second: {rate} }}\n")
}

/// A version of the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// Knows the table as it was: `name`.
    First,
    /// Does without the columns that only one side has: what runs when the tables are swapped.
    Between,
    /// Knows the migrated table: `first_name` and `last_name`.
    Second,
}

impl Version {
    pub(super) fn shape(self, leads: &AppTable) -> Result<Shape, ShapeError> {
        let first = Shape::of(leads);
        match self {
            Self::First => Ok(first),
            Self::Between => first.without("name"),
            Self::Second => first.mapped(
                "name",
                &[
                    ("first_name", "pg_catalog.split_part({}, ' ', 1)"),
                    (
                        "last_name",
                        "pg_catalog.substr({}, pg_catalog.strpos({}, ' ') + 1)",
                    ),
                ],
            ),
        }
    }

    pub(super) async fn compare(
        self,
        leads: &AppTable,
        superuser: &Client,
    ) -> Result<i64, OracleError> {
        let comparison = Comparison {
            control: &leads.control().to_string(),
            result: &leads.name().to_string(),
            key: &[("id", "id")],
            columns: &self.columns(),
        };
        comparison.run(superuser).await
    }

    /// All columns that this version of the application writes.
    fn columns(self) -> Vec<Pair<'static>> {
        let name: &[Pair<'static>] = match self {
            Self::First => &[("name", "name")],
            Self::Between => &[],
            Self::Second => &[
                ("split_part(name, ' ', 1)", "first_name"),
                ("substr(name, strpos(name, ' ') + 1)", "last_name"),
            ],
        };
        let same = ["email", "score", "status", "note", "created_at", "payload"];
        let same = same.into_iter().map(|column| (column, column));
        name.iter().copied().chain(same).collect()
    }
}

#[cfg(test)]
mod tests {
    use crossfade_plan::file::PlanFile;

    use super::*;

    #[test]
    fn the_plan_file_is_one_for_any_number_of_rows() {
        for rows in [1, 5000, 300_000, u32::MAX] {
            let plan = PlanFile::parse(&plan_file(rows)).expect("a plan file").plan;
            assert_eq!(plan.name.as_str(), MIGRATION);
            assert!(plan.backfill.batch_size > 0);
        }
    }
}

//! The parts change when the definition of the table changes, and only then.

use std::fmt::Write as _;

use crossfade_plan::fingerprint::{Drift, drift};
use crossfade_testkit::Result;

use crate::changes::CHANGES;
use crate::fixture::{NAME, Rich};

/// What the parts of the whole table look like on one version; later ones print views and NOT
/// NULL constraints differently.
#[tokio::test]
async fn every_part_has_a_name() -> Result<()> {
    let rich = Rich::create().await?;
    let catalog = rich.catalog().await?;
    let parts = catalog.table.parts();
    assert!(
        parts
            .keys()
            .any(|part| part == "column \"Shop\".\"Order Item\".\"qty\"")
    );
    assert!(!parts.keys().any(|part| part.contains("crossfade")));
    if catalog.server_version_num / 10_000 == 15 {
        let mut text = String::new();
        for (part, definition) in &parts {
            writeln!(text, "{part}\n    {definition}")?;
        }
        let text = text.replace(rich.database.name(), "test").replace(
            &format!("\"owner\":\"{}\"", rich.database.server().superuser()),
            "\"owner\":\"superuser\"",
        );
        insta::assert_snapshot!(text);
    }
    Ok(())
}

#[tokio::test]
async fn parts_stay_when_only_the_storage_or_the_rows_change() -> Result<()> {
    let rich = Rich::create().await?;
    let before = rich.table().await?;
    for sql in [
        "insert into \"Shop\".customers values (1, 'x')",
        "insert into \"Shop\".\"Order Item\" (customer_id) select 1 from generate_series(1, 50)",
        "analyze \"Shop\".\"Order Item\"",
        "vacuum full \"Shop\".\"Order Item\"",
        "cluster \"Shop\".\"Order Item\"",
        "reindex table \"Shop\".\"Order Item\"",
        "refresh materialized view other.totals",
        "alter table \"Shop\".\"Order Item\" disable trigger \"!crossfade_m_forward\"",
    ] {
        rich.admin.run(sql).await?;
        let after = rich.table().await?;
        assert_eq!(drift(&before.parts(), &after.parts()), [], "{sql}");
    }
    Ok(())
}

#[tokio::test]
async fn the_same_definition_elsewhere_has_the_same_parts() -> Result<()> {
    let (one, two) = (Rich::create().await?, Rich::create().await?);
    two.admin
        .run("create table public.shifts_the_oids (id int); drop table public.shifts_the_oids")
        .await?;
    let text = async |rich: &Rich| -> Result<String> {
        let parts = serde_json::to_string(&rich.table().await?.parts())?;
        Ok(parts.replace(rich.database.name(), "test"))
    };
    assert_eq!(text(&one).await?, text(&two).await?);
    Ok(())
}

#[tokio::test]
async fn every_small_change_shows_by_name() -> Result<()> {
    let rich = Rich::create().await?;
    let fill = |text: &str| {
        text.replace("$t", NAME)
            .replace("$owner", rich.database.owner())
            .replace("$app", rich.database.app())
            .replace("$superuser", rich.database.server().superuser())
    };
    for (sql, part) in CHANGES {
        // Changes pile up; each is compared with what stood right before it.
        let now = rich.table().await?.parts();
        let Some(changed) = changed(&rich, &fill(sql), &now).await? else {
            return Err(format!("nothing changed: {sql}").into());
        };
        assert!(changed.contains(&fill(part)), "{sql}: {changed:?}");
    }
    Ok(())
}

async fn changed(
    rich: &Rich,
    sql: &str,
    before: &crossfade_plan::fingerprint::CatalogParts,
) -> Result<Option<Vec<String>>> {
    rich.admin
        .run(sql)
        .await
        .map_err(|error| format!("{sql}: {error:?}"))?;
    let drifts: Vec<Drift> = drift(before, &rich.table().await?.parts());
    Ok((!drifts.is_empty()).then(|| drifts.into_iter().map(|found| found.part).collect()))
}

//! The plan on paper, and the hazards in it.

use crossfade_plan::execution::ExecutionPlan;
use crossfade_plan::hazard::{HazardId, Severity};
use crossfade_planner::render;
use crossfade_testkit::Result;

use crate::fixture::{Fixture, without_not_null_names};

const SCHEMA: &str = include_str!("../../../../plans/example-schema.sql");

#[tokio::test]
async fn people_read_columns_hazards_and_steps() -> Result<()> {
    let fixture = Fixture::new(SCHEMA).await?;
    let plan = fixture
        .sound_plan(include_str!("../../../../plans/03-rename-column.yaml"))
        .await?;
    let text = without_not_null_names(&render::text(&plan))
        .replace(fixture.database.name(), "test")
        .replace(plan.fingerprint.short(), "FINGERPRINT");
    // How large a table is on disk differs between versions.
    let bytes = text
        .split("about ")
        .nth(1)
        .and_then(|rest| rest.split(' ').next())
        .ok_or("no size")?;
    insta::assert_snapshot!("text", text.replace(bytes, "BYTES"));
    Ok(())
}

#[tokio::test]
async fn programs_get_the_plan_back() -> Result<()> {
    let fixture = Fixture::new(SCHEMA).await?;
    let plan = fixture
        .sound_plan(include_str!("../../../../plans/11-combined.yaml"))
        .await?;
    let json = render::json(&plan);
    assert_eq!(json["schema"], "crossfade.plan/1");
    let read: ExecutionPlan = serde_json::from_value(json["plan"].clone())?;
    assert_eq!(read, plan);
    Ok(())
}

/// Ids of the hazards that need `--allow-hazard`.
async fn dangers(fixture: &Fixture, text: &str) -> Result<Vec<HazardId>> {
    let plan = fixture.sound_plan(text).await?;
    let dangers = plan
        .hazards
        .iter()
        .filter(|hazard| hazard.severity == Severity::Danger);
    Ok(dangers.map(|hazard| hazard.id).collect())
}

#[tokio::test]
async fn only_what_destroys_or_fails_needs_consent() -> Result<()> {
    let fixture = Fixture::new(SCHEMA).await?;
    let harmless = [
        include_str!("../../../../plans/01-change-type.yaml"),
        include_str!("../../../../plans/02-add-column.yaml"),
        include_str!("../../../../plans/05-split-column.yaml"),
        include_str!("../../../../plans/11-combined.yaml"),
    ];
    for text in harmless {
        assert_eq!(dangers(&fixture, text).await?, [], "{text}");
    }
    let dropped = include_str!("../../../../plans/04-drop-column.yaml");
    assert_eq!(dangers(&fixture, dropped).await?, [HazardId::DeletesData]);
    // A driver that sends the parameter's type as text is refused by jsonb for good.
    let typed =
        "name: m\ntable: customers\noperations:\n  - change_type: { column: email, type: uuid }\n";
    assert_eq!(
        dangers(&fixture, typed).await?,
        [HazardId::PreparedStatements]
    );
    Ok(())
}

#[tokio::test]
async fn hazards_name_what_happens() -> Result<()> {
    let fixture = Fixture::new(SCHEMA).await?;
    let text = "name: m\ntable: customers\noperations:\n  - drop_column: { column: city }\n  \
                - change_type: { column: id, type: bigint }\n  \
                - add_column: { name: n, type: float8, up: random() }\n  \
                - add_unique: { columns: [name] }\n";
    let plan = fixture.sound_plan(text).await?;
    let found: Vec<String> = plan
        .hazards
        .iter()
        .map(|hazard| format!("{} {}", hazard.id, hazard.subject))
        .collect();
    for expected in [
        "DELETES_DATA column \"city\"",
        "LOSSY_REVERSE column \"city\"",
        "LOSSY_REVERSE column \"id\"",
        "DEPENDENT_DROPPED index \"customers_city\"",
        "VOLATILE_EXPRESSION column \"n\"",
        "UNIQUE_STRICTER constraint \"customers_name_key\"",
        "COLUMN_ADDED column \"n\"",
        "PREPARED_STATEMENTS \"public\".\"customers\"",
        "DISK_SPACE \"public\".\"customers\"",
        "QUEUE_READERS \"public\".\"customers\"",
    ] {
        assert!(
            found.iter().any(|one| one == expected),
            "{expected}: {found:?}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn what_may_meet_in_a_unique_index_of_the_old_side_is_announced() -> Result<()> {
    let unique = "create unique index unique_city on public.customers (id, city)";
    let fixture = Fixture::new(&format!("{SCHEMA} {unique};")).await?;
    for (operation, meets) in [
        ("rename_column: { column: city, to: town }", false),
        ("change_type: { column: city, type: varchar(80) }", false),
        (
            "change_type: { column: city, type: text, up: city, down: lower(city) }",
            true,
        ),
        ("drop_column: { column: name, down: \"'none'\" }", false),
        ("drop_column: { column: city, down: \"'none'\" }", true),
    ] {
        let plan = fixture
            .sound_plan(&format!(
                "name: m\ntable: customers\noperations:\n  - {operation}\n"
            ))
            .await?;
        let announced = plan.hazards.iter().any(|hazard| {
            hazard.id == HazardId::UniqueStricter && hazard.subject.contains("unique_city")
        });
        assert_eq!(announced, meets, "{operation}");
    }
    Ok(())
}

#[tokio::test]
async fn subtransactions_are_announced_for_as_long_as_a_side_may_refuse() -> Result<()> {
    let fixture = Fixture::new(SCHEMA).await?;
    let plan =
        |operation: &str| format!("name: m\ntable: customers\noperations:\n  - {operation}\n");
    for (operation, when) in [
        ("rename_column: { column: city, to: town }", None),
        (
            "add_column: { name: n, type: integer, up: length(name) }",
            None,
        ),
        (
            "add_column: { name: n, type: integer, up: 100 / length(name) }",
            Some("until the cutover"),
        ),
        (
            "change_type: { column: id, type: bigint }",
            Some("from the cutover on, until the contract"),
        ),
    ] {
        let plan = fixture.sound_plan(&plan(operation)).await?;
        let hazard = plan
            .hazards
            .iter()
            .find(|hazard| hazard.id == HazardId::Subtransactions);
        let told = hazard.map(|hazard| hazard.explanation.as_str());
        assert_eq!(told.is_some(), when.is_some(), "{operation}: {told:?}");
        assert!(
            when.is_none_or(|when| told.is_some_and(|told| told.contains(when))),
            "{operation}: {told:?}"
        );
    }
    Ok(())
}

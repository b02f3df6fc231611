//! No value of a row is shown or kept, whatever the server says about it: of errors only SQLSTATE,
//! constraint and column.

use crossfade_testkit::Result;

use crate::scene::Scene;

/// What stands in the application's rows ([`Scene`] puts it there), and nowhere else.
const VALUE: &str = "hunter2";

/// Runs a command with every log there is, and expects this exit code and no value.
fn silent(scene: &Scene, code: i32, line: &str) -> Result<()> {
    for format in ["", " --format json"] {
        let run = scene
            .program(&format!("{line} -vvv{format}"))
            .env("CROSSFADE_LOG", "trace")
            .run()?;
        assert_eq!(run.code, Some(code), "{line}: {run:?}");
        for shown in [&run.stdout, &run.stderr] {
            assert!(!shown.contains(VALUE), "{line}: {shown}");
        }
    }
    Ok(())
}

/// Looks through all that is kept, and fails if a value is there.
async fn nothing_kept(scene: &Scene) -> Result<()> {
    let tables: Vec<String> = scene
        .admin
        .query_one_value(
            "select array_agg(c.oid::regclass::text) from pg_class c \
             where c.relnamespace = 'crossfade'::regnamespace and c.relkind = 'r'",
        )
        .await?;
    assert!(tables.len() > 5, "{tables:?}");
    for table in tables {
        let with = format!("select count(*) from {table} t where t::text like '%{VALUE}%'");
        let with: i64 = scene.admin.query_one_value(&with).await?;
        assert_eq!(with, 0, "{table}");
    }
    Ok(())
}

/// Every command that tells of a migration.
async fn nothing_told(scene: &Scene) -> Result<()> {
    for line in ["status orders", "history orders", "list"] {
        silent(scene, 0, line)?;
    }
    nothing_kept(scene).await
}

fn plan(operation: &str) -> String {
    format!("name: orders\ntable: public.orders\noperations:\n  - {operation}\n")
}

/// The hazards are allowed: it is their outcome that is looked at.
fn expand(scene: &Scene) -> Result<()> {
    let line = "expand orders.yaml --accept-unknown disk --allow-hazard BAD_VALUES \
                --allow-hazard PREPARED_STATEMENTS";
    silent(scene, 0, line)
}

#[tokio::test(flavor = "multi_thread")]
async fn of_rows_that_cannot_be_mapped() -> Result<()> {
    let operation = "change_type: { column: note, type: integer, up: 'note::integer' }";
    let scene = Scene::with_plan(3, &plan(operation)).await?;
    expand(&scene)?;
    // The chunk, its pieces, the rows one by one, and what is tried again.
    silent(&scene, 6, "backfill orders")?;
    nothing_told(&scene).await?;
    scene
        .admin
        .run("update public.orders set note = '1'")
        .await?;
    scene.ends(0, "backfill orders")?;
    // One that the trigger did not see: the comparison meets it first.
    scene
        .admin
        .run(&format!(
            "set session_replication_role = replica; \
             alter table public.orders disable trigger all; \
             update public.orders set note = '{VALUE}' where id = 2; \
             alter table public.orders enable always trigger \"!crossfade_orders_forward\"; \
             alter table public.orders enable always trigger \"!crossfade_orders_forward_truncate\""
        ))
        .await?;
    silent(&scene, 7, "verify orders")?;
    nothing_told(&scene).await
}

#[tokio::test(flavor = "multi_thread")]
async fn of_rows_that_an_index_or_a_constraint_refuses() -> Result<()> {
    for operation in [
        "add_unique: { name: orders_note, columns: [ note ] }",
        "add_check: { name: orders_short, check: 'length(note) < 9' }",
    ] {
        let scene = Scene::with_plan(12, &plan(operation)).await?;
        scene
            .admin
            .run("update public.orders set note = 'hunter2 1' where id = 2")
            .await?;
        expand(&scene)?;
        silent(&scene, 6, "backfill orders")?;
        nothing_told(&scene).await?;
    }
    Ok(())
}

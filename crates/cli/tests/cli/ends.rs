//! How the stages end when they do not reach their end: exit codes and errors, each with the
//! state of the database and what to do next.

use crossfade_testkit::{Result, Role};
use serde_json::{Value, json};

use crate::program::Program;
use crate::scene::{EXPAND, PLAN, Scene, leads_to, names, result_of};

#[tokio::test(flavor = "multi_thread")]
async fn usage_is_refused_before_anything_happens() -> Result<()> {
    let scene = Scene::create(10).await?;
    for line in [
        "backfill orders",
        "verify orders",
        "cutover orders",
        "run orders",
    ] {
        scene.fails(2, "E0011", line)?;
    }
    scene.fails(2, "E0011", "expand orders")?;
    for line in [
        "backfill orders --max-runtime 0s",
        "backfill orders --until soon",
        "backfill orders --until 03:00 --tz Mars/Olympus",
        "backfill orders --lease-ttl 0s",
        "expand orders.yaml --allow-hazard SNAKES",
        "expand orders.yaml --free-disk much",
        "verify orders --mode sample --sample-size 0",
        "verify orders --repair --mode counts",
        "run orders.yaml --to planned",
    ] {
        scene.fails(2, "E0002", line)?;
    }
    scene.fails(2, "E0004", "expand orders.yaml --plan nowhere.json")?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edited_plan_and_a_taken_table_are_refused() -> Result<()> {
    let scene = Scene::create(10).await?;
    scene.ends(0, EXPAND)?;
    let edited = PLAN.replace("total * 2", "total * 3");
    scene.write("orders.yaml", &edited)?;
    for line in [EXPAND, "run orders.yaml", "backfill orders.yaml"] {
        let error = scene.fails(2, "E0016", line)?;
        leads_to(&error, "crossfade rollback orders");
    }
    scene.write("other.yaml", &PLAN.replace("name: orders", "name: other"))?;
    let error = scene.fails(2, "E0017", "expand other.yaml --accept-unknown disk")?;
    leads_to(&error, "crossfade rollback orders");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn preflight_says_what_to_do_and_expand_refuses_alike() -> Result<()> {
    let scene = Scene::create(10).await?;
    let (migrator, owner) = (scene.database.migrator(), scene.database.owner());
    scene
        .admin
        .run(&format!(
            "revoke create on schema public from \"{migrator}\", \"{owner}\""
        ))
        .await?;
    let run = scene.ends(7, "preflight orders.yaml")?;
    let shown = run.shown();
    for text in [
        "role",
        "fail",
        "unknown",
        "crossfade grants",
        "--accept-unknown disk",
    ] {
        assert!(shown.contains(text), "{shown}");
    }
    assert!(
        run.stdout.lines().all(|line| line.chars().count() <= 80),
        "{shown}"
    );
    let result = scene.result(7, "preflight orders.yaml")?;
    assert_eq!(result["passed"], json!(false));
    assert_eq!(result["findings"].as_array().map(Vec::len), Some(12));
    let state: bool = scene
        .admin
        .query_one_value("select pg_catalog.to_regnamespace('crossfade') is null")
        .await?;
    assert!(state, "preflight made no state schema");
    let error = scene.fails(7, "E0050", "expand orders.yaml")?;
    names(&error, "role: ");
    names(&error, "disk: ");

    // A role that may make no state schema.
    let run = crate::program::Program::new("expand orders.yaml --accept-unknown disk")
        .directory(scene.directory.path())
        .url(&scene.database.url(Role::App))
        .run()?;
    assert_eq!(run.code, Some(7), "{run:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn hazards_and_drift_stop_an_expand() -> Result<()> {
    let plan = PLAN.replace(
        "operations:",
        "operations:\n  - drop_column: { column: note }",
    );
    let scene = Scene::with_plan(10, &plan).await?;
    let error = scene.fails(7, "E0051", EXPAND)?;
    names(&error, "DELETES_DATA");
    leads_to(&error, "--allow-hazard DELETES_DATA");
    let allowed = format!("{EXPAND} --allow-hazard deletes_data");
    assert_eq!(scene.result(0, &allowed)?["stage"], "expanded");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stage_out_of_turn_names_the_one_that_is_missing() -> Result<()> {
    let scene = Scene::create(10).await?;
    scene.ends(0, EXPAND)?;
    leads_to(
        &scene.fails(7, "E0043", "verify orders")?,
        "crossfade backfill orders",
    );
    leads_to(
        &scene.fails(7, "E0043", "cutover orders")?,
        "crossfade verify orders",
    );
    leads_to(
        &scene.fails(7, "E0043", "contract orders")?,
        "crossfade cutover orders",
    );
    scene.up_to("verify")?;
    scene
        .admin
        .run("alter table public.orders alter note set default 'x'")
        .await?;
    let error = scene.fails(7, "E0052", "cutover orders")?;
    names(&error, "note");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gap_shuts_the_gate_until_the_next_verification() -> Result<()> {
    let scene = Scene::create(10).await?;
    scene.up_to("verify")?;
    scene
        .admin
        .run(
            "do $$ declare name text; begin
                 for name in select tgname from pg_trigger
                             where tgrelid = 'public.orders'::regclass and not tgisinternal loop
                     execute format('alter table public.orders disable trigger %I', name);
                     execute format('alter table public.orders enable always trigger %I', name);
                 end loop;
             end $$",
        )
        .await?;
    let error = scene.fails(7, "E0055", "cutover orders")?;
    leads_to(&error, "crossfade verify orders");
    assert_eq!(scene.status()?["stage"], "backfilled");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn people_and_time_are_waited_for() -> Result<()> {
    let plan = format!(
        "{PLAN}cutover: {{ hold: true, approvals: [business] }}\ncontract: {{ soak: 1h, approvals: [business] }}\n"
    );
    let scene = Scene::with_plan(10, &plan).await?;
    scene.up_to("verify")?;
    assert_eq!(scene.status()?["hold"], json!(true), "as the plan says");
    scene.ends(0, "unhold orders")?;
    let error = scene.fails(5, "E0056", "cutover orders")?;
    leads_to(&error, "crossfade approve orders --role business");
    waits_for(&scene, "business")?;
    scene.ends(0, "approve orders --role business")?;
    scene.ends(0, "hold orders")?;
    let error = scene.fails(5, "E0056", "run orders --to cutover")?;
    leads_to(&error, "crossfade unhold orders");
    waits_for(&scene, "hold")?;
    scene.ends(0, "unhold orders")?;
    scene.ends(0, "cutover orders")?;
    scene.fails(5, "E0057", "contract orders --yes")?;
    waits_for(&scene, "soak time")?;
    assert_eq!(scene.status()?["stage"], "cut_over");
    Ok(())
}

/// The status says that it waits, and for what: nothing has failed.
fn waits_for(scene: &Scene, what: &str) -> Result<()> {
    let status = scene.status()?;
    let reason = status["wait"]["reason"].as_str().unwrap_or_default();
    assert!(reason.contains(what), "{status}");
    assert_eq!(
        (&status["status"], &status["error"], &status["runner"]),
        (&json!("waiting"), &Value::Null, &Value::Null)
    );
    let text = scene.ends(0, "status orders")?.stdout;
    assert!(text.contains("(waiting"), "{text}");
    assert!(text.contains(&format!("waiting     {reason}")), "{text}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_cannot_be_copied_are_left_for_people() -> Result<()> {
    let plan = "\
name: orders
table: public.orders
operations:
  - change_type: { column: note, type: integer, up: 'note::integer' }
";
    let scene = Scene::with_plan(20, plan).await?;
    scene
        .admin
        .run("update public.orders set note = id where id > 3")
        .await?;
    scene.ends(
        0,
        &format!("{EXPAND} --allow-hazard BAD_VALUES --allow-hazard PREPARED_STATEMENTS"),
    )?;
    let run = scene.ends(6, "backfill orders")?;
    assert!(
        run.stdout.contains("next: crossfade backfill orders"),
        "{run:?}"
    );
    assert!(run.stderr.contains("3 rows cannot be copied"), "{run:?}");
    assert!(!run.shown().contains("hunter2"), "{run:?}");
    let error = scene.fails(6, "E0061", "run orders")?;
    leads_to(&error, "crossfade backfill orders");
    scene
        .admin
        .run("update public.orders set note = '7' where id <= 2")
        .await?;
    assert_eq!(scene.result(6, "backfill orders")?["row_errors"], json!(1));
    scene
        .admin
        .run("delete from public.orders where id = 3")
        .await?;
    assert_eq!(scene.result(0, "run orders")?["stage"], "verified");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_is_reported_by_key_and_repaired() -> Result<()> {
    let scene = Scene::create(200).await?;
    scene.up_to("verify")?;
    scene
        .admin
        .run(
            "set session_replication_role = replica;
             delete from public.orders__new where id = 5;
             update public.orders__new set note = 'other' where id = 7;
             insert into public.orders__new (id, total) values (999, 0)",
        )
        .await?;
    let run = scene.ends(6, "verify orders")?;
    insta::assert_snapshot!("verify_damaged", run.stdout);
    let result = scene.result(6, "verify orders")?;
    assert_eq!(
        (&result["end"], &result["verdict"], &result["differences"]),
        (&json!("not_proved"), &json!("mismatch"), &json!(3))
    );
    assert_eq!(result["key_columns"], json!(["id"]));
    let kinds: Vec<_> = result["mismatches"]
        .as_array()
        .ok_or("a list")?
        .iter()
        .map(|mismatch| (mismatch["kind"].as_str(), mismatch["key"][0].as_str()))
        .collect();
    for expected in [("missing", "5"), ("different", "7"), ("extra", "999")] {
        assert!(
            kinds.contains(&(Some(expected.0), Some(expected.1))),
            "{kinds:?}"
        );
    }
    let status = scene.status()?;
    assert_eq!(status["verification"]["verdict"], "mismatch");
    scene.fails(7, "E0043", "cutover orders")?;
    let error = scene.fails(6, "E0062", "run orders")?;
    leads_to(&error, "crossfade verify orders --repair");
    let result = scene.result(0, "verify orders --repair")?;
    assert_eq!(
        (&result["verdict"], &result["stage"]),
        (&json!("exact"), &json!("verified"))
    );
    let repaired = &result["repaired"];
    assert_eq!(
        (&repaired["rederived"], &repaired["removed"]),
        (&json!(2), &json!(1))
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_proved_of_an_invariant_that_cannot_run() -> Result<()> {
    let plan = format!(
        "{PLAN}verify:\n  invariants:\n    - {{ name: odd, sql: 'select 1 from public.nowhere' }}\n"
    );
    let scene = Scene::with_plan(10, &plan).await?;
    scene.up_to("backfill")?;
    let error = scene.fails(7, "E0058", "verify orders")?;
    names(&error, "odd");
    assert_eq!(scene.status()?["stage"], "backfilled");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_way_back_that_would_lose_writes_is_closed() -> Result<()> {
    let scene = Scene::create(10).await?;
    scene.up_to("cutover")?;
    assert_eq!(scene.status()?["way_back"]["writes"], 0);
    scene
        .admin
        .run("insert into public.orders (id, total) values (5000000000, 1)")
        .await?;
    assert_eq!(scene.status()?["way_back"]["writes"], 1);
    let shown = scene.ends(0, "status orders")?.shown();
    assert!(shown.contains("would lose 1 write, to 1 row"), "{shown}");
    let error = scene.fails(6, "E0063", "rollback orders --yes")?;
    leads_to(&error, "crossfade rollback orders --accept-loss");
    let result = scene.result(0, "rollback orders --yes --accept-loss")?;
    assert_eq!(result["stage"], "rolled_back");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_is_not_granted_is_retryable() -> Result<()> {
    let scene = Scene::create(10).await?;
    scene.up_to("verify")?;
    let blocker = scene.database.session("blocker", Role::Superuser).await?;
    blocker
        .run("begin; lock table public.orders in access share mode")
        .await?;
    let error = scene.fails(8, "E0071", "cutover orders --max-wait 1s")?;
    names(&error, &format!("process {}", blocker.pid()));
    leads_to(&error, "crossfade cutover orders");
    blocker.run("rollback").await?;
    assert_eq!(
        scene.result(0, "cutover orders --max-wait 20s")?["end"],
        "reached"
    );
    Ok(())
}

/// The verdict speaks of the columns that were compared.
#[tokio::test(flavor = "multi_thread")]
async fn verify_names_what_it_does_not_compare() -> Result<()> {
    let scene = Scene::create(10).await?;
    scene
        .admin
        .run("alter table public.orders add twice integer generated always as (total * 2) stored")
        .await?;
    scene.up_to("backfill")?;
    let run = scene.ends(0, "verify orders")?;
    let told = "uncompared  twice (generated: computed by the server on each side)";
    assert!(run.stdout.contains(told), "{run:?}");
    let result = scene.result(0, "verify orders")?;
    let left = json!([{ "column": "twice", "because": "generated" }]);
    assert_eq!(result["not_compared"], left);
    Ok(())
}

/// The tables of PostgreSQL and of the state are nobody's to migrate, and nobody is told to become a
/// superuser for it.
#[tokio::test(flavor = "multi_thread")]
async fn preflight_refuses_what_is_no_applications_table() -> Result<()> {
    let scene = Scene::create(10).await?;
    scene.ends(0, "init")?;
    scene
        .admin
        .run("create table public.mine (id integer primary key)")
        .await?;
    for (table, check, why) in [
        (
            "crossfade.event",
            "kind",
            "the state of the migrations is kept in it",
        ),
        ("pg_catalog.pg_class", "kind", "it is PostgreSQL's own"),
        (
            "public.mine",
            "role",
            "a member of that role would be one, too",
        ),
    ] {
        let plan = format!(
            "name: other\ntable: {table}\noperations:\n  - add_column: {{ name: more, type: integer }}\n"
        );
        scene.write("other.yaml", &plan)?;
        let result = scene.result(7, "preflight other.yaml --accept-unknown disk")?;
        let findings = result["findings"].as_array().ok_or("findings")?;
        let found = findings.iter().find(|finding| finding["check"] == check);
        let found = found.ok_or("the check")?;
        assert_eq!(found["outcome"], "fail", "{table}: {result}");
        let message = found["message"].as_str().ok_or("a message")?;
        assert!(message.contains(why), "{table}: {message}");
        let remedy = found["remedy"].as_str().unwrap_or_default();
        assert!(!remedy.contains("crossfade grants"), "{table}: {remedy}");
    }
    Ok(())
}

/// Only reading all of it would tell whether the texts can be read.
#[tokio::test(flavor = "multi_thread")]
async fn preflight_does_not_trust_bytes_for_text() -> Result<()> {
    let scene = Scene::create(1).await?;
    let name = format!("{}_bytes", scene.database.name());
    scene
        .admin
        .run(&format!(
            "create database \"{name}\" template template0 encoding 'SQL_ASCII' lc_collate 'C' lc_ctype 'C'"
        ))
        .await?;
    let server = scene.database.server();
    let url = server.url(&name, server.superuser());
    let asked = |line: &str| {
        let line = format!("preflight orders.yaml --accept-unknown disk {line} --format json");
        let program = Program::new(&line).directory(scene.directory.path());
        program.url(&url).run()
    };
    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await?;
    let connection = tokio::spawn(connection);
    client
        .batch_execute("create table public.orders (id int primary key, total int not null)")
        .await?;
    drop(client);
    connection.await??;
    let run = asked("")?;
    assert_eq!(run.code, Some(7), "{run:?}");
    let found = &result_of(&run.stdout)?["findings"][1];
    assert_eq!(
        (&found["check"], &found["outcome"]),
        (&json!("encoding"), &json!("unknown")),
        "{run:?}"
    );
    let run = asked("--accept-unknown encoding")?;
    assert_eq!(run.code, Some(0), "{run:?}");
    let drop = format!("drop database \"{name}\" with (force)");
    Ok(scene.admin.run(&drop).await?)
}

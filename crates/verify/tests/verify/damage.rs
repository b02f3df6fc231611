//! Each kind of damage is found: the right row, the right kind, the right column.

use crossfade_state::{Mismatch, MismatchKind, Verdict};
use crossfade_testkit::Result;
use crossfade_verify::Report;

use crate::fixture::{Fixture, id_and, mismatch};

use MismatchKind::{Different, Extra, Missing};

/// 35 rows, which make several intervals, with `value` (SQL over `i`) as `v`.
async fn loaded(sql_type: &str, value: &str) -> Result<Fixture> {
    let (ddl, mapping) = id_and(sql_type);
    let fixture = Fixture::start(&ddl, mapping).await?;
    fixture
        .load(&format!("select i, {value} from generate_series(1, 35) i"))
        .await?;
    Ok(fixture)
}

async fn found_after(fixture: &Fixture, damage: &str) -> Result<(Report, Vec<Mismatch>)> {
    let clean = fixture.full().await?;
    assert_eq!(
        clean.verdict,
        Verdict::Exact,
        "before the damage: {clean:?}"
    );
    fixture.damage(damage).await?;
    let report = fixture.full().await?;
    let found = fixture.mismatches(&report).await?;
    assert_eq!(report.verdict, Verdict::Mismatch, "{report:?}");
    assert_eq!(usize::try_from(report.differences)?, found.len());
    Ok((report, found))
}

/// One change of `v` in row 17 of the target is found.
async fn assert_seen(sql_type: &str, right: &str, wrong: &str) -> Result<()> {
    let fixture = loaded(sql_type, right).await?;
    let damage = format!("update public.source__new set v = {wrong} where id = 17");
    let (_, found) = found_after(&fixture, &damage).await?;
    assert_eq!(
        found,
        [mismatch(Different, &["17"], &["v"])],
        "{sql_type}: {wrong}"
    );
    Ok(())
}

#[tokio::test]
async fn a_missing_row_is_found() -> Result<()> {
    let fixture = loaded("text", "'row ' || i").await?;
    let (report, found) =
        found_after(&fixture, "delete from public.source__new where id = 9").await?;
    assert_eq!(found, [mismatch(Missing, &["9"], &[])]);
    assert_eq!(
        (report.missing, report.source_rows, report.target_rows),
        (1, 35, 34)
    );
    Ok(())
}

#[tokio::test]
async fn an_extra_row_is_found_wherever_it_lies() -> Result<()> {
    let fixture = loaded("text", "'row ' || i").await?;
    let damage = "insert into public.source__new values (-5, 'ghost'), (36, 'ghost'), \
                  (9223372036854775807, null)";
    let (report, found) = found_after(&fixture, damage).await?;
    let expected = ["-5", "36", "9223372036854775807"].map(|key| mismatch(Extra, &[key], &[]));
    assert_eq!(found, expected);
    assert_eq!((report.extra, report.missing, report.different), (3, 0, 0));
    Ok(())
}

#[tokio::test]
async fn a_stale_row_is_found() -> Result<()> {
    assert_seen("text", "'row ' || i", "'older'").await
}

#[tokio::test]
async fn null_is_not_the_empty_string() -> Result<()> {
    assert_seen("text", "''", "null").await?;
    assert_seen("text", "null", "''").await
}

#[tokio::test]
async fn numbers_whose_hashes_are_equal_differ() -> Result<()> {
    assert_seen("bigint", "1", "4294967296").await
}

#[tokio::test]
async fn text_of_json_counts() -> Result<()> {
    assert_seen(
        "json",
        "'{\"a\": 1, \"b\": 2}'::json",
        "'{\"b\": 2, \"a\": 1}'",
    )
    .await?;
    assert_seen("json", "'{\"a\": 1}'::json", "'{\"a\":1}'").await
}

#[tokio::test]
async fn the_scale_of_a_number_counts() -> Result<()> {
    assert_seen("numeric", "1.0", "1.00").await
}

#[tokio::test]
async fn minus_zero_is_not_zero() -> Result<()> {
    assert_seen("double precision", "'-0.0'::float8", "'0.0'").await
}

#[tokio::test]
async fn trailing_spaces_count() -> Result<()> {
    assert_seen("text", "'a'", "'a '").await
}

#[tokio::test]
async fn bytes_and_points_are_compared() -> Result<()> {
    assert_seen("bytea", "'\\x00ff'::bytea", "'\\x00fe'").await?;
    assert_seen("point", "'(1,2)'::point", "'(2,1)'").await
}

#[tokio::test]
async fn values_that_are_stored_out_of_line_are_compared() -> Result<()> {
    let long = "(select string_agg(md5((i * 1000 + n)::text), '') from generate_series(1, 300) n)";
    assert_seen("text", long, "v || '.'").await
}

#[tokio::test]
async fn values_swapped_between_rows_are_found() -> Result<()> {
    let fixture = loaded("text", "'row ' || i").await?;
    let damage = "update public.source__new set v = case id when 3 then 'row 30' else 'row 3' end \
                  where id in (3, 30)";
    let (_, found) = found_after(&fixture, damage).await?;
    let expected = ["3", "30"].map(|key| mismatch(Different, &[key], &["v"]));
    assert_eq!(found, expected);
    Ok(())
}

#[tokio::test]
async fn the_first_and_the_last_key_are_compared() -> Result<()> {
    let fixture = loaded("text", "'row ' || i").await?;
    let (_, found) = found_after(
        &fixture,
        "delete from public.source__new where id in (1, 35)",
    )
    .await?;
    assert_eq!(found, ["1", "35"].map(|key| mismatch(Missing, &[key], &[])));
    Ok(())
}

#[tokio::test]
async fn a_lost_chunk_is_found() -> Result<()> {
    let fixture = loaded("text", "'row ' || i").await?;
    let (report, found) = found_after(
        &fixture,
        "delete from public.source__new where id between 11 and 20",
    )
    .await?;
    assert_eq!((report.missing, found.len()), (10, 10));
    Ok(())
}

#[tokio::test]
async fn the_same_change_on_an_even_number_of_rows_is_found() -> Result<()> {
    let fixture = loaded("text", "'same'").await?;
    let (report, _) = found_after(
        &fixture,
        "update public.source__new set v = 'other' where id in (4, 5, 6, 7)",
    )
    .await?;
    assert_eq!(report.different, 4);
    Ok(())
}

/// Every row is damaged, so a key that no interval holds, or that two hold, changes the number.
#[tokio::test]
async fn every_row_is_compared_exactly_once() -> Result<()> {
    let fixture = loaded("text", "'row ' || i").await?;
    let (report, _) = found_after(&fixture, "update public.source__new set v = 'wrong'").await?;
    assert_eq!(
        (report.different, report.source_rows, report.target_rows),
        (35, 35, 35)
    );
    Ok(())
}

#[tokio::test]
async fn all_are_counted_where_few_are_named() -> Result<()> {
    let mut fixture = loaded("text", "'row ' || i").await?;
    fixture.job.settings.mismatches = 2;
    fixture.job.settings.chunk_rows = 1000;
    fixture
        .damage("update public.source__new set v = 'wrong'")
        .await?;
    let report = fixture.full().await?;
    assert_eq!(report.different, 35);
    assert!(fixture.mismatches(&report).await?.len() < 35);
    Ok(())
}

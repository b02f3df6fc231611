//! Every example plan plans against the example schema, runs to its end, and from each stage back.

use crossfade_testkit::Result;

use crate::fixture::Fixture;

const SCHEMA: &str = include_str!("../../../../plans/example-schema.sql");

macro_rules! examples {
    ($($name:ident = $file:literal,)+) => {
        $(
            #[tokio::test]
            async fn $name() -> Result<()> {
                let text = include_str!(concat!("../../../../plans/", $file));
                let fixture = Fixture::new(SCHEMA).await?;
                let plan = fixture.sound_plan(text).await?;
                insta::assert_snapshot!(stringify!($name), fixture.printed(&plan));
                fixture.forth_and_back(&plan).await
            }
        )+

        #[test]
        fn every_example_is_run() -> Result<()> {
            let mut known = vec![$($file.to_owned()),+];
            known.sort();
            let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../plans");
            let mut found = Vec::new();
            for entry in std::fs::read_dir(folder)? {
                let name = entry?.file_name().to_string_lossy().into_owned();
                if name.ends_with(".yaml") {
                    found.push(name);
                }
            }
            found.sort();
            assert_eq!(found, known);
            Ok(())
        }
    };
}

examples! {
    change_type = "01-change-type.yaml",
    add_column = "02-add-column.yaml",
    rename_column = "03-rename-column.yaml",
    drop_column = "04-drop-column.yaml",
    split_column = "05-split-column.yaml",
    merge_columns = "06-merge-columns.yaml",
    set_not_null = "07-set-not-null.yaml",
    add_check = "08-add-check.yaml",
    add_index = "09-add-index.yaml",
    add_unique = "10-add-unique.yaml",
    combined = "11-combined.yaml",
}

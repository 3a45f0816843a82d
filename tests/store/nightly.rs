//! The backup of each day.

use std::fs;

use dashtray::{integrations::Registry, secret::Secret};
use jiff::{SignedDuration, Timestamp};

use crate::support::{
    backup::Shelf,
    database::{Database, on_both},
    site::Site,
};

on_both! {
    a_backup_is_made_once_a_day_and_so_many_are_kept,
}

async fn a_backup_is_made_once_a_day_and_so_many_are_kept(db: Database) {
    let shelf = Shelf::new();
    let site = Site::start_over(Registry::builtin(), |config| {
        config.database_url = Secret::new(db.url.as_str());
        config.backup_keep = 3;
    })
    .await;
    let directory = shelf.path("made by itself");
    fs::create_dir(&directory).unwrap();
    for other in ["dashtray-monday.backup", "dashtray-2026-01-01.backup.old", "notes.txt"] {
        fs::write(directory.join(other), "mine").unwrap();
    }
    let begin: Timestamp = "2026-02-26T03:00:00Z".parse().unwrap();
    for day in 0..5 {
        for hour in [0, 1, 20] {
            let now = begin + SignedDuration::from_hours(24 * day + hour);
            assert_eq!(site.app.back_up_today(&directory, now).await.unwrap(), hour == 0, "{now}");
        }
    }
    let entries = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = entries.collect();
    names.sort();
    assert_eq!(
        names,
        [
            "dashtray-2026-01-01.backup.old",
            "dashtray-2026-02-28.backup",
            "dashtray-2026-03-01.backup",
            "dashtray-2026-03-02.backup",
            "dashtray-monday.backup",
            "notes.txt"
        ]
    );
    shelf.restore("made by itself/dashtray-2026-03-02.backup", &Database::postgres().await, false).await.unwrap();
    assert!(site.app.back_up_today(&shelf.path("made by itself/notes.txt"), begin).await.is_err());
}

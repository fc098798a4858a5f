use proptest::prelude::*;

use super::*;

const VECTORS: &str = include_str!("../../../tests/data/vectors/production_date_batch_cells.csv");

#[test]
fn every_cell_of_published_lists_is_read_as_expected() {
    let mut count = 0;
    for row in csv::Reader::from_reader(VECTORS.as_bytes()).records() {
        let row = row.expect("a readable row");
        let read = read_date_and_batch(&row[0]);
        let date = read.date.map(|date| date.to_string()).unwrap_or_default();
        assert_eq!((date.as_str(), read.batch.as_str()), (&row[1], &row[2]), "{:?}", &row[0]);
        assert_eq!(read.warning.is_some(), row[3].contains("with a warning"), "{:?}", &row[0]);
        assert_eq!(&read.raw, &row[0]);
        count += 1;
    }
    assert_eq!(count, 14);
}

#[test]
fn further_cells() {
    for (cell, date, batch) in [
        ("2020/4/9/A12", "2020-04-09", "A12"),
        ("5D217/2020年5月25日", "2020-05-25", "5D217"),
        ("生产日期：2020年4月9日　批号：", "", ""),
        ("２０２０－０４－０９／Ａ１", "2020-04-09", "A1"),
        ("2020-04-09 00:00:00", "2020-04-09", ""),
        ("2020年4月9日\n批号：A1", "2020-04-09", "A1"),
    ] {
        let read = read_date_and_batch(cell);
        assert_eq!(
            (read.date.map(|date| date.to_string()).unwrap_or_default().as_str(), read.batch.as_str()),
            (date, batch),
            "{cell}"
        );
    }
    assert_eq!(read_date_and_batch("2020-02-30").warning, Some(DateWarning::ImpossibleDate));
    assert_eq!(read_date_and_batch("见包装").warning, Some(DateWarning::NotADate));
}

#[test]
fn what_is_no_date_is_refused() {
    for text in [
        "",
        "2020-",
        "20",
        "2020-13",
        "2020-00-01",
        "2020-02-30",
        "20200230",
        "1899",
        "2101-01-01",
        "2020-1-1-1",
        "A2020",
        "2020年月",
    ] {
        assert_eq!(CivilDate::parse(text), None, "{text}");
    }
}

#[test]
fn less_precise_dates_span_their_days() {
    let month = CivilDate::parse("2020年2月").expect("a month");
    assert_eq!(month.precision(), Precision::Month);
    assert_eq!((month.first_day().day(), month.last_day().day()), (1, 29));
    let day = CivilDate::day(2020, 2, 15).expect("a day");
    assert!(!day.is_certainly_after(month) && !month.is_certainly_after(day));
    assert!(CivilDate::day(2020, 3, 1).expect("a day").is_certainly_after(month));
    assert_eq!(day.plus_days(15), CivilDate::day(2020, 3, 1));
}

#[test]
fn the_day_of_an_instant_is_that_of_shanghai() {
    // 2020-04-09T15:59:59Z and one second later.
    assert_eq!(CivilDate::of_instant(1_586_447_999_999_999).to_string(), "2020-04-09");
    assert_eq!(CivilDate::of_instant(1_586_448_000_000_000).to_string(), "2020-04-10");
    assert_eq!(CivilDate::of_instant(i64::MIN).to_string(), "1900-01-01");
    assert_eq!(CivilDate::of_instant(i64::MAX).to_string(), "2100-12-31");
}

proptest! {
    #[test]
    fn every_day_is_read_back_from_all_its_forms(year in 1900_u16..=2100, month in 1_u8..=12, day in 1_u8..=31) {
        let Some(date) = CivilDate::day(year, month, day) else { return Ok(()) };
        for written in [
            date.to_string(),
            format!("{year:04}{month:02}{day:02}"),
            format!("{year}.{month}.{day}"),
            format!("{year}/{month}/{day}"),
            format!("{year}年{month}月{day}日"),
        ] {
            prop_assert_eq!(CivilDate::parse(&written), Some(date), "{}", written);
        }
        prop_assert_eq!(CivilDate::parse(&format!("{year}年{month}月")), CivilDate::month(year, month));
        prop_assert_eq!(CivilDate::of_parts(year.into(), month.into(), day.into()), Some(date));
        prop_assert_eq!(CivilDate::of_date(date.first_day()), Some(date));
    }

    #[test]
    fn reading_never_panics(text in "[0-9０-９年月日./;、 A-Z批号:-]{0,20}") {
        let read = read_date_and_batch(&text);
        prop_assert_eq!(read.raw, text);
    }
}

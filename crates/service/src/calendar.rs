//! The Gregorian calendar in UTC, for budgets, bills and messages.

/// Months since January 1970 of an hour since 1970.
#[must_use]
pub fn month_of_hour(hour: u32) -> u32 {
    month_of_day(hour / 24)
}

/// Months since January 1970 of a time in milliseconds since 1970.
#[must_use]
pub fn month_of(millis: u64) -> u32 {
    month_of_day(u32::try_from(millis / 86_400_000).unwrap_or(u32::MAX))
}

/// Days are counted from 1 March of year 0, so that the leap day is the last of its year; in those years
/// the months begin at days (153 m + 2) / 5.
fn month_of_day(day: u32) -> u32 {
    let (months, _) = date(day.into());
    u32::try_from(months - 1970 * 12).unwrap_or(u32::MAX)
}

/// Months since January of year 0 of a day since 1970, and its number in the month, from 1.
fn date(day: u64) -> (u64, u64) {
    const FROM_MARCH_0000: u64 = 719_468;
    const DAYS_400_YEARS: u64 = 146_097;
    let day = day + FROM_MARCH_0000;
    let (era, day) = (day / DAYS_400_YEARS, day % DAYS_400_YEARS);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month_from_march = (5 * day + 2) / 153;
    let months = (era * 400 + year) * 12 + month_from_march + 2;
    (months, day - (153 * month_from_march + 2) / 5 + 1)
}

/// A time in milliseconds since 1970 as RFC 3339 has it, in UTC: `2025-11-25T00:00:00.000Z`.
#[must_use]
pub fn rfc3339(millis: u64) -> String {
    let (months, day) = date(millis / 86_400_000);
    let (year, month) = (months / 12, months % 12 + 1);
    let (seconds, rest) = (millis / 1000 % 86_400, millis % 1000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{rest:03}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_begin_where_they_do() {
        // A plain count over the calendar's rules.
        let (mut day, mut month) = (0_u32, 0_u32);
        for year in 1970..2500_u32 {
            let leap =
                year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
            for days in [
                31,
                28 + u32::from(leap),
                31,
                30,
                31,
                30,
                31,
                31,
                30,
                31,
                30,
                31,
            ] {
                assert_eq!(month_of_day(day), month, "first of month {month}");
                assert_eq!(month_of_day(day + days - 1), month, "last of month {month}");
                assert_eq!(date(day.into()).1, 1, "first of month {month}");
                assert_eq!(date(u64::from(day + days) - 1).1, u64::from(days));
                day += days;
                month += 1;
            }
        }
        assert_eq!(month_of(1_764_028_800_000), (2025 - 1970) * 12 + 10);
    }

    #[test]
    fn times_are_written_as_they_are_read() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(951_868_799_999), "2000-02-29T23:59:59.999Z");
        assert_eq!(rfc3339(1_764_032_523_004), "2025-11-25T01:02:03.004Z");
    }
}

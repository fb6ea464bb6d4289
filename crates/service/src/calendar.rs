//! Months of the Gregorian calendar in UTC, for budgets and bills.

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
    const FROM_MARCH_0000: u64 = 719_468;
    const DAYS_400_YEARS: u64 = 146_097;
    let day = u64::from(day) + FROM_MARCH_0000;
    let (era, day) = (day / DAYS_400_YEARS, day % DAYS_400_YEARS);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month_from_march = (5 * day + 2) / 153;
    let months = (era * 400 + year) * 12 + month_from_march + 2;
    u32::try_from(months - 1970 * 12).unwrap_or(u32::MAX)
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
                day += days;
                month += 1;
            }
        }
        assert_eq!(month_of(1_764_028_800_000), (2025 - 1970) * 12 + 10);
    }
}
